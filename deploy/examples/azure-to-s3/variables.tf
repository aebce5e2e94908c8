variable "azure_subscription_id" {
  description = "The subscription of the source account, in which the function runs too."
  type        = string
}

variable "azure_location" {
  description = "The region of the function, such as westeurope: best that of the source account."
  type        = string
}

variable "resource_group" {
  description = "The resource group that everything is made in; null for that of the source account."
  type        = string
  default     = null
}

variable "name" {
  description = "What the names of all resources begin with."
  type        = string
  default     = "crossfade"
}

variable "source_resource_group" {
  description = "The resource group of the source account."
  type        = string
}

variable "source_account" {
  description = "The storage account of the container that is followed."
  type        = string
}

variable "source_container" {
  description = "The container that is followed."
  type        = string
}

variable "source_prefix" {
  description = "Only keys below this, such as photos/; \"\" for all."
  type        = string
  default     = ""
}

variable "aws_region" {
  description = "The region of the target bucket, such as eu-central-1."
  type        = string
}

variable "aws_oidc_provider_arn" {
  description = "The provider in IAM for the tenant (https://sts.windows.net/TENANT/), if the account has it already: it can have but one; null to make it."
  type        = string
  default     = null
}

variable "target_bucket" {
  description = "The bucket of S3 that is written to. It has to exist."
  type        = string
}

variable "target_prefix" {
  description = "Where in it, such as photos/; \"\" for its root."
  type        = string
  default     = ""

  validation {
    condition     = var.target_prefix == "" || can(regex("^[^*?%#]+/$", var.target_prefix))
    error_message = "target_prefix ends in /, and has none of * ? % #."
  }
}

variable "abandoned_upload_days" {
  description = "Days after which S3 aborts an unfinished upload to the target, by a lifecycle configuration that replaces the one of the bucket; null for a bucket with rules of its own."
  type        = number
  default     = null
}

variable "target_kms_key_arns" {
  description = "The keys of KMS that the target bucket encrypts with, if any."
  type        = list(string)
  default     = []
}

variable "migration" {
  description = "The name of the migration, as crossfade.yaml has it; null for replication without a cutover."
  type        = string
  default     = null
}

variable "direction" {
  description = "forward; or reverse for the way back of a migration, of which this source is the target and this target the source: give it a name of its own."
  type        = string
  default     = "forward"
}

variable "package_url" {
  description = "URL of the function's zip as a blob, such as https://account.blob.core.windows.net/packages/crossfade-v1.zip."
  type        = string
}

variable "package_container_id" {
  description = "The resource ID of the container that the zip is in."
  type        = string
}

variable "backfill_image" {
  description = "The container image of the command line, for the backfill; null for none."
  type        = string
  default     = null
}

variable "backfill_schedule" {
  description = "When the backfill runs, as a cron expression in UTC; empty: by hand only."
  type        = string
  default     = ""
}

variable "operators" {
  description = "Object IDs of those who run the command line against this migration."
  type        = list(string)
  default     = []
}

variable "action_group_ids" {
  description = "Action groups of Azure Monitor that alerts go to."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of everything, on both clouds."
  type        = map(string)
  default     = { managed-by = "terraform", application = "crossfade" }
}
