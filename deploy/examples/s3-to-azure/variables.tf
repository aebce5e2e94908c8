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

variable "aws_token_issuer" {
  description = "The account's issuer of tokens for other clouds. It is a setting of the whole account, so this root leaves it alone: aws iam enable-outbound-web-identity-federation turns it on, aws iam get-outbound-web-identity-federation-info tells the issuer."
  type        = string

  validation {
    condition     = can(regex("^https://[^/]+$", var.aws_token_issuer))
    error_message = "A URL such as https://….tokens.sts.global.api.aws, without a path."
  }
}

variable "azure_subscription_id" {
  description = "ID of the subscription of the target's storage account."
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

variable "target_resource_group" {
  description = "Resource group of the target's storage account; the identity is made in it."
  type        = string
}

variable "target_account" {
  description = "The storage account to move to. It has to exist."
  type        = string
}

variable "target_container" {
  description = "The container to move to. It has to exist."
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
  default     = "../../../dist/crossfade-s3-to-azure_linux_arm64.zip"
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
  description = "Tags of everything, on both clouds."
  type        = map(string)
  default     = {}
}
