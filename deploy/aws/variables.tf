variable "name" {
  description = "Prefix of the names of everything that is made. Two migrations of one account and region need two names."
  type        = string
  default     = "crossfade"

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{0,31}$", var.name))
    error_message = "A letter, then at most 31 letters, digits and hyphens: Google Cloud takes names of role sessions of 127 characters at most, with the account, the role and the function in them."
  }
}

variable "bucket" {
  description = "The S3 bucket whose changes are followed. It has to be in the provider's region and account."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket)) && !endswith(var.bucket, "--x-s3")
    error_message = "The name of a general purpose bucket, without s3://."
  }
}

variable "prefix" {
  description = "Only keys that begin with this are followed; \"\" for all, else it ends in \"/\"."
  type        = string
  default     = ""

  validation {
    condition     = var.prefix == "" || can(regex("^[a-zA-Z0-9._-][a-zA-Z0-9._/-]*/$", var.prefix))
    error_message = "A prefix ends in \"/\" and does not begin with it; only letters, digits and ._/- are in it, for others the filter of S3 would want encoded."
  }
}

variable "target" {
  description = "URL of the store that is written to, such as gs://photos, az://photos or https://account.blob.core.windows.net/photos."
  type        = string

  validation {
    condition     = can(regex("^(s3|gs|az)://[^/@]+(/[!-~]*)?$", var.target)) || can(regex("^https://[^/@?]+/[^/?]+(/[!->@-~]*)?$", var.target))
    error_message = "A store URL: gs://bucket/prefix, az://container/prefix, https://account.blob.core.windows.net/container/prefix or s3://bucket/prefix."
  }

  validation {
    condition     = !can(regex("^s3://${replace(var.bucket, ".", "[.]")}([/?]|$)", var.target))
    error_message = "The target is the bucket that is followed: every copy would be a change to follow."
  }
}

variable "migration" {
  description = "Name of the declared migration, as in crossfade.yaml; null for replication without a cutover."
  type        = string
  default     = null

  validation {
    condition     = var.migration == null || can(regex("^[a-z0-9][a-z0-9-]{0,39}$", var.migration))
    error_message = "1 to 40 of a-z, 0-9 and -, and no - first."
  }
}

variable "direction" {
  description = "forward where the bucket is the migration's source, reverse where it is its target and the function carries writes back."
  type        = string
  default     = "forward"

  validation {
    condition     = contains(["forward", "reverse"], var.direction)
    error_message = "Write forward or reverse."
  }

  validation {
    condition     = var.direction == "forward" || var.migration != null
    error_message = "The way back belongs to a migration: set migration."
  }
}

variable "control" {
  description = "URL of the migration's control documents; null for its target."
  type        = string
  default     = null

  validation {
    condition     = var.control == null || var.migration != null
    error_message = "Control documents belong to a migration: set migration, or leave control null."
  }

  # Every document would be an event, and the events of functions documents.
  validation {
    condition     = var.control == null || var.direction == "reverse" || !can(regex("^s3://${replace(var.bucket, ".", "[.]")}([/?]|$)", var.control))
    error_message = "The control documents may not lie in the migration's source: choose its target, or a bucket of their own."
  }
}

variable "deletes" {
  description = "Whether deletions are carried to the target."
  type        = bool
  default     = true
}

variable "foreign" {
  description = "What to do about objects on the target that this migration did not put there: keep, adopt or overwrite."
  type        = string
  default     = "keep"

  validation {
    condition     = contains(["keep", "adopt", "overwrite"], var.foreign)
    error_message = "Write keep, adopt or overwrite."
  }
}

variable "notifications" {
  description = "Who tells of changes: bucket takes over the bucket's whole notification configuration, eventbridge adds a rule and leaves that alone, sns takes what the topics in notification_topic_arns pass on."
  type        = string
  default     = "bucket"

  validation {
    condition     = contains(["bucket", "eventbridge", "sns"], var.notifications)
    error_message = "Write bucket, eventbridge or sns."
  }
}

