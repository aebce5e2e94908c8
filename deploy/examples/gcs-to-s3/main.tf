# From Cloud Storage to S3 without a key: Google vouches for the service accounts
# of the function and the backfill, and AWS, which knows Google, lets them assume
# a role.

module "crossfade" {
  source = "../../gcp"

  project      = var.gcp_project
  region       = var.gcp_region
  name         = var.name
  bucket       = var.source_bucket
  prefix       = var.source_prefix
  target       = "s3://${var.target_bucket}/${var.target_prefix}?region=${var.aws_region}"
  migration    = var.migration
  direction    = var.direction
  aws_role_arn = terraform_data.role.output

  image = var.image
  source_archive = var.image != null ? null : {
    path                  = var.source_zip
    runtime               = var.source_runtime
    build_service_account = var.build_service_account
  }

  backfill = var.backfill_image == null ? null : { image = var.backfill_image, schedule = var.backfill_schedule, tasks = var.backfill_tasks }

  operators             = var.operators
  notification_channels = var.notification_channels
  labels                = var.labels
}

data "aws_partition" "current" {}

locals {
  audience = "sts.amazonaws.com" # crossfade asks for tokens for it where it is not told another

  accounts = compact([
    module.crossfade.function_service_account.unique_id,
    try(module.crossfade.backfill_service_account.unique_id, ""),
  ])

  # What the role may do, action by action.
  target_bucket  = ["s3:ListBucket"]
  target_objects = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
  target_keys    = ["kms:Decrypt", "kms:GenerateDataKey"]
}

# AWS takes the claim azp of a token for "aud", and then the audience for "oaud".
# Asked for are the account, by its unique ID, which no other account ever gets,
# and the audience, so that no token for someone else will do.
data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "Google"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = ["accounts.google.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "accounts.google.com:sub"
      values   = local.accounts
    }
    condition {
      test     = "StringEquals"
      variable = "accounts.google.com:oaud"
      values   = [local.audience]
    }
  }
}

# Without s3:ListBucket S3 answers "denied" where an object is absent. It carries
# no condition on the prefix, for S3 would not find that met in such an answer.
data "aws_iam_policy_document" "target" {
  statement {
    sid       = "Bucket"
    actions   = local.target_bucket
    resources = ["arn:${data.aws_partition.current.partition}:s3:::${var.target_bucket}"]
  }
  statement {
    sid       = "Objects"
    actions   = local.target_objects
    resources = ["arn:${data.aws_partition.current.partition}:s3:::${var.target_bucket}/${var.target_prefix}*"]
  }

  dynamic "statement" {
    for_each = length(var.target_kms_key_arns) == 0 ? [] : [var.target_kms_key_arns]
    content {
      sid       = "Keys"
      actions   = local.target_keys
      resources = statement.value
    }
  }
}

resource "aws_iam_role" "crossfade" {
  name               = var.name
  description        = "crossfade on Google Cloud: copies of gs://${var.source_bucket} in s3://${var.target_bucket}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.labels
}

resource "aws_iam_role_policy" "target" {
  name   = "crossfade-target"
  role   = aws_iam_role.crossfade.id
  policy = data.aws_iam_policy_document.target.json
}

# The role once it may do what it has to: the function looks at both stores when
# it starts.
resource "terraform_data" "role" {
  input      = aws_iam_role.crossfade.arn
  depends_on = [aws_iam_role_policy.target]
}

# Uploads that nobody completed are paid for. A bucket has one lifecycle
# configuration: where the target has rules already, the rule belongs among them.
module "target_lifecycle" {
  count  = var.abandoned_upload_days == null ? 0 : 1
  source = "../../aws/lifecycle"

  bucket = var.target_bucket
  prefix = var.target_prefix
  days   = var.abandoned_upload_days
}
