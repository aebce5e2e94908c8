variable "name" {
  description = "Prefix of the names of everything that is made."
  type        = string
  default     = "crossfade"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}$", var.name))
    error_message = "3 to 21 of a-z, 0-9 and -, a letter first."
  }
}

variable "aws_region" {
  description = "Region of the bucket, such as eu-central-1."
  type        = string
}

variable "gcp_project" {
  description = "ID of the project of the target bucket."
  type        = string
}

variable "source_bucket" {
  description = "The S3 bucket to move."
  type        = string
}

variable "source_prefix" {
  description = "Only keys that begin with this are followed; \"\" for all."
  type        = string
  default     = ""
}

variable "target_bucket" {
  description = "The Cloud Storage bucket to move to. It has to exist."
  type        = string
}

variable "migration" {
  description = "Name of the declared migration, as in crossfade.yaml; null for replication without a cutover."
  type        = string
  default     = null
}

variable "direction" {
  description = "forward; or reverse for the way back of a migration, of which this source is the target and this target the source: give it a name of its own."
  type        = string
  default     = "forward"
}

variable "notifications" {
  description = "bucket takes over the bucket's whole notification configuration, eventbridge adds a rule and leaves that alone."
  type        = string
  default     = "bucket"
}

variable "package_file" {
  description = "Path of the function's zip, as make dist builds it."
  type        = string
  default     = "../../../dist/crossfade-s3-to-gcs_linux_arm64.zip"
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms are sent to."
  type        = list(string)
  default     = []
}

variable "backfill_image" {
  description = "Container image of crossfade for the backfill on Fargate; null to run crossfade backfill elsewhere."
  type        = string
  default     = null
}

variable "backfill_subnet_ids" {
  description = "Subnets that the backfill runs in, with a way to the internet."
  type        = list(string)
  default     = []

  validation {
    condition     = (var.backfill_image == null) == (length(var.backfill_subnet_ids) == 0)
    error_message = "Give subnets together with backfill_image."
  }
}

variable "backfill_public_ip" {
  description = "Whether the backfill has an address of its own: yes in public subnets, no behind a NAT gateway."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of everything on AWS. What is made on Google Cloud can have none."
  type        = map(string)
  default     = {}
}
