locals {
  # What functions/s3 acts upon, by S3's names and by EventBridge's.
  s3_events = [
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:LifecycleExpiration:*",
    "s3:ObjectTagging:*",
    "s3:ObjectRestore:Completed",
  ]
  eventbridge_events = [
    "Object Created",
    "Object Deleted",
    "Object Tags Added",
    "Object Tags Deleted",
    "Object Restore Completed",
  ]

  # Of the control documents only the signals of the migration are events: the
  # barriers and canaries that a cutover sends through the queue.
  eventbridge_keys = concat(
    [for p in [var.prefix] : { prefix = p } if p != ""],
    [for p in [".crossfade/"] : { anything-but = { prefix = p } } if var.prefix == ""],
    [for m in [var.migration] : { prefix = ".crossfade/${m}/signal/" } if m != null && var.prefix == ""],
  )
}

# A bucket has one notification configuration, and this is all of it. The filter
# of S3 knows a prefix and no exception: in the bucket of the source only signals
# lie below .crossfade/, and a function writes nothing for the event of any other
# key there.
resource "aws_s3_bucket_notification" "changes" {
  count = var.notifications == "bucket" ? 1 : 0

  bucket = var.bucket

  queue {
    id            = var.name
    queue_arn     = aws_sqs_queue.events.arn
    events        = local.s3_events
    filter_prefix = var.prefix == "" ? null : var.prefix
  }

  depends_on = [aws_sqs_queue_policy.events] # S3 tries whether it may send
}

resource "aws_cloudwatch_event_rule" "changes" {
  count = var.notifications == "eventbridge" ? 1 : 0

  name        = "${var.name}-changes"
  description = "Changes of s3://${var.bucket}"
  tags        = local.tags

  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = local.eventbridge_events
    detail = {
      bucket = { name = [var.bucket] }
      object = { key = local.eventbridge_keys }
    }
  })
}

resource "aws_cloudwatch_event_target" "queue" {
  count = var.notifications == "eventbridge" ? 1 : 0

  rule      = aws_cloudwatch_event_rule.changes[0].name
  target_id = "queue"
  arn       = aws_sqs_queue.events.arn

  dead_letter_config {
    arn = aws_sqs_queue.dead.arn
  }

  retry_policy {
    maximum_event_age_in_seconds = 24 * 60 * 60
    maximum_retry_attempts       = 185
  }
}

resource "aws_sns_topic_subscription" "queue" {
  for_each = toset(var.notification_topic_arns)

  topic_arn            = each.value
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.events.arn
  raw_message_delivery = true
}
