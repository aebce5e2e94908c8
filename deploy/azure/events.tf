# An account has one system topic at most.
resource "azurerm_eventgrid_system_topic" "source" {
  count = var.system_topic == null ? 1 : 0

  name                = "${var.name}-${var.account}"
  resource_group_name = var.account_resource_group
  location            = data.azurerm_storage_account.source.location
  source_resource_id  = data.azurerm_storage_account.source.id
  topic_type          = "Microsoft.Storage.StorageAccounts"
  tags                = var.tags

  identity {
    type = "SystemAssigned"
  }
}

locals {
  topic = var.system_topic != null ? var.system_topic : {
    name           = azurerm_eventgrid_system_topic.source[0].name
    resource_group = azurerm_eventgrid_system_topic.source[0].resource_group_name
    principal_id   = azurerm_eventgrid_system_topic.source[0].identity[0].principal_id
  }

  # Those that the function acts upon, and those that it has to complain of: a
  # directory of a hierarchical namespace that was renamed or deleted.
  event_types = [
    "Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobDeleted", "Microsoft.Storage.BlobRenamed",
    "Microsoft.Storage.DirectoryDeleted", "Microsoft.Storage.DirectoryRenamed",
  ]

  # A filter knows "and" between its parts and no "or", so that what is followed
  # takes two subscriptions: everything but crossfade's own documents, and of these
  # the signals of the migration, which have to come. No other document is ever an
  # event, and so no loop can begin.
  followed = "/blobServices/default/containers/${var.container}/blobs/${var.prefix}"
  own      = "${local.followed}.crossfade/"
  signals  = "${local.own}${var.migration == null ? "" : var.migration}/signal/"
  subscriptions = merge(
    { changes = { begins = local.followed, except = [local.own] } },
    var.migration == null ? {} : { signals = { begins = local.signals, except = [] } },
  )
}

resource "azurerm_role_assignment" "topic_queue" {
  scope                = azurerm_storage_queue.changes.id
  role_definition_name = "Storage Queue Data Message Sender"
  principal_id         = local.topic.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "topic_undelivered" {
  scope                = azurerm_storage_container.undelivered.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = local.topic.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_eventgrid_system_topic_event_subscription" "this" {
  for_each = local.subscriptions

  name                  = "${var.name}-${each.key}"
  system_topic          = local.topic.name
  resource_group_name   = local.topic.resource_group
  event_delivery_schema = "EventGridSchema"
  included_event_types  = local.event_types

  subject_filter {
    subject_begins_with = each.value.begins
    case_sensitive      = true
  }

  dynamic "advanced_filter" {
    for_each = length(each.value.except) == 0 ? [] : [each.value.except]
    content {
      string_not_begins_with {
        key    = "Subject"
        values = advanced_filter.value
      }
    }
  }

  storage_queue_endpoint {
    storage_account_id                    = azurerm_storage_account.this.id
    queue_name                            = azurerm_storage_queue.changes.name
    queue_message_time_to_live_in_seconds = var.retention_days * 86400
  }

  delivery_identity {
    type = "SystemAssigned"
  }

  storage_blob_dead_letter_destination {
    storage_account_id          = azurerm_storage_account.this.id
    storage_blob_container_name = azurerm_storage_container.undelivered.name
  }

  dead_letter_identity {
    type = "SystemAssigned"
  }

  retry_policy {
    max_delivery_attempts = 30
    event_time_to_live    = 1440
  }

  depends_on = [time_sleep.granted]
}
