variable "project" {
  description = "The project that everything is made in. The source bucket has to be in it too, for custom roles hold for one project."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project is the ID of a project, such as shop-prod-1234, not its number or its name."
  }
}

variable "region" {
  description = "The region of the function and of the backfill, such as europe-west3. Best that of the source bucket: reads across regions are paid for."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a region of Cloud Run, such as europe-west3, not a zone or a multi-region."
  }
}

variable "name" {
  description = "What the names of all resources begin with: one for each function in a project."
  type        = string
  default     = "crossfade"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,16}[a-z0-9]$", var.name))
    error_message = "name has 2 to 18 characters of a-z, 0-9 and -, begins with a letter and does not end with -: names of service accounts have 30 at most."
  }
}

variable "labels" {
  description = "Labels of all resources that can have any."
  type        = map(string)
  default     = {}
}

# What is replicated.

variable "bucket" {
  description = "The bucket of Cloud Storage whose changes are followed, in either direction."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$", var.bucket))
    error_message = "The name of a bucket, without gs://."
  }
}

variable "prefix" {
  description = "Only keys that begin with this are followed; \"\" for all, else it ends in \"/\"."
  type        = string
  default     = ""

  validation {
    condition     = var.prefix == "" || can(regex("^[^/?#%*].*/$", var.prefix)) && !can(regex("[?#%*]", var.prefix))
    error_message = "A prefix ends in \"/\" and does not begin with it; ?, #, % and * are not supported here."
  }
}

variable "target" {
  description = "URL of the store that is written to, such as s3://photos?region=eu-central-1, az://photos or https://account.blob.core.windows.net/photos."
  type        = string

  validation {
    condition     = can(regex("^((s3|az|gs)://[^/?#%@]{3,}|https://[^/?#%@]+\\.blob\\.[^/?#%@]+/[^/?#%]+)", var.target))
    error_message = "A store URL: s3://bucket/prefix, az://container/prefix, https://account.blob.core.windows.net/container/prefix or gs://bucket/prefix."
  }

  validation {
    condition     = !startswith(var.target, "gs://") || !can(regex("[?#%*]", var.target))
    error_message = "The URL of a bucket of Cloud Storage has no ?, #, % or * here."
  }

  # Each way round: a target that is within what is followed, or has it within.
  validation {
    condition = !startswith("${trimsuffix(var.target, "/")}/", "gs://${var.bucket}/${var.prefix}") && (
      !startswith("gs://${var.bucket}/${var.prefix}", "${trimsuffix(var.target, "/")}/")
    )
    error_message = "The target and the bucket that is followed hold the same objects: every copy would be a change to follow."
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
    condition     = var.control == null || can(regex("^((s3|az|gs)://[^/?#%@]{3,}|https://[^/?#%@]+\\.blob\\.[^/?#%@]+/[^/?#%]+)", var.control))
    error_message = "A store URL, such as s3://bucket/prefix."
  }

  validation {
    condition     = var.control == null || var.migration != null
    error_message = "Control documents belong to a migration: set migration, or leave control null."
  }

  # Every document would be an event, and the events of functions documents.
  validation {
    condition = var.control == null || !startswith(
      "${trimsuffix(split("?", coalesce(var.control, "-"))[0], "/")}/",
      var.direction == "reverse" ? "${trimsuffix(split("?", var.target)[0], "/")}/" : "gs://${var.bucket}/${var.prefix}",
    )
    error_message = "The control documents may not lie in the migration's source: choose its target, or a bucket of their own."
  }
}

variable "deletes" {
  description = "Carry deletions."
  type        = bool
  default     = true
}

variable "foreign" {
  description = "What becomes of objects on the target that are not crossfade's: keep, adopt where the bytes are equal, or overwrite."
  type        = string
  default     = "keep"

  validation {
    condition     = contains(["keep", "adopt", "overwrite"], var.foreign)
    error_message = "foreign is keep, adopt or overwrite."
  }
}

# The function.

