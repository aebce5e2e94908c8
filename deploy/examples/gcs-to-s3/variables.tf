variable "gcp_project" {
  description = "The project of the source bucket, in which the function runs too."
  type        = string
}

variable "gcp_region" {
  description = "The region of the function, such as europe-west3: best that of the source bucket."
  type        = string
}

variable "name" {
  description = "What the names of all resources begin with."
  type        = string
  default     = "crossfade"
}

variable "source_bucket" {
  description = "The bucket of Cloud Storage that is followed."
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

variable "source_zip" {
  description = "Path of the function's source, as make dist packs it."
  type        = string
  default     = "../../../dist/crossfade-gcs_source.zip"
}

variable "source_runtime" {
  description = "The runtime that it is built for, as gcloud functions runtimes list names it."
  type        = string
  default     = "go126"
}

variable "build_service_account" {
  description = "The account that builds it (projects/…/serviceAccounts/…); null for the project's default."
  type        = string
  default     = null
}

variable "image" {
  description = "A container image of crossfade-gcs, to be run instead of the source; null to build that."
  type        = string
  default     = null
}

variable "backfill_image" {
  description = "The container image of the command line, for the backfill; null for none."
  type        = string
  default     = null
}

variable "backfill_tasks" {
  description = "How many tasks share the backfill, from 1."
  type        = number
  default     = 1
}

variable "backfill_schedule" {
  description = "When the backfill runs, as a cron expression; empty: by hand only."
  type        = string
  default     = ""
}

variable "operators" {
  description = "Who runs the command line against this migration, such as group:ops@example.com."
  type        = list(string)
  default     = []
}

variable "notification_channels" {
  description = "The notification channels of Cloud Monitoring that alerts go to."
  type        = list(string)
  default     = []
}

variable "labels" {
  description = "Labels of all resources in Google Cloud, and tags of those in AWS."
  type        = map(string)
  default     = { managed-by = "terraform", application = "crossfade" }
}
