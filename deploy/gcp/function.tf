# The environment, as package config reads it. What is null is left out; but of a
# role that is not made yet that cannot be known, and what is empty counts as unset.
locals {
  settings = {
    CROSSFADE_SOURCE      = local.source
    CROSSFADE_TARGET      = var.target
    CROSSFADE_DELETES     = tostring(var.deletes)
    CROSSFADE_FOREIGN     = var.foreign
    CROSSFADE_CONCURRENCY = "1" # a request has one event
    CROSSFADE_TIMEOUT     = "${var.timeout}s"
    CROSSFADE_MIGRATION   = var.migration
    CROSSFADE_CONTROL     = var.control
    CROSSFADE_DIRECTION   = var.direction == "reverse" ? "reverse" : null
    CROSSFADE_LOG_LEVEL   = var.log_level
    CROSSFADE_LOG_FORMAT  = "gcp"
    CROSSFADE_METRICS     = var.metrics
  }
  identity = merge(
    var.identity_audience == null ? {} : { CROSSFADE_IDENTITY_AUDIENCE = var.identity_audience },
    startswith(var.target, "s3://") || startswith(local.control, "s3://") ? {
      CROSSFADE_AWS_ROLE_ARN = var.aws_role_arn == null ? "" : var.aws_role_arn
    } : {},
    var.environment,
  )
  environment = merge({ for name, value in local.settings : name => value if value != null }, local.identity)

  # The backfill can run anywhere, and has to be told where it does.
  backfill_environment = merge({ CROSSFADE_IDENTITY = "google" }, local.identity)
}

# Only Pub/Sub and Eventarc of this project reach it, and only with the token of
# the account that calls it.
resource "google_cloud_run_v2_service" "function" {
  count = var.image == null ? 0 : 1

  project             = var.project
  location            = var.region
  name                = var.name
  description         = "crossfade: copies what changes in gs://${var.bucket}"
  ingress             = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  deletion_protection = false
  labels              = var.labels

  template {
    service_account                  = google_service_account.function.email
    timeout                          = "${var.timeout}s"
    max_instance_request_concurrency = var.request_concurrency
    labels                           = var.labels

    scaling {
      min_instance_count = var.min_instances
      max_instance_count = var.max_instances
    }

    containers {
      image = var.image

      resources {
        limits            = { cpu = tostring(var.cpu), memory = var.memory }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = local.environment
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = var.private_environment
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = env.value.id
              version = env.value.version
            }
          }
        }
      }
    }
  }

  depends_on = [time_sleep.granted]
}

resource "google_cloud_run_v2_service_iam_member" "push" {
  project  = var.project
  location = var.region
  name     = local.service_name
  role     = "roles/run.invoker"
  member   = google_service_account.push.member
}

# The same from source: Cloud Build makes the container.
resource "google_storage_bucket" "source" {
  count = var.source_archive == null ? 0 : 1

  project                     = var.project
  name                        = "${var.project}-${var.name}-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true
  labels                      = var.labels
}

resource "google_storage_bucket_object" "source" {
  count = var.source_archive == null ? 0 : 1

  bucket = google_storage_bucket.source[0].name
  name   = "crossfade-${filemd5(var.source_archive.path)}.zip"
  source = var.source_archive.path
}

resource "google_cloudfunctions2_function" "function" {
  count = var.source_archive == null ? 0 : 1

  project     = var.project
  location    = var.region
  name        = var.name
  description = "crossfade: copies what changes in gs://${var.bucket}"
  labels      = var.labels

  build_config {
    runtime         = var.source_archive.runtime
    entry_point     = var.source_archive.entry_point
    service_account = var.source_archive.build_service_account

    source {
      storage_source {
        bucket = google_storage_bucket.source[0].name
        object = google_storage_bucket_object.source[0].name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.function.email
    timeout_seconds                  = var.timeout
    max_instance_request_concurrency = var.request_concurrency
    min_instance_count               = var.min_instances
    max_instance_count               = var.max_instances
    available_cpu                    = tostring(var.cpu)
    available_memory                 = var.memory
    ingress_settings                 = "ALLOW_INTERNAL_ONLY"
    environment_variables            = local.environment

    dynamic "secret_environment_variables" {
      for_each = var.private_environment
      content {
        key        = secret_environment_variables.key
        project_id = var.project
        secret     = secret_environment_variables.value.id
        version    = secret_environment_variables.value.version
      }
    }
  }

  depends_on = [time_sleep.granted]
}

# Either is a service of Cloud Run, and named alike.
locals {
  service_name = one(concat(
    google_cloud_run_v2_service.function[*].name,
    google_cloudfunctions2_function.function[*].name,
  ))
  service_uri = one(concat(
    google_cloud_run_v2_service.function[*].uri,
    [for f in google_cloudfunctions2_function.function : f.service_config[0].uri],
  ))
}
