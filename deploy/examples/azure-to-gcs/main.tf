# From Azure Blob Storage to Cloud Storage without a key: the tenant vouches for the
# managed identities of the function and the backfill, and Google Cloud, which is
# told of the tenant, grants them what they need on the target bucket.

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
  target                 = "gs://${var.target_bucket}/${var.target_prefix}"
  migration              = var.migration
  direction              = var.direction
  package_url            = var.package_url
  package_container_id   = var.package_container_id

  identity = { audience = local.audience, gcp_audience = terraform_data.provider.output }

  backfill = var.backfill_image == null ? null : { image = var.backfill_image, schedule = var.backfill_schedule }

  operators        = var.operators
  action_group_ids = var.action_group_ids
  tags             = var.tags
}

locals {
  # Tokens for others are for an application of the tenant, which has no other use.
  # Tenants want their own ID in such a name, or a domain of theirs.
  audience = "api://${data.azurerm_client_config.current.tenant_id}/${var.name}"

  members = merge(
    { function = module.crossfade.function_identity.principal_id },
    var.backfill_image == null ? {} : { backfill = try(module.crossfade.backfill_identity.principal_id, "") },
  )

  # What the role may do, permission by permission. To overwrite is to create and to
  # delete.
  target = [
    "storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list", "storage.objects.update",
  ]
}

# Version 1 of its tokens: their issuer is that of sts.windows.net.
resource "azuread_application" "audience" {
  display_name    = "${var.name}: tokens for Google Cloud"
  identifier_uris = [local.audience]

  api {
    requested_access_token_version = 1
  }
}

resource "azuread_service_principal" "audience" {
  client_id = azuread_application.audience.client_id
}

resource "google_iam_workload_identity_pool" "azure" {
  workload_identity_pool_id = "${var.name}-azure"
  display_name              = "crossfade on Azure"
  description               = "The identities by which crossfade writes to ${var.target_bucket}"
}

resource "google_iam_workload_identity_pool_provider" "azure" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.azure.workload_identity_pool_id
  workload_identity_pool_provider_id = "${var.name}-azure"
  display_name                       = "Azure"

  oidc {
    issuer_uri        = "https://sts.windows.net/${data.azurerm_client_config.current.tenant_id}/"
    allowed_audiences = [local.audience]
  }

  # The object ID of the managed identity. Who else has a token for the audience is
  # known by it too, and granted nothing.
  attribute_mapping = { "google.subject" = "assertion.sub" }
}

resource "google_project_iam_custom_role" "target" {
  role_id     = "${replace(var.name, "-", "_")}_from_azure"
  title       = "crossfade ${var.name}: copies from Azure"
  permissions = local.target
}

# Listings are asked for by their prefix, for in them the resource is the bucket.
resource "google_storage_bucket_iam_member" "target" {
  for_each = local.members

  bucket = var.target_bucket
  role   = google_project_iam_custom_role.target.name
  member = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.azure.name}/subject/${each.value}"

  dynamic "condition" {
    for_each = var.target_prefix == "" ? [] : [var.target_prefix]
    content {
      title = "below the prefix"
      expression = join(" || ", [
        "resource.name.startsWith(${jsonencode("projects/_/buckets/${var.target_bucket}/objects/${condition.value}")})",
        "api.getAttribute(\"storage.googleapis.com/objectListPrefix\", \"\").startsWith(${jsonencode(condition.value)})",
      ])
    }
  }
}

# The provider, once there is somebody to ask tokens for.
resource "terraform_data" "provider" {
  input      = google_iam_workload_identity_pool_provider.azure.name
  depends_on = [azuread_service_principal.audience]
}
