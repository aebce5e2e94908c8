# One line is logged an event (see docs/observability.md). These two are counted
# from it, and need no exporter.
locals {
  metric_prefix = replace(var.name, "-", "_") # PromQL knows no other names
  events_logged = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.name}\" AND resource.labels.location=\"${var.region}\""
}

resource "google_logging_metric" "lag" {
  project         = var.project
  name            = "${local.metric_prefix}_lag_ms"
  description     = "From the change on the source until it was on the target."
  filter          = "${local.events_logged} AND jsonPayload.lag_ms>=0"
  value_extractor = "EXTRACT(jsonPayload.lag_ms)"

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = "DISTRIBUTION"
    unit         = "ms"
    display_name = "crossfade ${var.name}: lag"
  }

  # From 10 ms to about three days.
  bucket_options {
    exponential_buckets {
      num_finite_buckets = 50
      growth_factor      = 1.41
      scale              = 10
    }
  }
}

resource "google_logging_metric" "outcomes" {
  project     = var.project
  name        = "${local.metric_prefix}_events"
  description = "Events by what became of them."
  filter      = "${local.events_logged} AND jsonPayload.verdict:*"

  label_extractors = {
    verdict = "EXTRACT(jsonPayload.verdict)"
    action  = "EXTRACT(jsonPayload.action)"
  }

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = "INT64"
    unit         = "1"
    display_name = "crossfade ${var.name}: events"

    labels {
      key         = "verdict"
      value_type  = "STRING"
      description = "ack, retry or dead-letter."
    }
    labels {
      key         = "action"
      value_type  = "STRING"
      description = "skip, copy, update, delete or conflict."
    }
  }
}