variable "notification_topic_arns" {
  description = "With notifications = \"sns\": the topics that get the bucket's notifications. The queue is subscribed to them."
  type        = list(string)
  default     = []

  validation {
    condition     = (var.notifications == "sns") == (length(var.notification_topic_arns) > 0)
    error_message = "Give topics with notifications = \"sns\", and only then."
  }
}

variable "package_file" {
  description = "Path of the function's zip, such as dist/crossfade-s3-to-gcs_linux_arm64.zip; null where package_s3 is given."
  type        = string
  default     = null
}

variable "package_s3" {
  description = "The function's zip as an object in a bucket of the same region; null where package_file is given."
  type = object({
    bucket  = string
    key     = string
    version = optional(string)
  })
  default = null

  validation {
    condition     = (var.package_file == null) != (var.package_s3 == null)
    error_message = "Give one of package_file and package_s3."
  }
}

variable "architecture" {
  description = "Processor that the zip and the image are built for: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Write arm64 or x86_64."
  }
}

variable "memory" {
  description = "Memory of the function in MB. Bytes per second grow with it."
  type        = number
  default     = 512

  validation {
    condition     = var.memory >= 256 && var.memory <= 10240 && floor(var.memory) == var.memory
    error_message = "A whole number from 256 to 10240."
  }
}

variable "timeout" {
  description = "Seconds that an invocation may take. It has to suffice for the largest object; what takes longer is for the backfill."
  type        = number
  default     = 150

  validation {
    condition     = var.timeout >= 30 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "A whole number from 30 to 900."
  }
}

variable "concurrency" {
  description = "Keys of one batch that are synced at once."
  type        = number
  default     = 16

  validation {
    condition     = var.concurrency >= 1 && var.concurrency <= 1024 && floor(var.concurrency) == var.concurrency
    error_message = "A whole number from 1 to 1024."
  }
}

variable "batch_size" {
  description = "Messages handed to one invocation at most."
  type        = number
  default     = 10

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10
    error_message = "From 1 to 10: more would have to be waited for."
  }
}

variable "maximum_concurrency" {
  description = "Invocations at once at most. Together with concurrency it bounds the load on both ends."
  type        = number
  default     = 50

  validation {
    condition     = var.maximum_concurrency >= 2 && var.maximum_concurrency <= 1000
    error_message = "From 2 to 1000."
  }
}

variable "reserved_concurrency" {
  description = "Concurrency that is set aside for the function out of the account's; -1 for none. No less than maximum_concurrency, or messages are received in vain."
  type        = number
  default     = -1

  validation {
    condition     = var.reserved_concurrency == -1 || var.reserved_concurrency >= var.maximum_concurrency
    error_message = "-1, or maximum_concurrency at least."
  }
}

variable "max_receive_count" {
  description = "Deliveries of a message before it goes to the dead-letter queue: 100 are about six hours of failures, 20 fifty minutes. After one that ended the process, or its time, the next comes six timeouts later."
  type        = number
  default     = 100

  validation {
    condition     = var.max_receive_count >= 20 && var.max_receive_count <= 1000
    error_message = "From 20 to 1000: a throttled message is not poison."
  }
}

variable "metrics" {
  description = "Where metrics go: emf to CloudWatch by the log, none, or otlp to where OTEL_ variables in environment say. Without emf there is no alarm on the lag."
  type        = string
  default     = "emf"

  validation {
    condition     = contains(["emf", "none", "otlp"], var.metrics)
    error_message = "Write emf, none or otlp."
  }
}

variable "log_level" {
  description = "debug, info, warn or error."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["debug", "info", "warn", "error"], var.log_level)
    error_message = "Write debug, info, warn or error."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept, as CloudWatch permits them."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "One of the numbers of days that CloudWatch Logs offers, such as 7, 14, 30, 90 or 365."
  }
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms are sent to; none where they are only to be seen."
  type        = list(string)
  default     = []
}

