# From S3 to Azure Blob Storage without a key: AWS vouches for the roles of the
# function and the backfill by a signed token, which a federated credential of a
# managed identity takes.

data "azurerm_storage_account" "target" {
  name                = var.target_account
  resource_group_name = var.target_resource_group
}

module "crossfade" {
  source = "../../aws"

  name          = var.name
  bucket        = var.source_bucket
  prefix        = var.source_prefix
  target        = "${trimsuffix(data.azurerm_storage_account.target.primary_blob_endpoint, "/")}/${var.target_container}"
  migration     = var.migration
  direction     = var.direction
  notifications = var.notifications
  package_file  = var.package_file

  identity = {
    azure_tenant_id = azurerm_user_assigned_identity.crossfade.tenant_id
    azure_client_id = azurerm_user_assigned_identity.crossfade.client_id
    audience        = local.audience
  }

  backfill = var.backfill_image == null ? null : {
    image            = var.backfill_image
    subnet_ids       = var.backfill_subnet_ids
    assign_public_ip = var.backfill_public_ip
  }

  alarm_topic_arns = var.alarm_topic_arns
  tags             = var.tags
}

locals {
  audience = "api://AzureADTokenExchange"

  # What the identity may do, action by action. To list is to read.
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
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "function" {
  name                      = "${var.name}-function"
  user_assigned_identity_id = azurerm_user_assigned_identity.crossfade.id
  issuer                    = var.aws_token_issuer
  subject                   = module.crossfade.function_role_arn
  audience                  = [local.audience]
}

resource "azurerm_federated_identity_credential" "backfill" {
  count = var.backfill_image == null ? 0 : 1

  name                      = "${var.name}-backfill"
  user_assigned_identity_id = azurerm_user_assigned_identity.crossfade.id
  issuer                    = var.aws_token_issuer
  subject                   = module.crossfade.backfill_role_arn
  audience                  = [local.audience]

  # Azure takes one credential of an identity at a time.
  depends_on = [azurerm_federated_identity_credential.function]
}

resource "azurerm_role_definition" "target" {
  name        = "crossfade ${var.name}: copies in ${var.target_account}/${var.target_container}"
  scope       = "/subscriptions/${var.azure_subscription_id}/resourceGroups/${var.target_resource_group}"
  description = "Reads, writes and deletes blobs."

  permissions {
    data_actions = local.target
  }
}

resource "azurerm_role_assignment" "target" {
  scope              = "${data.azurerm_storage_account.target.id}/blobServices/default/containers/${var.target_container}"
  role_definition_id = azurerm_role_definition.target.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.crossfade.principal_id
  principal_type     = "ServicePrincipal"
}
