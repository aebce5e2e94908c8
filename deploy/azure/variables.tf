variable "resource_group" {
  description = "The resource group that everything is made in. It has to exist."
  type        = string
}

variable "location" {
  description = "The region of the function and of the backfill, such as westeurope. Best that of the source account: reads across regions are paid for."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]+$", var.location))
    error_message = "location is a region by its short name, such as westeurope."
  }
}

variable "name" {
  description = "What the names of all resources begin with: one for each function in a resource group."
  type        = string
  default     = "crossfade"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,14}[a-z0-9]$", var.name))
    error_message = "name has 2 to 16 characters of a-z, 0-9 and -, begins with a letter and does not end with -: names of storage accounts have 24 at most."
  }
}

variable "tags" {
  description = "Tags of all resources that can have any."
  type        = map(string)
  default     = {}
}

# What is replicated.

variable "account" {
  description = "The storage account of the container whose changes are followed."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.account))
    error_message = "account is the name of a storage account, not its URL or its ID."
  }
}

variable "account_resource_group" {
  description = "The resource group of that account."
  type        = string
}

variable "container" {
  description = "The container whose changes are followed, in either direction."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{2,62}$", var.container))
    error_message = "The name of a container, without az:// or its account."
  }
}

variable "prefix" {
  description = "Only keys that begin with this are followed; \"\" for all, else it ends in \"/\"."
  type        = string
  default     = ""

  validation {
    condition     = var.prefix == "" || can(regex("^[^/?#%*'].*/$", var.prefix)) && !can(regex("[?#%*']", var.prefix))
    error_message = "A prefix ends in \"/\" and does not begin with it; ?, #, %, * and ' are not supported here."
  }
}

variable "target" {
  description = "URL of the store that is written to, such as s3://photos?region=eu-central-1, gs://photos or https://account.blob.core.windows.net/photos."
  type        = string

  validation {
    condition     = can(regex("^((s3|gs)://[^/?#%@]{3,}|https://[^/?#%@]+\\.blob\\.[^/?#%@]+/[^/?#%]+)", var.target))
    error_message = "A store URL: s3://bucket/prefix, gs://bucket/prefix or https://account.blob.core.windows.net/container/prefix."
  }

  # Each way round: a target that is within what is followed, or has it within.
  validation {
    condition = !startswith("${trimsuffix(var.target, "/")}/", "https://${var.account}.blob.core.windows.net/${var.container}/${var.prefix}") && (
      !startswith("https://${var.account}.blob.core.windows.net/${var.container}/${var.prefix}", "${trimsuffix(var.target, "/")}/")
    )
    error_message = "The target and the container that is followed hold the same objects: every copy would be a change to follow."
  }

  validation {
    condition     = startswith(var.target, "https://") == (var.target_container_id != null)
    error_message = "A target on Azure needs target_container_id, for the rights on it, and another must not have one."
  }
}

variable "target_container_id" {
  description = "The resource ID of the target's container, where the target is on Azure too; null for another cloud."
  type        = string
  default     = null

  validation {
    condition     = var.target_container_id == null || can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/.+/containers/[^/]+$", var.target_container_id))
    error_message = "target_container_id is /subscriptions/…/resourceGroups/…/storageAccounts/…/blobServices/default/containers/…."
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
  description = "forward where the container is the migration's source, reverse where it is its target and the function carries writes back."
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
  description = "URL of the migration's control documents, on S3 or Cloud Storage; null for its target."
  type        = string
  default     = null

  validation {
    condition     = var.control == null || can(regex("^(s3|gs)://[^/?#%@]{3,}", var.control))
    error_message = "A store URL of S3 or Cloud Storage, such as s3://bucket/prefix."
  }
  validation {
    condition     = var.control == null || var.migration != null
    error_message = "control belongs to a migration: set migration."
  }
  validation {
    condition     = var.control == null || var.direction == "forward" || var.control != var.target
    error_message = "control may not lie in the migration's source, which on the way back is target."
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

# The function.

variable "package_url" {
  description = "URL of the function's zip as a blob, such as https://account.blob.core.windows.net/packages/crossfade-v1.zip. Another version is another URL."
  type        = string

  validation {
    condition     = can(regex("^https://[^?]+\\.zip$", var.package_url))
    error_message = "package_url begins with https:// and ends in .zip; a signature in it would be a secret in the state: the identity of the function reads it."
  }
}

variable "package_container_id" {
  description = "The resource ID of the container that the zip is in, which the function may then read."
  type        = string
}

variable "sku" {
  description = "The plan: Y1 (Consumption: paid for by use, ten minutes for an event at most), or EP1, EP2 or EP3 (Elastic Premium: at least one instance always, in a network if need be)."
  type        = string
  default     = "Y1"

  validation {
    condition     = contains(["Y1", "EP1", "EP2", "EP3"], var.sku)
    error_message = "sku is Y1, EP1, EP2 or EP3."
  }
}

variable "timeout_minutes" {
  description = "The limit for one event. What takes longer goes on where it stood with the next delivery, or is for the backfill."
  type        = number
  default     = 10

  validation {
    condition     = var.timeout_minutes >= 1 && var.timeout_minutes <= (var.sku == "Y1" ? 10 : 60) && floor(var.timeout_minutes) == var.timeout_minutes
    error_message = "timeout_minutes is a whole number from 1 to 10, or to 60 with Elastic Premium."
  }
}

variable "instance_concurrency" {
  description = "Messages that an instance takes at once, from 1 to 32. Up to half as many again are in work while the next ones are fetched."
  type        = number
  default     = 16

  validation {
    condition     = var.instance_concurrency >= 1 && var.instance_concurrency <= 32
    error_message = "instance_concurrency is from 1 to 32: those are the bounds of a storage queue."
  }
}

variable "max_instances" {
  description = "The most instances: with instance_concurrency the bound on what the target gets at once. What does not find room waits in the queue."
  type        = number
  default     = 10

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= (var.sku == "Y1" ? 200 : 100)
    error_message = "max_instances is from 1 to 200, or to 100 with Elastic Premium."
  }
}

variable "retry_seconds" {
  description = "After how many seconds a message that failed comes again."
  type        = number
  default     = 120

  validation {
    condition     = var.retry_seconds >= 60 && var.retry_seconds <= 3540 && floor(var.retry_seconds) == var.retry_seconds
    error_message = "retry_seconds is a whole number from 60 to 3540: sooner would use up the deliveries while a target is throttled."
  }
}

variable "max_dequeue_count" {
  description = "How often a message is tried before it goes to the poison queue: 30 times, two minutes apart, are an hour."
  type        = number
  default     = 30

  validation {
    condition     = var.max_dequeue_count >= 5 && var.max_dequeue_count <= 1000
    error_message = "max_dequeue_count is from 5 to 1000."
  }
}

variable "retention_days" {
  description = "How long a message is kept that is not done. What is older is only found by a backfill."
  type        = number
  default     = 14

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 365
    error_message = "retention_days is from 1 to 365."
  }
}

variable "log_level" {
  description = "What is logged: debug, info, warn or error. Lag and outcomes are counted from lines of level info."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["debug", "info", "warn", "error"], var.log_level)
    error_message = "log_level is debug, info, warn or error."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept, from 30 to 730."
  type        = number
  default     = 30

  validation {
    condition     = var.log_retention_days >= 30 && var.log_retention_days <= 730
    error_message = "log_retention_days is from 30 to 730."
  }
}

