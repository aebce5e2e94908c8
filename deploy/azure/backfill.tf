# Copies what was there before, in one task: it compares two ordered listings, and
# can be stopped and run again at any time.
resource "azurerm_container_app_environment" "backfill" {
  count = var.backfill == null ? 0 : 1

  name                       = var.name
  resource_group_name        = var.resource_group
  location                   = var.location
  logs_destination           = "log-analytics"
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id
  tags                       = var.tags
}

locals {
  backfill_environment = merge(local.identity, { AZURE_CLIENT_ID = one(azurerm_user_assigned_identity.backfill[*].client_id) })

  # Of secrets: names of Container Apps are in lower case.
  secrets = { for name, uri in var.private_environment : replace(lower(name), "_", "-") => { variable = name, uri = uri } }
  file    = try(var.backfill.file, "") == "" ? {} : { crossfade-yaml = var.backfill.file }
}

resource "azurerm_container_app_job" "backfill" {
  count = var.backfill == null ? 0 : 1

  name                         = "${var.name}-backfill"
  resource_group_name          = var.resource_group
  location                     = var.location
  container_app_environment_id = azurerm_container_app_environment.backfill[0].id
  replica_timeout_in_seconds   = var.backfill.timeout_hours * 3600
  replica_retry_limit          = 3
  tags                         = var.tags

  identity {
    type         = "UserAssigned"
    identity_ids = azurerm_user_assigned_identity.backfill[*].id
  }

  dynamic "manual_trigger_config" {
    for_each = var.backfill.schedule == "" ? ["one"] : []
    content {
      parallelism              = 1
      replica_completion_count = 1
    }
  }

  dynamic "schedule_trigger_config" {
    for_each = var.backfill.schedule == "" ? [] : [var.backfill.schedule]
    content {
      cron_expression          = schedule_trigger_config.value
      parallelism              = 1
      replica_completion_count = 1
    }
  }

  dynamic "registry" {
    for_each = var.backfill.registry == "" ? [] : [var.backfill.registry]
    content {
      server   = registry.value
      identity = azurerm_user_assigned_identity.backfill[0].id
    }
  }

  dynamic "secret" {
    for_each = local.secrets
    content {
      name                = secret.key
      identity            = azurerm_user_assigned_identity.backfill[0].id
      key_vault_secret_id = secret.value.uri
    }
  }

  dynamic "secret" {
    for_each = local.file
    content {
      name  = secret.key
      value = secret.value
    }
  }

  template {
    container {
      name   = "backfill"
      image  = var.backfill.image
      cpu    = var.backfill.cpu
      memory = var.backfill.memory
      args = concat(
        ["backfill"],
        var.backfill.file == "" ? [local.source, var.target] : ["-f", "/etc/crossfade/crossfade-yaml"],
        var.backfill.args,
      )

      dynamic "env" {
        for_each = local.backfill_environment
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = local.secrets
        content {
          name        = env.value.variable
          secret_name = env.key
        }
      }

      # A volume of this kind has each secret of the job as a file.
      dynamic "volume_mounts" {
        for_each = local.file
        content {
          name = "secrets"
          path = "/etc/crossfade"
        }
      }
    }

    dynamic "volume" {
      for_each = local.file
      content {
        name         = "secrets"
        storage_type = "Secret"
      }
    }
  }

  depends_on = [time_sleep.granted]
}
