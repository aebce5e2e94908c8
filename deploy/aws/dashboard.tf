locals {
  widgets = concat(
    var.metrics != "emf" ? [] : [{
      title = "Lag from a change to its copy (seconds)"
      view  = "timeSeries"
      metrics = [for p in ["p50", "p95", "p99"] : concat(
        [local.metrics.namespace, local.metrics.lag],
        flatten([for k, v in local.metrics.dimensions : [k, v]]),
        [{ stat = p, label = p }],
      )]
    }],
    [
      {
        title = "Changes that wait"
        view  = "timeSeries"
        metrics = [
          ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.events.name, { stat = "Maximum", label = "waiting" }],
          ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", aws_sqs_queue.events.name, { stat = "Maximum", label = "in work, or to come again" }],
        ]
      },
      {
        title   = "Age of the oldest change (seconds)"
        view    = "timeSeries"
        metrics = [["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", aws_sqs_queue.events.name, { stat = "Maximum", label = "age" }]]
      },
      {
        title   = "Changes given up"
        view    = "singleValue"
        metrics = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.dead.name, { stat = "Maximum", label = "dead letters" }]]
      },
      {
        title = "Invocations"
        view  = "timeSeries"
        metrics = [for m in ["Invocations", "Errors", "Throttles"] :
          ["AWS/Lambda", m, "FunctionName", aws_lambda_function.changes.function_name, { stat = "Sum", label = m }]
        ]
      },
      {
        title = "Duration (ms) and concurrency"
        view  = "timeSeries"
        metrics = [
          ["AWS/Lambda", "Duration", "FunctionName", aws_lambda_function.changes.function_name, { stat = "p95", label = "p95" }],
          ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", aws_lambda_function.changes.function_name, { stat = "Maximum", label = "at once", yAxis = "right" }],
        ]
      },
    ],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [for i, w in local.widgets : {
      type   = "metric"
      x      = 12 * (i % 2)
      y      = 6 * floor(i / 2)
      width  = 12
      height = 6
      properties = {
        title   = w.title
        view    = w.view
        region  = local.region
        period  = 60
        metrics = w.metrics
      }
    }]
  })
}
