locals {
  # What the function writes to its log in the embedded metric format.
  metrics = {
    namespace = "crossfade"
    lag       = "Lag"
    dimensions = {
      source = local.source
      target = "${local.target[0]}://${join("/", compact([local.target[1], local.target[2]]))}/"
    }
  }

  alarms = merge(
    {
      age = {
        description        = "Changes wait: the function does not keep up, or its target does not take them."
        namespace          = "AWS/SQS"
        metric             = "ApproximateAgeOfOldestMessage"
        dimensions         = { QueueName = aws_sqs_queue.events.name }
        statistic          = "Maximum"
        extended_statistic = null
        threshold          = var.alarm_age_seconds
        periods            = 3
      }
      dead = {
        description        = "Changes were given up: the function's log says why. crossfade redrive has them tried again."
        namespace          = "AWS/SQS"
        metric             = "ApproximateNumberOfMessagesVisible"
        dimensions         = { QueueName = aws_sqs_queue.dead.name }
        statistic          = "Maximum"
        extended_statistic = null
        threshold          = 0
        periods            = 1
      }
      errors = {
        description        = "Invocations fail as a whole: the function does not start, or runs out of time or memory."
        namespace          = "AWS/Lambda"
        metric             = "Errors"
        dimensions         = { FunctionName = aws_lambda_function.changes.function_name }
        statistic          = "Sum"
        extended_statistic = null
        threshold          = 0
        periods            = 3
      }
      throttles = {
        description        = "Lambda refuses invocations: the account has too little concurrency left."
        namespace          = "AWS/Lambda"
        metric             = "Throttles"
        dimensions         = { FunctionName = aws_lambda_function.changes.function_name }
        statistic          = "Sum"
        extended_statistic = null
        threshold          = 0
        periods            = 3
      }
    },
    var.metrics != "emf" ? {} : {
      lag = {
        description        = "From a change to its copy it takes too long."
        namespace          = local.metrics.namespace
        metric             = local.metrics.lag
        dimensions         = local.metrics.dimensions
        statistic          = null
        extended_statistic = "p95"
        threshold          = var.alarm_lag_seconds
        periods            = 3
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  extended_statistic  = each.value.extended_statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = each.value.periods
  treat_missing_data  = "notBreaching" # nothing changes, so nothing is late
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  tags                = local.tags
}
