data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region
  account   = data.aws_caller_identity.current.account_id

  bucket_arn = "arn:${local.partition}:s3:::${var.bucket}"

  source  = "s3://${var.bucket}/${var.prefix}"
  control = var.control != null ? var.control : var.direction == "reverse" ? local.source : var.target

  # Scheme, bucket and prefix of a URL, the prefix without its last slash.
  store       = "^(s3|gs|az)://([^/?]+)/?([^?]*?)/?(?:[?].*)?$"
  azure_store = "^https://[^/]+/([^/?]+)/?([^?]*?)/?$"
  target      = try(concat(["az"], regex(local.azure_store, var.target)), regex(local.store, var.target))
  control_at  = try(concat(["az"], regex(local.azure_store, local.control)), regex(local.store, local.control))

  # ARNs of the bucket and of its keys, where they are S3's own: the rights of
  # another server are not IAM's.
  s3_target = local.target[0] != "s3" || strcontains(var.target, "endpoint=") ? [] : [
    "arn:${local.partition}:s3:::${local.target[1]}",
    "arn:${local.partition}:s3:::${join("/", compact([local.target[1], local.target[2]]))}/*",
  ]
  s3_control = var.migration == null || local.control_at[0] != "s3" || strcontains(local.control, "endpoint=") ? [] : [
    "arn:${local.partition}:s3:::${local.control_at[1]}",
    "arn:${local.partition}:s3:::${join("/", compact([local.control_at[1], local.control_at[2], ".crossfade", var.migration]))}/*",
  ]

  tags = merge({ "crossfade" = var.name }, var.tags)
}