variable "metrics" {
  description = "none, or otlp where environment has an OTEL_EXPORTER_OTLP_ENDPOINT. Lag and outcomes are counted from the log in either case."
  type        = string
  default     = "none"

  validation {
    condition     = contains(["none", "otlp"], var.metrics)
    error_message = "metrics is none or otlp."
  }
}

variable "system_topic" {
  description = "The Event Grid system topic of the account, where it has one already (there can be but one): its name, its resource group, and the principal ID of its system-assigned identity; null to make it."
  type        = object({ name = string, resource_group = string, principal_id = string })
  default     = null
}

# Who it is in the other cloud.

variable "identity" {
  description = "How the function and the backfill sign in to the other cloud: audience, the application ID URI (api://…) that their tokens are for; aws_role_arn, the role to assume for S3; or gcp_audience, the provider of the workload identity pool, and gcp_service_account, whom to act as there, if anyone."
  type = object({
    audience            = optional(string, "")
    aws_role_arn        = optional(string, "")
    gcp_audience        = optional(string, "")
    gcp_service_account = optional(string, "")
  })
  default = {}
}

variable "environment" {
  description = "More environment variables of the function and the backfill. Not for secrets."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for n in keys(var.environment) : !startswith(n, "CROSSFADE_")])
    error_message = "Those that begin with CROSSFADE_ have variables of this module."
  }
}

variable "private_environment" {
  description = "Environment variables whose values are in a Key Vault, such as the HMAC keys of a server without identities: by the variable's name the URI of the secret (https://vault.vault.azure.net/secrets/name). The identities in the outputs have to be permitted to read it."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for n, uri in var.private_environment : !startswith(n, "CROSSFADE_") && startswith(uri, "https://")])
    error_message = "Values are URIs of secrets; those that begin with CROSSFADE_ are no secrets, and have variables of this module."
  }
}

# The backfill.

variable "backfill" {
  description = "A Container Apps job that runs crossfade backfill: the image of the command line, and its registry where the identity of the backfill has to sign in to it (AcrPull); the content of the migration's crossfade.yaml (without it the two stores are given); more arguments; when to run (a cron expression in UTC; empty: by hand only); how long it may take; its size, of which Container Apps wants two GiB a CPU."
  type = object({
    image         = string
    registry      = optional(string, "")
    file          = optional(string, "")
    args          = optional(list(string), [])
    schedule      = optional(string, "")
    timeout_hours = optional(number, 24)
    cpu           = optional(number, 1)
    memory        = optional(string, "2Gi")
  })
  default = null

  validation {
    condition     = var.backfill == null || var.direction == "forward"
    error_message = "backfill belongs to the function that carries changes forward: nothing is seeded on the way back."
  }
  validation {
    condition     = var.backfill == null || try(var.backfill.timeout_hours >= 1 && var.backfill.timeout_hours <= 168, false)
    error_message = "backfill.timeout_hours is from 1 to 168. What is done is skipped by the next run."
  }
  validation {
    condition     = var.backfill == null || var.control == null || try(var.backfill.file != "", false)
    error_message = "backfill needs file where control is set: only crossfade.yaml tells it where the migration's documents are."
  }
}

# Who looks after it.

variable "operators" {
  description = "Who runs the command line against this migration: object IDs of users, groups or service principals. They get what it needs on the containers, and the messages in the poison queue."
  type        = list(string)
  default     = []
}

variable "action_group_ids" {
  description = "Action groups of Azure Monitor that alerts go to; none where they are only to be seen."
  type        = list(string)
  default     = []
}

variable "alerts" {
  description = "When to alert: lag_seconds that 95 of 100 changes may take; backlog, the messages that may wait; failed_share of invocations."
  type = object({
    lag_seconds  = optional(number, 120)
    backlog      = optional(number, 10000)
    failed_share = optional(number, 0.1)
  })
  default = {}

  validation {
    condition     = var.alerts.failed_share > 0 && var.alerts.failed_share < 1
    error_message = "alerts.failed_share is a share between 0 and 1, such as 0.1."
  }
}