variable "image" {
  description = "The container image of crossfade-gcs, best by its digest; null where source_archive is given."
  type        = string
  default     = null

  validation {
    condition     = (var.image == null) != (var.source_archive == null)
    error_message = "Give one of image and source_archive."
  }
}

variable "source_archive" {
  description = "The source of the function for Cloud Build, as make dist packs it: the path of the zip, its entry point, the runtime, and, where the project's default may not build, a service account for the build (projects/…/serviceAccounts/…)."
  type = object({
    path                  = string
    runtime               = string
    entry_point           = optional(string, "Crossfade")
    build_service_account = optional(string)
  })
  default = null
}

variable "environment" {
  description = "More environment variables for the function and the backfill, such as AZURE_CLIENT_ID and AZURE_TENANT_ID. Values are in Terraform's state: secrets belong in private_environment."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for n in keys(var.environment) : !startswith(n, "CROSSFADE_")])
    error_message = "Those that begin with CROSSFADE_ have variables of this module."
  }
}

variable "aws_role_arn" {
  description = "The ARN of the role to assume for s3:// stores, which has to trust the service accounts in the outputs; null for none, with keys in private_environment."
  type        = string
  default     = null
}

variable "identity_audience" {
  description = "Whom the tokens are for by which the function signs in to the other cloud; null for that cloud's default."
  type        = string
  default     = null
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

variable "private_environment" {
  description = "Environment variables whose values are in Secret Manager, such as the HMAC keys of a server without identities: by the variable's name the secret's ID, and its version if not the latest."
  type        = map(object({ id = string, version = optional(string, "latest") }))
  default     = {}

  validation {
    condition     = alltrue([for n in keys(var.private_environment) : !startswith(n, "CROSSFADE_")])
    error_message = "Those that begin with CROSSFADE_ are no secrets, and have variables of this module."
  }
}

variable "cpu" {
  description = "CPUs of an instance of the function: 1, 2, 4 or 8."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2, 4, 8], var.cpu)
    error_message = "cpu is 1, 2, 4 or 8; less than 1 permits no more than one request at once."
  }
}

variable "memory" {
  description = "Memory of an instance of the function. Each request holds up to 8 MiB of a small object, large ones up to 130 MiB together."
  type        = string
  default     = "1Gi"

  validation {
    condition     = can(regex("^[1-9][0-9]*(Mi|Gi)$", var.memory))
    error_message = "memory is a number of Mi or Gi, such as 512Mi."
  }
}

variable "timeout" {
  description = "The limit for one event. Pub/Sub waits no longer than 600 s for an answer."
  type        = number
  default     = 540

  validation {
    condition     = var.timeout >= 10 && var.timeout <= 540 && floor(var.timeout) == var.timeout
    error_message = "timeout is a whole number from 10 to 540: a minute less than Pub/Sub waits, so that an event that ran out of time is not in work twice."
  }
}

variable "request_concurrency" {
  description = "Events in work at once in one instance."
  type        = number
  default     = 16

  validation {
    condition     = var.request_concurrency >= 1 && var.request_concurrency <= 1000
    error_message = "request_concurrency is from 1 to 1000."
  }
}

variable "min_instances" {
  description = "Instances that are kept running, and paid for: 1 takes the cold start out of the lag of the first event after a pause."
  type        = number
  default     = 0
}

variable "max_instances" {
  description = "The most instances: with request_concurrency the bound on what the target gets at once. What does not find room waits in the subscription."
  type        = number
  default     = 20

  validation {
    condition     = var.max_instances >= 1 && var.max_instances >= var.min_instances
    error_message = "max_instances is 1 or more, and not less than min_instances."
  }
}

variable "log_level" {
  description = "What is logged: debug, info, warn or error. The lag and the outcomes are counted from lines of level info."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["debug", "info", "warn", "error"], var.log_level)
    error_message = "log_level is debug, info, warn or error."
  }
}

# The events.

