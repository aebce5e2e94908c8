# From Cloud Storage to Azure Blob Storage without a key: Google vouches for the
# service accounts of the function and the backfill, and a managed identity takes
# their tokens by federated credentials.

data "azurerm_storage_account" "target" {
  name                = var.target_account
  resource_group_name = var.target_resource_group
}

module "crossfade" {
  source = "../../gcp"

  project   = var.gcp_project
  region    = var.gcp_region
  name      = var.name
  bucket    = var.source_bucket
  prefix    = var.source_prefix
  target    = "${trimsuffix(data.azurerm_storage_account.target.primary_blob_endpoint, "/")}/${var.target_container}/${var.target_prefix}"
  migration = var.migration
  direction = var.direction

  environment = {
    AZURE_TENANT_ID = azurerm_user_assigned_identity.crossfade.tenant_id
    AZURE_CLIENT_ID = terraform_data.client.output
  }

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

locals {
  audience  = "api://AzureADTokenExchange" # crossfade asks for tokens for it where it is not told another
  issuer    = "https://accounts.google.com"
  container = "${data.azurerm_storage_account.target.id}/blobServices/default/containers/${var.target_container}"
  blobs     = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"

  # What the role may do, action by action. To list is to read.
  target = [
    "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
    "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
    "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
  ]
}

resource "azurerm_user_assigned_identity" "crossfade" {
  name                = var.name
  resource_group_name = var.target_resource_group
  location            = data.azurerm_storage_account.target.location
  tags                = var.labels
}

resource "azurerm_federated_identity_credential" "function" {
  name                      = "${var.name}-function"
  user_assigned_identity_id = azurerm_user_assigned_identity.crossfade.id
  issuer                    = local.issuer
  subject                   = module.crossfade.function_service_account.unique_id
  audience                  = [local.audience]
}

resource "azurerm_federated_identity_credential" "backfill" {
  count = var.backfill_image == null ? 0 : 1

  name                      = "${var.name}-backfill"
  user_assigned_identity_id = azurerm_user_assigned_identity.crossfade.id
  issuer                    = local.issuer
  subject                   = module.crossfade.backfill_service_account.unique_id
  audience                  = [local.audience]

  # Azure takes one credential of an identity at a time.
  depends_on = [azurerm_federated_identity_credential.function]
}

# A role can be defined for a resource group and is then given on the container.
resource "azurerm_role_definition" "target" {
  name        = "crossfade ${var.name}: copies in ${var.target_account}/${var.target_container}"
  scope       = "/subscriptions/${var.azure_subscription_id}/resourceGroups/${var.target_resource_group}"
  description = "Reads, writes and deletes blobs."

  permissions {
    data_actions = local.target
  }
}

# The condition leaves listings alone, which are of the container.
resource "azurerm_role_assignment" "target" {
  scope              = local.container
  role_definition_id = azurerm_role_definition.target.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.crossfade.principal_id
  principal_type     = "ServicePrincipal"
  condition_version  = var.target_prefix == "" ? null : "2.0"
  condition = var.target_prefix == "" ? null : join(" ", [
    "((!(ActionMatches{'${local.blobs}/read'} AND NOT SubOperationMatches{'Blob.List'})",
    "AND !(ActionMatches{'${local.blobs}/write'}) AND !(ActionMatches{'${local.blobs}/delete'}))",
    "OR (@Resource[${local.blobs}:path] StringStartsWith '${var.target_prefix}'))",
  ])
}

# The identity once it may do what it has to: the function looks at both stores
# when it starts.
resource "terraform_data" "client" {
  input = azurerm_user_assigned_identity.crossfade.client_id

  depends_on = [
    azurerm_federated_identity_credential.backfill,
    azurerm_federated_identity_credential.function,
    azurerm_role_assignment.target,
  ]
}
