locals {
  backfill = var.backfill == null ? 0 : 1
  schedule = try(var.backfill.schedule, null) == null ? 0 : 1

  # The command line reads its stores from arguments, and only the identity from
  # the environment.
  backfill_command = try(coalescelist(var.backfill.command, []), ["backfill", local.source, var.target])
  backfill_settings = {
    CROSSFADE_IDENTITY            = "aws"
    CROSSFADE_GCP_AUDIENCE        = local.settings.CROSSFADE_GCP_AUDIENCE
    CROSSFADE_GCP_SERVICE_ACCOUNT = local.settings.CROSSFADE_GCP_SERVICE_ACCOUNT
    CROSSFADE_IDENTITY_AUDIENCE   = local.settings.CROSSFADE_IDENTITY_AUDIENCE
    AZURE_TENANT_ID               = var.identity.azure_tenant_id
    AZURE_CLIENT_ID               = var.identity.azure_client_id
    AWS_REGION                    = local.region
  }
  backfill_environment = merge(var.environment, { for k, v in local.backfill_settings : k => v if v != null })
}

resource "aws_ecs_cluster" "backfill" {
  count = var.backfill != null && try(var.backfill.cluster_arn, null) == null ? 1 : 0

  name = var.name
  tags = local.tags
}

locals {
  cluster_arn = try(coalesce(var.backfill.cluster_arn), one(aws_ecs_cluster.backfill[*].arn))
}

resource "aws_cloudwatch_log_group" "backfill" {
  count = local.backfill

  name              = "/ecs/${var.name}-backfill"
  retention_in_days = var.log_retention_days
  tags              = local.tags
}

resource "aws_ecs_task_definition" "backfill" {
  count = local.backfill

  family                   = "${var.name}-backfill"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.backfill.cpu
  memory                   = var.backfill.memory
  execution_role_arn       = aws_iam_role.launch[0].arn
  task_role_arn            = aws_iam_role.backfill[0].arn
  tags                     = local.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture == "arm64" ? "ARM64" : "X86_64"
  }

  container_definitions = jsonencode([{
    name                   = "crossfade"
    image                  = var.backfill.image
    essential              = true
    command                = local.backfill_command
    readonlyRootFilesystem = true
    stopTimeout            = 120 # what is in flight may end after a SIGTERM
    environment            = [for name in sort(keys(local.backfill_environment)) : { name = name, value = local.backfill_environment[name] }]
    secrets                = [for name in sort(keys(var.secret_arns)) : { name = name, valueFrom = var.secret_arns[name] }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.backfill[0].name
        awslogs-region        = local.region
        awslogs-stream-prefix = "crossfade"
      }
    }
  }])
}

# The role of the process itself.
resource "aws_iam_role" "backfill" {
  count = local.backfill

  name               = "${var.name}-backfill"
  description        = "The backfill of s3://${var.bucket}"
  assume_role_policy = data.aws_iam_policy_document.assume_task[0].json
  tags               = local.tags
}

data "aws_iam_policy_document" "assume_task" {
  count = local.backfill

  statement {
    sid     = "Tasks"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "backfill" {
  count = local.backfill

  source_policy_documents = data.aws_iam_policy_document.token[*].json

  dynamic "statement" {
    for_each = local.compare

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }
}

resource "aws_iam_role_policy" "backfill" {
  count = local.backfill

  name   = "crossfade"
  role   = aws_iam_role.backfill[0].id
  policy = data.aws_iam_policy_document.backfill[0].json
}

# The role by which Fargate starts it: the image, the log, the secrets.
resource "aws_iam_role" "launch" {
  count = local.backfill

  name               = "${var.name}-launch"
  description        = "Starts the backfill of s3://${var.bucket}"
  assume_role_policy = data.aws_iam_policy_document.assume_task[0].json
  tags               = local.tags
}

locals {
  # An image in a registry of ECR says so in its name.
  ecr = try(regex("^([0-9]+)\\.dkr\\.ecr\\.([a-z0-9-]+)\\.[a-z.]+/([^:@]+)", var.backfill.image), null)
}

data "aws_iam_policy_document" "launch" {
  count = local.backfill

  statement {
    sid       = "Logs"
    actions   = local.actions.logs
    resources = ["${aws_cloudwatch_log_group.backfill[0].arn}:*"]
  }

  dynamic "statement" {
    for_each = local.ecr == null ? [] : [local.ecr]

    content {
      sid       = "Image"
      actions   = local.actions.image
      resources = ["arn:${local.partition}:ecr:${statement.value[1]}:${statement.value[0]}:repository/${statement.value[2]}"]
    }
  }

  # The action knows no resource.
  dynamic "statement" {
    for_each = local.ecr == null ? [] : [local.ecr]

    content {
      sid       = "Registry"
      actions   = local.actions.registry
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = length(var.secret_arns) == 0 ? [] : [values(var.secret_arns)]

    content {
      sid       = "Secrets"
      actions   = local.actions.secrets
      resources = statement.value
    }
  }
}

resource "aws_iam_role_policy" "launch" {
  count = local.backfill

  name   = "crossfade"
  role   = aws_iam_role.launch[0].id
  policy = data.aws_iam_policy_document.launch[0].json
}

resource "aws_scheduler_schedule" "backfill" {
  count = local.schedule

  name                = "${var.name}-backfill"
  description         = substr("crossfade ${join(" ", local.backfill_command)}", 0, 512)
  schedule_expression = var.backfill.schedule

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = local.cluster_arn
    role_arn = aws_iam_role.schedule[0].arn

    ecs_parameters {
      task_definition_arn = aws_ecs_task_definition.backfill[0].arn
      launch_type         = "FARGATE"
      propagate_tags      = "TASK_DEFINITION"

      network_configuration {
        subnets          = var.backfill.subnet_ids
        security_groups  = var.backfill.security_group_ids
        assign_public_ip = var.backfill.assign_public_ip
      }
    }

    # The next time comes, and two at once help nobody.
    retry_policy {
      maximum_retry_attempts = 0
    }
  }
}

resource "aws_iam_role" "schedule" {
  count = local.schedule

  name               = "${var.name}-schedule"
  description        = "Starts the backfill of s3://${var.bucket} on time"
  assume_role_policy = data.aws_iam_policy_document.assume_schedule[0].json
  tags               = local.tags
}

data "aws_iam_policy_document" "assume_schedule" {
  count = local.schedule

  statement {
    sid     = "Scheduler"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "schedule" {
  count = local.schedule

  statement {
    sid       = "Run"
    actions   = local.actions.run
    resources = [aws_ecs_task_definition.backfill[0].arn]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster_arn]
    }
  }

  statement {
    sid       = "Tag"
    actions   = local.actions.tag
    resources = ["arn:${local.partition}:ecs:${local.region}:${local.account}:task/*"]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask"]
    }
  }

  statement {
    sid       = "Roles"
    actions   = local.actions.pass
    resources = [aws_iam_role.backfill[0].arn, aws_iam_role.launch[0].arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "schedule" {
  count = local.schedule

  name   = "crossfade"
  role   = aws_iam_role.schedule[0].id
  policy = data.aws_iam_policy_document.schedule[0].json
}
