# From Azure Blob Storage to S3 without a key: the tenant vouches for the managed
# identities of the function and the backfill, and AWS, which is told of the tenant,
# lets them assume a role.

data "azurerm_client_config" "current" {}

module "crossfade" {
  source = "../../azure"

  resource_group         = coalesce(var.resource_group, var.source_resource_group)
  location               = var.azure_location
  name                   = var.name
  account                = var.source_account
  account_resource_group = var.source_resource_group
  container              = var.source_container
  prefix                 = var.source_prefix
  target                 = "s3://${var.target_bucket}/${var.target_prefix}?region=${var.aws_region}"
  migration              = var.migration
  direction              = var.direction
  package_url            = var.package_url
  package_container_id   = var.package_container_id

  identity = { audience = local.audience, aws_role_arn = terraform_data.role.output }

  backfill = var.backfill_image == null ? null : { image = var.backfill_image, schedule = var.backfill_schedule }

  operators        = var.operators
  action_group_ids = var.action_group_ids
  tags             = var.tags
}

locals {
  # Tokens for others are for an application of the tenant, which has no other use.
  # Tenants want their own ID in such a name, or a domain of theirs.
  audience = "api://${data.azurerm_client_config.current.tenant_id}/${var.name}"
  issuer   = "sts.windows.net/${data.azurerm_client_config.current.tenant_id}/"
  provider = coalesce(var.aws_oidc_provider_arn, one(aws_iam_openid_connect_provider.tenant[*].arn))

  identities = compact([
    module.crossfade.function_identity.principal_id,
    try(module.crossfade.backfill_identity.principal_id, ""),
  ])

  # What the role may do, action by action.
  target_bucket  = ["s3:ListBucket"]
  target_objects = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
  target_keys    = ["kms:Decrypt", "kms:GenerateDataKey"]
}

# Version 1 of its tokens: their issuer is that of sts.windows.net.
resource "azuread_application" "audience" {
  display_name    = "${var.name}: tokens for AWS"
  identifier_uris = [local.audience]

  api {
    requested_access_token_version = 1
  }
}

resource "azuread_service_principal" "audience" {
  client_id = azuread_application.audience.client_id
}

resource "aws_iam_openid_connect_provider" "tenant" {
  count = var.aws_oidc_provider_arn == null ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = [local.audience]
  tags           = var.tags
}

# Asked for are the identity, by its object ID, and the audience, so that no token
# for someone else will do.
data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "Azure"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = local.identities
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = [local.audience]
    }
  }
}

data "aws_partition" "current" {}

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
  description        = "crossfade on Azure: copies of ${var.source_account}/${var.source_container} in s3://${var.target_bucket}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "target" {
  name   = "crossfade-target"
  role   = aws_iam_role.crossfade.id
  policy = data.aws_iam_policy_document.target.json
}

# The role once it may do what it has to, and once there is somebody to ask tokens
# for: the function looks at both stores when it starts.
resource "terraform_data" "role" {
  input      = aws_iam_role.crossfade.arn
  depends_on = [aws_iam_role_policy.target, azuread_service_principal.audience]
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
