# What each role may do, action by action. A test compares these lists with the
# requests that the programs make.
locals {
  actions = {
    # Reading what is followed. Without s3:ListBucket S3 answers "denied" where an
    # object is absent, and no deletion could ever be decided. It carries no
    # condition on the prefix, for S3 would not find that met in such an answer.
    source_bucket  = ["s3:ListBucket"]
    source_objects = ["s3:GetObject", "s3:GetObjectVersion"]

    # Writing copies, where S3 is the target too.
    target_bucket  = ["s3:ListBucket"]
    target_objects = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]

    # The documents of a migration, where they lie in S3.
    control_bucket  = ["s3:ListBucket"]
    control_objects = ["s3:GetObject", "s3:PutObject"]

    # A backfill registers there as long as it runs.
    register_objects = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]

    # Of objects encrypted by a key. Who writes asks for a key of its own each time.
    decrypt  = ["kms:Decrypt"]
    encrypt  = ["kms:Decrypt", "kms:GenerateDataKey"]
    token    = ["sts:GetWebIdentityToken"]
    secrets  = ["secretsmanager:GetSecretValue"]
    queue    = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"] # the first of the function, the others of Lambda itself
    bury     = ["sqs:SendMessage"]
    image    = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    registry = ["ecr:GetAuthorizationToken"]
    run      = ["ecs:RunTask"]
    tag      = ["ecs:TagResource"]
    pass     = ["iam:PassRole"]
    logs     = ["logs:CreateLogStream", "logs:PutLogEvents"]
  }
}

data "aws_iam_policy_document" "assume_function" {
  statement {
    sid     = "Lambda"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

locals {
  # One entry a statement: which list of actions, on what. A role gets those that
  # its configuration needs.
  follow = merge(
    {
      Source        = { actions = local.actions.source_bucket, resources = [local.bucket_arn] }
      SourceObjects = { actions = local.actions.source_objects, resources = ["${local.bucket_arn}/${var.prefix}*"] }
    },
    length(local.s3_target) == 0 ? {} : {
      Target        = { actions = local.actions.target_bucket, resources = [local.s3_target[0]] }
      TargetObjects = { actions = local.actions.target_objects, resources = [local.s3_target[1]] }
    },
    length(local.s3_control) == 0 ? {} : {
      Control        = { actions = local.actions.control_bucket, resources = [local.s3_control[0]] }
      ControlObjects = { actions = local.actions.control_objects, resources = [local.s3_control[1]] }
    },
    length(var.kms_key_arns) == 0 ? {} : {
      Keys = {
        actions   = length(local.s3_target) + length(local.s3_control) == 0 ? local.actions.decrypt : local.actions.encrypt
        resources = var.kms_key_arns
      }
    },
  )
  compare = merge(local.follow, [for id, s in local.follow : { (id) = { actions = local.actions.register_objects, resources = s.resources } } if id == "ControlObjects"]...)
}

# The token by which Azure knows the role is of use to nobody else, and not for
# long. The action knows no resource.
data "aws_iam_policy_document" "token" {
  count = var.identity.azure_tenant_id == null ? 0 : 1

  statement {
    sid       = "Token"
    actions   = local.actions.token
    resources = ["*"]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "sts:IdentityTokenAudience"
      values   = [var.identity.audience]
    }

    condition {
      test     = "NumericLessThanEquals"
      variable = "sts:DurationSeconds"
      values   = ["300"]
    }
  }
}

resource "aws_iam_role" "function" {
  name               = "${var.name}-function"
  description        = "The function that follows s3://${var.bucket}"
  assume_role_policy = data.aws_iam_policy_document.assume_function.json
  tags               = local.tags
}

data "aws_iam_policy_document" "function" {
  source_policy_documents = data.aws_iam_policy_document.token[*].json

  dynamic "statement" {
    for_each = local.follow

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }

  statement {
    sid       = "Queue"
    actions   = local.actions.queue
    resources = [aws_sqs_queue.events.arn]
  }

  statement {
    sid       = "DeadLetters"
    actions   = local.actions.bury
    resources = [aws_sqs_queue.dead.arn]
  }

  statement {
    sid       = "Logs"
    actions   = local.actions.logs
    resources = ["${aws_cloudwatch_log_group.function.arn}:*"]
  }
}

resource "aws_iam_role_policy" "function" {
  name   = "crossfade"
  role   = aws_iam_role.function.id
  policy = data.aws_iam_policy_document.function.json
}
