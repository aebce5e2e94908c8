variable "bucket" {
  description = "The bucket that is written to."
  type        = string
}

variable "prefix" {
  description = "Only uploads of keys that begin with this are aborted; \"\" for all."
  type        = string
  default     = ""
}

variable "days" {
  description = "Days after which an upload that was not completed is abandoned."
  type        = number
  default     = 7

  validation {
    condition     = var.days >= 1 && floor(var.days) == var.days
    error_message = "A whole number of days, 1 at least: the largest object has to be through by then."
  }
}
