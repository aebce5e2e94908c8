resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-dead"
  message_retention_seconds = 14 * 24 * 60 * 60
  sqs_managed_sse_enabled   = true
  tags                      = local.tags
}

resource "aws_sqs_queue" "events" {
  name                       = "${var.name}-events"
  message_retention_seconds  = 14 * 24 * 60 * 60
  visibility_timeout_seconds = 6 * var.timeout # what Lambda asks for
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
  tags                       = local.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = var.max_receive_count
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.events.arn]
  })
}

# One sender may write to the queue: the bucket, the rule or the topics.
data "aws_iam_policy_document" "events_queue" {
  statement {
    sid       = "Sender"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events.arn]

    principals {
      type        = "Service"
      identifiers = [local.sender.service]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = local.sender.arns
    }

    # The ARN of a bucket names no account, those of rules and topics do.
    dynamic "condition" {
      for_each = var.notifications == "bucket" ? [local.account] : []

      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [condition.value]
      }
    }
  }

  statement {
    sid       = "EncryptedOnly"
    effect    = "Deny"
    actions   = ["sqs:ReceiveMessage", "sqs:SendMessage"]
    resources = [aws_sqs_queue.events.arn]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

locals {
  sender = {
    bucket      = { service = "s3.amazonaws.com", arns = [local.bucket_arn] }
    eventbridge = { service = "events.amazonaws.com", arns = aws_cloudwatch_event_rule.changes[*].arn }
    sns         = { service = "sns.amazonaws.com", arns = var.notification_topic_arns }
  }[var.notifications]
}

resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.id
  policy    = data.aws_iam_policy_document.events_queue.json
}

# What EventBridge could not put into the queue, it puts here.
data "aws_iam_policy_document" "dead_queue" {
  count = var.notifications == "eventbridge" ? 1 : 0

  statement {
    sid       = "Undelivered"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.changes[0].arn]
    }
  }
}

resource "aws_sqs_queue_policy" "dead" {
  count = var.notifications == "eventbridge" ? 1 : 0

  queue_url = aws_sqs_queue.dead.id
  policy    = data.aws_iam_policy_document.dead_queue[0].json
}
