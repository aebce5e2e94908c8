data "azurerm_resource_group" "this" {
  name = var.resource_group
}

data "azurerm_resource_group" "source" {
  name = var.account_resource_group
}

data "azurerm_storage_account" "source" {
  name                = var.account
  resource_group_name = var.account_resource_group
}

locals {
  # Names of storage accounts and of functions are the whole world's.
  suffix = substr(sha256("${data.azurerm_resource_group.this.id}/${var.name}"), 0, 6)
  queue  = "changes"
}

# The queue, what could not be delivered to it, and what the Functions host keeps.
# Nobody has a key to it.
resource "azurerm_storage_account" "this" {
  name                            = "${replace(var.name, "-", "")}${local.suffix}"
  resource_group_name             = var.resource_group
  location                        = var.location
  account_tier                    = "Standard"
  account_replication_type        = "LRS"
  min_tls_version                 = "TLS1_2"
  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  allow_nested_items_to_be_public = false
  tags                            = var.tags
}

resource "azurerm_storage_queue" "changes" {
  name               = local.queue
  storage_account_id = azurerm_storage_account.this.id
}

# Where the host moves what was tried too often. It goes by this name.
resource "azurerm_storage_queue" "poison" {
  name               = "${local.queue}-poison"
  storage_account_id = azurerm_storage_account.this.id
}

# Where Event Grid puts what it could not put into the queue for a day.
resource "azurerm_storage_container" "undelivered" {
  name               = "undelivered"
  storage_account_id = azurerm_storage_account.this.id
}
