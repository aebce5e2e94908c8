# From S3 to Cloud Storage without a key: Google Cloud knows the roles of the
# function and the backfill by workload identity federation, and grants them what
# they need on the target bucket.

data "aws_caller_identity" "current" {}

module "crossfade" {
  source = "../../aws"

  name          = var.name
  bucket        = var.source_bucket
  prefix        = var.source_prefix
  target        = "gs://${var.target_bucket}"
  migration     = var.migration
  direction     = var.direction
  notifications = var.notifications
  package_file  = var.package_file

  identity = { gcp_audience = "//iam.googleapis.com/${google_iam_workload_identity_pool_provider.aws.name}" }

  backfill = var.backfill_image == null ? null : {
    image            = var.backfill_image
    subnet_ids       = var.backfill_subnet_ids
    assign_public_ip = var.backfill_public_ip
  }

  alarm_topic_arns = var.alarm_topic_arns
  tags             = var.tags
}

locals {
  # What the module calls its roles: for_each and the pool's condition have to
  # know before the roles are made.
  roles = [for suffix in var.backfill_image == null ? ["function"] : ["function", "backfill"] : "${var.name}-${suffix}"]

  # What they may do there, permission by permission. To overwrite is to create and
  # to delete.
  target = [
    "storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list", "storage.objects.update",
  ]
}

resource "google_iam_workload_identity_pool" "aws" {
  workload_identity_pool_id = "${var.name}-aws"
  display_name              = "crossfade on AWS"
  description               = "The roles by which crossfade writes to ${var.target_bucket}"
}

resource "google_iam_workload_identity_pool_provider" "aws" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.aws.workload_identity_pool_id
  workload_identity_pool_provider_id = "${var.name}-aws"
  display_name                       = "AWS"

  aws {
    account_id = data.aws_caller_identity.current.account_id
  }

  attribute_mapping = {
    "google.subject"     = "assertion.arn"
    "attribute.aws_role" = "assertion.arn.extract('assumed-role/{role}/')"
  }

  # Only these roles of the account, whoever else can sign for it.
  attribute_condition = "assertion.arn.extract('assumed-role/{role}/') in [${join(", ", [for r in local.roles : "'${r}'"])}]"
}

resource "google_project_iam_custom_role" "target" {
  role_id     = "${replace(var.name, "-", "_")}_from_aws"
  title       = "crossfade ${var.name}: copies from S3"
  permissions = local.target
}

resource "google_storage_bucket_iam_member" "target" {
  for_each = toset(local.roles)

  bucket = var.target_bucket
  role   = google_project_iam_custom_role.target.name
  member = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.aws.name}/attribute.aws_role/${each.value}"
}
