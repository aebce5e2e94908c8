locals {
  # Each chart: its title, its PromQL queries by legend, and its unit. Without a
  # legend a series is named by its labels.
  charts = [
    {
      title = "Lag from the change to its copy", unit = "ms"
      queries = {
        for q in ["0.5", "0.95", "0.99"] :
        "quantile ${q}" => "histogram_quantile(${q}, sum by (le) (rate(${local.lag_series}_bucket{monitored_resource=\"cloud_run_revision\"}[5m])))"
      }
    },
    {
      title = "Events by outcome, a second", unit = "1"
      queries = {
        "" = "sum by (verdict, action) (rate(logging_googleapis_com:user_${google_logging_metric.outcomes.name}{monitored_resource=\"cloud_run_revision\"}[5m]))"
      }
    },
    {
      title = "Events that wait", unit = "1"
      queries = {
        "" = "sum by (subscription_id) (pubsub_googleapis_com:subscription_num_undelivered_messages{${local.subscription_series}})"
      }
    },
    {
      title = "Age of the oldest event", unit = "s"
      queries = {
        "" = "max by (subscription_id) (pubsub_googleapis_com:subscription_oldest_unacked_message_age{${local.subscription_series}})"
      }
    },
    {
      title = "Dead letters", unit = "1"
      queries = {
        "" = "sum(pubsub_googleapis_com:subscription_num_undelivered_messages{monitored_resource=\"pubsub_subscription\",subscription_id=\"${var.name}-dead-letters\"})"
      }
    },
    {
      title = "Requests by status, a second", unit = "1"
      queries = {
        "" = "sum by (response_code) (rate(run_googleapis_com:request_count{${local.service_series}}[5m]))"
      }
    },
    {
      title = "Time of a request", unit = "ms"
      queries = {
        for q in ["0.5", "0.95"] :
        "quantile ${q}" => "histogram_quantile(${q}, sum by (le) (rate(run_googleapis_com:request_latencies_bucket{${local.service_series}}[5m])))"
      }
    },
    {
      title = "Instances", unit = "1"
      queries = {
        "" = "sum by (state) (run_googleapis_com:container_instance_count{${local.service_series}})"
      }
    },
  ]
  columns             = 2
  subscription_series = "monitored_resource=\"pubsub_subscription\",subscription_id=~${jsonencode(join("|", local.subscriptions))}"
}

resource "google_monitoring_dashboard" "this" {
  project = var.project

  dashboard_json = jsonencode({
    displayName = "crossfade ${var.name}"
    labels      = { for name in keys(var.labels) : name => "" } # a dashboard's have no values
    mosaicLayout = {
      columns = 12
      tiles = [
        for i, chart in local.charts : {
          xPos   = (i % local.columns) * 12 / local.columns
          yPos   = floor(i / local.columns) * 4
          width  = 12 / local.columns
          height = 4
          widget = {
            title = chart.title
            xyChart = {
              dataSets = [
                for legend, query in chart.queries : {
                  plotType        = "LINE"
                  legendTemplate  = legend
                  timeSeriesQuery = { prometheusQuery = query, unitOverride = chart.unit }
                }
              ]
            }
          }
        }
      ]
    }
  })
}