variable "alarm_lag_seconds" {
  description = "The lag, from the change to its copy, above which the alarm goes off when a twentieth of the changes exceed it for 15 minutes."
  type        = number
  default     = 60

  validation {
    condition     = var.alarm_lag_seconds >= 1
    error_message = "One second at least."
  }
}

variable "alarm_age_seconds" {
  description = "The age of the oldest message in the queue above which the alarm goes off."
  type        = number
  default     = 1800

  validation {
    condition     = var.alarm_age_seconds >= 60
    error_message = "60 seconds at least."
  }
}

variable "backfill" {
  description = "The task on Fargate that copies what was there before, or compares: its container image, subnets, and optionally a cluster, a schedule such as rate(1 day), and the arguments of crossfade. null for none. Without a schedule it is started by hand."
  type = object({
    image              = string
    subnet_ids         = list(string)
    security_group_ids = optional(list(string))
    assign_public_ip   = optional(bool, false)
    cluster_arn        = optional(string)
    cpu                = optional(number, 1024)
    memory             = optional(number, 2048)
    command            = optional(list(string))
    schedule           = optional(string)
  })
  default = null

  validation {
    condition     = try(var.backfill.schedule, null) == null || can(regex("^(rate|cron|at)\\(.+\\)$", var.backfill.schedule))
    error_message = "schedule is rate(…), cron(…) or at(…)."
  }

  validation {
    condition     = var.backfill == null || var.direction == "forward"
    error_message = "The backfill of a migration runs forward; for the way back the functions suffice."
  }

  validation {
    condition     = var.backfill == null || var.control == null
    error_message = "The task knows the migration by its two ends only. With control elsewhere it would not see that the application has moved: run crossfade backfill -f by hand."
  }
}

variable "kms_key_arns" {
  description = "Keys of the KMS with which objects of the bucket are encrypted, and of the target and control if these are on S3: the roles may then use them."
  type        = list(string)
  default     = []
}

variable "identity" {
  description = "How the roles log in to the target without keys: gcp_audience names the provider of a workload identity pool and gcp_service_account whom to act as there, if anyone; azure_tenant_id and azure_client_id name an application or managed identity with a federated credential, audience whom its tokens are for."
  type = object({
    gcp_audience        = optional(string)
    gcp_service_account = optional(string)
    azure_tenant_id     = optional(string)
    azure_client_id     = optional(string)
    audience            = optional(string, "api://AzureADTokenExchange")
  })
  default = {}

  validation {
    condition     = (var.identity.azure_tenant_id == null) == (var.identity.azure_client_id == null)
    error_message = "Give azure_tenant_id and azure_client_id, or neither."
  }

  validation {
    condition     = var.identity.gcp_service_account == null || var.identity.gcp_audience != null
    error_message = "gcp_service_account needs gcp_audience."
  }
}

variable "secret_arns" {
  description = "The fallback where a target takes keys only: environment variables by the ARN of the secret in Secrets Manager that holds each. For the function Terraform reads them, and its state then holds them."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name, arn in var.secret_arns : startswith(arn, "arn:") && strcontains(arn, ":secretsmanager:")])
    error_message = "Give ARNs of secrets."
  }

  validation {
    condition     = alltrue([for name, arn in var.secret_arns : !startswith(name, "AWS_") && !startswith(name, "CROSSFADE_")])
    error_message = "Lambda keeps the AWS_ variables for its own role, and no CROSSFADE_ variable holds a secret."
  }
}

variable "environment" {
  description = "Further environment variables of the function and the backfill, such as AZURE_STORAGE_ACCOUNT. Not for secrets."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.environment) : !startswith(name, "CROSSFADE_") && !startswith(name, "AWS_")])
    error_message = "Variables of this module set those that begin with CROSSFADE_, and Lambda those with AWS_."
  }
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
