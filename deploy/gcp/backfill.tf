# Copies what was there before, in one task or in several that share the keys: it
# compares two ordered listings, and can be stopped and run again at any time.
resource "google_cloud_run_v2_job" "backfill" {
  count = var.backfill == null ? 0 : 1

  project             = var.project
  location            = var.region
  name                = "${var.name}-backfill"
  deletion_protection = false
  labels              = var.labels

  template {
    task_count  = var.backfill.tasks
    parallelism = var.backfill.tasks
    labels      = var.labels

    template {
      service_account = google_service_account.backfill[0].email
      timeout         = "${var.backfill.timeout_hours * 3600}s"
      max_retries     = 3

      containers {
        image = var.backfill.image
        args = concat(
          ["backfill"],
          var.backfill.file_id == "" ? [local.source, var.target] : ["-f", "/etc/crossfade/crossfade.yaml"],
          var.backfill.tasks == 1 ? [] : ["--shard", "auto"],
          var.backfill.args,
        )

        resources {
          limits = { cpu = tostring(var.backfill.cpu), memory = var.backfill.memory }
        }

        dynamic "env" {
          for_each = local.backfill_environment
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

        dynamic "volume_mounts" {
          for_each = var.backfill.file_id == "" ? [] : ["file"]
          content {
            name       = volume_mounts.value
            mount_path = "/etc/crossfade"
          }
        }
      }

      dynamic "volumes" {
        for_each = var.backfill.file_id == "" ? [] : ["file"]
        content {
          name = volumes.value
          secret {
            secret = var.backfill.file_id
            items {
              path    = "crossfade.yaml"
              version = "latest"
            }
          }
        }
      }
    }
  }

  depends_on = [time_sleep.granted]
}

locals {
  scheduled = try(var.backfill.schedule, "") == "" ? 0 : 1
}

resource "google_service_account" "scheduler" {
  count = local.scheduled

  project      = var.project
  account_id   = "${var.name}-scheduler"
  display_name = "crossfade: the schedule of ${var.name}"
  description  = "Starts the backfill of ${var.name}, and may do nothing else."
}

resource "google_cloud_run_v2_job_iam_member" "scheduler" {
  count = local.scheduled

  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_job.backfill[0].name
  role     = "roles/run.invoker"
  member   = google_service_account.scheduler[0].member
}

resource "google_cloud_scheduler_job" "backfill" {
  count = local.scheduled

  project          = var.project
  region           = var.region
  name             = "${var.name}-backfill"
  description      = "Starts the backfill of ${var.name}."
  schedule         = var.backfill.schedule
  time_zone        = var.backfill.time_zone
  attempt_deadline = "60s"

  retry_config {
    retry_count = 3
  }

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/${google_cloud_run_v2_job.backfill[0].id}:run"

    oauth_token {
      service_account_email = google_service_account.scheduler[0].email
    }
  }

  depends_on = [google_cloud_run_v2_job_iam_member.scheduler]
}
