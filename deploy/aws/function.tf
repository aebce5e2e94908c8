locals {
  # Unset variables are left out: to crossfade an empty one is the same.
  settings = {
    CROSSFADE_SOURCE      = local.source
    CROSSFADE_TARGET      = var.target
    CROSSFADE_MIGRATION   = var.migration
    CROSSFADE_CONTROL     = var.control
    CROSSFADE_DIRECTION   = var.migration == null ? null : var.direction
    CROSSFADE_DELETES     = tostring(var.deletes)
    CROSSFADE_FOREIGN     = var.foreign
    CROSSFADE_CONCURRENCY = tostring(var.concurrency)
    CROSSFADE_TIMEOUT     = "${var.timeout}s"
    CROSSFADE_LOG_LEVEL   = var.log_level
    CROSSFADE_METRICS     = var.metrics
    CROSSFADE_DEAD_LETTER = aws_sqs_queue.dead.url

    CROSSFADE_GCP_AUDIENCE        = var.identity.gcp_audience
    CROSSFADE_GCP_SERVICE_ACCOUNT = var.identity.gcp_service_account
    CROSSFADE_IDENTITY_AUDIENCE   = var.identity.azure_tenant_id == null ? null : var.identity.audience
    AZURE_TENANT_ID               = var.identity.azure_tenant_id
    AZURE_CLIENT_ID               = var.identity.azure_client_id
  }
  secrets = { for name, secret in data.aws_secretsmanager_secret_version.environment : name => secret.secret_string }
}

# Lambda has no reference to a secret in its environment: the value is put there.
data "aws_secretsmanager_secret_version" "environment" {
  for_each = var.secret_arns

  secret_id = each.value
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  tags              = local.tags
}

resource "aws_lambda_function" "changes" {
  function_name = var.name
  description   = "Carries changes of s3://${var.bucket} to another store"
  role          = aws_iam_role.function.arn
  runtime       = "provided.al2023"
  handler       = "bootstrap"
  architectures = [var.architecture]

  filename          = var.package_file
  source_code_hash  = var.package_file == null ? null : filebase64sha256(var.package_file)
  s3_bucket         = try(var.package_s3.bucket, null)
  s3_key            = try(var.package_s3.key, null)
  s3_object_version = try(var.package_s3.version, null)

  memory_size                    = var.memory
  timeout                        = var.timeout
  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = merge(var.environment, local.secrets, { for k, v in local.settings : k => v if v != null })
  }

  logging_config {
    log_format = "Text" # the lines are JSON already
    log_group  = aws_cloudwatch_log_group.function.name
  }

  tags = local.tags

  depends_on = [aws_iam_role_policy.function]
}

resource "aws_lambda_event_source_mapping" "queue" {
  event_source_arn        = aws_sqs_queue.events.arn
  function_name           = aws_lambda_function.changes.arn
  batch_size              = var.batch_size
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.maximum_concurrency
  }

  tags = local.tags
}
