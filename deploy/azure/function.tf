# The environment, as package config reads it. What is null is left out; but of a
# role that is not made yet that cannot be known, and what is empty counts as unset.
locals {
  source = "${trimsuffix(data.azurerm_storage_account.source.primary_blob_endpoint, "/")}/${var.container}/${var.prefix}"
  settings = {
    CROSSFADE_SOURCE      = local.source
    CROSSFADE_TARGET      = var.target
    CROSSFADE_DELETES     = tostring(var.deletes)
    CROSSFADE_FOREIGN     = var.foreign
    CROSSFADE_CONCURRENCY = "1" # an invocation has one event
    CROSSFADE_MIGRATION   = var.migration
    CROSSFADE_CONTROL     = var.control
    CROSSFADE_DIRECTION   = var.direction == "reverse" ? "reverse" : null
    CROSSFADE_LOG_LEVEL   = var.log_level
    CROSSFADE_METRICS     = var.metrics
  }
  identity = merge(
    {
      CROSSFADE_IDENTITY            = "azure"
      CROSSFADE_IDENTITY_AUDIENCE   = var.identity.audience
      CROSSFADE_AWS_ROLE_ARN        = var.identity.aws_role_arn
      CROSSFADE_GCP_AUDIENCE        = var.identity.gcp_audience
      CROSSFADE_GCP_SERVICE_ACCOUNT = var.identity.gcp_service_account
    },
    var.environment,
  )
  environment = merge({ for name, value in local.settings : name => value if value != null }, local.identity)

  time_span = format("%02d:%02d:00", floor(var.timeout_minutes / 60), var.timeout_minutes % 60)
  retry     = format("00:%02d:%02d", floor(var.retry_seconds / 60), var.retry_seconds % 60)

  # What the host reads. The first is read by the function too, which cannot see
  # host.json.
  host = {
    AzureFunctionsJobHost__functionTimeout                       = local.time_span
    AzureFunctionsJobHost__extensions__queues__visibilityTimeout = local.retry
    AzureFunctionsJobHost__extensions__queues__maxDequeueCount   = tostring(var.max_dequeue_count)
    AzureFunctionsJobHost__extensions__queues__batchSize         = tostring(var.instance_concurrency)
    AzureFunctionsJobHost__extensions__queues__newBatchThreshold = tostring(floor(var.instance_concurrency / 2))

    AzureWebJobsDisableHomepage     = "true"
    AzureWebJobsStorage__credential = "managedidentity"
    AzureWebJobsStorage__clientId   = azurerm_user_assigned_identity.function.client_id

    EVENTS__queueServiceUri = azurerm_storage_account.this.primary_queue_endpoint
    EVENTS__credential      = "managedidentity"
    EVENTS__clientId        = azurerm_user_assigned_identity.function.client_id
    EVENTS_QUEUE            = azurerm_storage_queue.changes.name

    WEBSITE_RUN_FROM_PACKAGE                     = var.package_url
    WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID = azurerm_user_assigned_identity.function.id
  }
}

resource "azurerm_service_plan" "this" {
  name                = var.name
  resource_group_name = var.resource_group
  location            = var.location
  os_type             = "Linux"
  sku_name            = var.sku
  tags                = var.tags
}

# Nobody calls it: it takes from the queue. Its public side answers with nothing.
resource "azurerm_linux_function_app" "changes" {
  name                = "${var.name}-${local.suffix}"
  resource_group_name = var.resource_group
  location            = var.location
  service_plan_id     = azurerm_service_plan.this.id

  storage_account_name          = azurerm_storage_account.this.name
  storage_uses_managed_identity = true
  content_share_force_disabled  = true

  https_only                                     = true
  builtin_logging_enabled                        = false
  functions_extension_version                    = "~4"
  ftp_publish_basic_authentication_enabled       = false
  webdeploy_publish_basic_authentication_enabled = false
  key_vault_reference_identity_id                = azurerm_user_assigned_identity.function.id
  tags                                           = var.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.function.id]
  }

  site_config {
    app_scale_limit                        = var.max_instances
    application_insights_connection_string = azurerm_application_insights.this.connection_string
    ftps_state                             = "Disabled"
    http2_enabled                          = true
    minimum_tls_version                    = "1.2"
    runtime_scale_monitoring_enabled       = var.sku == "Y1" ? null : true

    application_stack {
      use_custom_runtime = true
    }
  }

  app_settings = merge(
    local.host,
    local.environment,
    { AZURE_CLIENT_ID = azurerm_user_assigned_identity.function.client_id },
    { for name, uri in var.private_environment : name => "@Microsoft.KeyVault(SecretUri=${uri})" },
  )

  depends_on = [time_sleep.granted]
}
