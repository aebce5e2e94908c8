# Conditions on metrics that may not exist yet are in PromQL, where their existence
# is not asked for.
locals {
  service_series = "monitored_resource=\"cloud_run_revision\",service_name=${jsonencode(var.name)},location=${jsonencode(var.region)}"
  lag_series     = "logging_googleapis_com:user_${google_logging_metric.lag.name}"

  # By name, of both kinds of subscriptions that may bring the events.
  subscriptions = concat(
    google_pubsub_subscription.events[*].name,
    [for t in google_eventarc_trigger.source : element(split("/", t.transport[0].pubsub[0].subscription), 3)],
  )
  # one_of() of a filter takes no empty list, and there always is one.
  subscription_filter = join(" AND ", [
    "resource.type=\"pubsub_subscription\"",
    "resource.label.\"subscription_id\"=one_of(${join(",", [for s in local.subscriptions : jsonencode(s)])})",
  ])
}

resource "google_monitoring_alert_policy" "age" {
  project               = var.project
  display_name          = "crossfade ${var.name}: events wait"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = var.notification_channels
  user_labels           = var.labels

  conditions {
    display_name = "The oldest event waits for more than ${var.alerts.age_seconds} s"

    condition_threshold {
      filter          = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND ${local.subscription_filter}"
      comparison      = "COMPARISON_GT"
      threshold_value = var.alerts.age_seconds
      duration        = "0s"

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      An event has waited for long: it fails again and again, or all do. The log of the service `${var.name}` has a line for
      each attempt, with its reason. Denied or unavailable: the target, or the way to sign in to it. Throttled: lower
      `max_instances` or `request_concurrency`.
    EOT
  }
}

resource "google_monitoring_alert_policy" "dead_letters" {
  count = local.pubsub

  project               = var.project
  display_name          = "crossfade ${var.name}: dead letters"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = var.notification_channels
  user_labels           = var.labels

  conditions {
    display_name = "There are dead letters"

    condition_threshold {
      filter = join(" AND ", [
        "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\"",
        "resource.type=\"pubsub_subscription\"",
        "resource.label.\"subscription_id\"=${jsonencode(google_pubsub_subscription.dead_letters[0].name)}",
      ])
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      Objects were not copied, however often that was tried. The log of the service `${var.name}` says why: look for
      `jsonPayload.verdict="dead-letter"`, and for what was retried before. Mend that, then replay them with
      `crossfade redrive`, or run a backfill; both find the rest done.
    EOT
  }
}

resource "google_monitoring_alert_policy" "failures" {
  project               = var.project
  display_name          = "crossfade ${var.name}: requests fail"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = var.notification_channels
  user_labels           = var.labels

  conditions {
    display_name = "More than ${var.alerts.failed_share * 100} % of the requests fail"

    condition_prometheus_query_language {
      query = join(" / ", [
        "sum(rate(run_googleapis_com:request_count{${local.service_series},response_code_class=\"5xx\"}[5m]))",
        "sum(rate(run_googleapis_com:request_count{${local.service_series}}[5m])) > ${var.alerts.failed_share}",
      ])
      duration                  = "600s"
      evaluation_interval       = "60s"
      disable_metric_validation = true
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      The function answers with 503 what is to come again, and 500 or 504 come from Cloud Run: it could not start, or ran out of
      time or memory. Events are not lost by it. The log of the service `${var.name}` says which it is.
    EOT
  }
}

resource "google_monitoring_alert_policy" "lag" {
  project               = var.project
  display_name          = "crossfade ${var.name}: lag"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = var.notification_channels
  user_labels           = var.labels

  conditions {
    display_name = "One change in twenty takes more than ${var.alerts.lag_seconds} s"

    condition_prometheus_query_language {
      query = join(" ", [
        "histogram_quantile(0.95, sum by (le) (rate(${local.lag_series}_bucket{monitored_resource=\"cloud_run_revision\"}[5m])))",
        "> ${var.alerts.lag_seconds * 1000}",
      ])
      duration                  = "300s"
      evaluation_interval       = "60s"
      disable_metric_validation = true
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      Changes reach the target late, by the time of their events. More arrives than `max_instances` times `request_concurrency`
      can do, the target throttles, or large objects are under way; after an outage it is the backlog that is worked off.
    EOT
  }
}

# A bucket that says nothing for long may be one that is not asked any more.
resource "google_monitoring_alert_policy" "silence" {
  count = var.alerts.silence_hours > 0 ? local.pubsub : 0

  project               = var.project
  display_name          = "crossfade ${var.name}: no events"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = var.notification_channels
  user_labels           = var.labels

  conditions {
    display_name = "No event for ${var.alerts.silence_hours} h"

    condition_absent {
      filter = join(" AND ", [
        "metric.type=\"pubsub.googleapis.com/topic/send_request_count\"",
        "resource.type=\"pubsub_topic\"",
        "resource.label.\"topic_id\"=${jsonencode(google_pubsub_topic.events[0].name)}",
      ])
      duration = "${var.alerts.silence_hours * 3600}s"

      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_RATE"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      Nothing was published to `${var.name}-events`. Either the bucket rests, or its notification is gone:
      `gcloud storage buckets notifications list gs://${local.places.source.bucket}`. If it was, run a backfill after `terraform apply`.
    EOT
  }
}

resource "google_monitoring_alert_policy" "backfill" {
  count = var.backfill == null ? 0 : 1

  project               = var.project
  display_name          = "crossfade ${var.name}: backfill"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = var.notification_channels
  user_labels           = var.labels

  conditions {
    display_name = "The backfill failed"

    condition_prometheus_query_language {
      query = join("", [
        "sum(increase(run_googleapis_com:job_completed_execution_count{monitored_resource=\"cloud_run_job\",result=\"failed\",",
        "job_name=${jsonencode(google_cloud_run_v2_job.backfill[0].name)},location=${jsonencode(var.region)}}[10m])) > 0",
      ])
      duration                  = "0s"
      evaluation_interval       = "60s"
      disable_metric_validation = true
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      The log of the job `${var.name}-backfill` names what could not be copied, with its reason. To go on, run it again: what is
      done is skipped.
    EOT
  }
}