variable "events" {
  description = "How events come: pubsub (a notification of the bucket, with a dead-letter topic), or eventarc (triggers, which keep an event for 24 hours and have no dead-letter topic of their own)."
  type        = string
  default     = "pubsub"

  validation {
    condition     = contains(["pubsub", "eventarc"], var.events)
    error_message = "events is pubsub or eventarc."
  }
}

variable "max_delivery_attempts" {
  description = "How often an event is tried before it goes to the dead-letter topic. The pauses grow from 10 seconds to 10 minutes: 30 attempts take about four hours, 100 about sixteen."
  type        = number
  default     = 30

  validation {
    condition     = var.max_delivery_attempts >= 5 && var.max_delivery_attempts <= 100
    error_message = "max_delivery_attempts is from 5 to 100: those are the bounds of Pub/Sub."
  }
}

variable "retention_days" {
  description = "How long events that are not done, and dead letters, are kept: up to 31 days. Dead letters older than that are only found by a backfill."
  type        = number
  default     = 14

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 31 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days is a whole number from 1 to 31."
  }
}

# The backfill.

variable "backfill" {
  description = "A Cloud Run job that runs crossfade backfill: the image of the command line; the ID of a secret with the migration's crossfade.yaml (without it the two stores are given); more arguments; when to run (a cron expression; empty: by hand only) in which time zone; how many tasks share it; how long it may take; its size."
  type = object({
    image         = string
    file_id       = optional(string, "")
    args          = optional(list(string), [])
    schedule      = optional(string, "")
    time_zone     = optional(string, "Etc/UTC")
    tasks         = optional(number, 1)
    timeout_hours = optional(number, 24)
    cpu           = optional(number, 2)
    memory        = optional(string, "2Gi")
  })
  default = null

  validation {
    condition     = var.backfill == null || var.direction == "forward"
    error_message = "backfill belongs to the function that carries changes forward: nothing is seeded on the way back."
  }
  validation {
    condition     = var.backfill == null || try(var.backfill.tasks >= 1 && var.backfill.tasks <= 100 && floor(var.backfill.tasks) == var.backfill.tasks, false)
    error_message = "backfill.tasks is a whole number from 1 to 100: each task lists everything, and copies its share."
  }
  validation {
    condition     = var.backfill == null || try(var.backfill.timeout_hours >= 1 && var.backfill.timeout_hours <= 168, false)
    error_message = "backfill.timeout_hours is from 1 to 168: a task of Cloud Run runs for a week at most. What is done is skipped by the next run."
  }
  validation {
    condition     = var.backfill == null || var.control == null || try(var.backfill.file_id != "", false)
    error_message = "backfill needs file_id where control is set: only crossfade.yaml tells it where the migration's documents are."
  }
}

# Who looks after it.

variable "operators" {
  description = "Who runs the command line against this migration (user:…, group:…, serviceAccount:…): they get what it needs on the buckets of Cloud Storage, and the dead letters."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for m in var.operators : can(regex("^(user|group|serviceAccount|principal|principalSet):.+$", m))])
    error_message = "operators are members of IAM, such as group:ops@example.com."
  }
}

variable "notification_channels" {
  description = "The notification channels of Cloud Monitoring that alerts go to (projects/…/notificationChannels/…)."
  type        = list(string)
  default     = []
}

variable "alerts" {
  description = "When to alert: lag_seconds that 95 of 100 changes may take; age_seconds of the oldest event that waits; failed_share of requests; silence_hours without any event (0: never, for a bucket that rests at times)."
  type = object({
    lag_seconds   = optional(number, 120)
    age_seconds   = optional(number, 900)
    failed_share  = optional(number, 0.1)
    silence_hours = optional(number, 0)
  })
  default = {}

  validation {
    condition     = var.alerts.silence_hours >= 0 && var.alerts.silence_hours <= 23
    error_message = "alerts.silence_hours is from 0 to 23: Cloud Monitoring looks back no further."
  }
  validation {
    condition     = var.alerts.failed_share > 0 && var.alerts.failed_share < 1
    error_message = "alerts.failed_share is a share between 0 and 1, such as 0.1."
  }
}
