output "function_name" {
  description = "The name of the function app."
  value       = azurerm_linux_function_app.changes.name
}

output "function_identity" {
  description = "The identity of the function: its client ID, and its principal ID, by which the other cloud knows it (the subject of its tokens)."
  value = {
    client_id    = azurerm_user_assigned_identity.function.client_id
    principal_id = azurerm_user_assigned_identity.function.principal_id
  }
}

output "backfill_identity" {
  description = "The identity of the backfill, likewise; null without one."
  value       = one([for id in azurerm_user_assigned_identity.backfill : { client_id = id.client_id, principal_id = id.principal_id }])
}

output "backfill_job" {
  description = "The job of the backfill: az containerapp job start runs it; null without one."
  value       = one(azurerm_container_app_job.backfill[*].name)
}

output "storage_account" {
  description = "The account of the queues changes and changes-poison, and of the container undelivered."
  value       = azurerm_storage_account.this.name
}

output "poison_queue" {
  description = "Where messages end that could not be carried."
  value       = azurerm_storage_queue.poison.name
}

output "application_insights" {
  description = "Where the function logs."
  value       = azurerm_application_insights.this.name
}

output "system_topic" {
  description = "The system topic of the account: system_topic of a second function that follows another container of it."
  value       = local.topic
}
