output "azure_client_id" {
  description = "The managed identity by which the function and the backfill write to the target."
  value       = azurerm_user_assigned_identity.crossfade.client_id
}

output "service_name" {
  description = "The service that takes the events."
  value       = module.crossfade.service_name
}

output "backfill_job" {
  description = "The job of the backfill: gcloud run jobs execute runs it; null without one."
  value       = module.crossfade.backfill_job
}

output "dead_letter_subscription" {
  description = "Where events end that could not be carried: crossfade redrive reads it."
  value       = module.crossfade.dead_letter_subscription
}

output "events_topic" {
  description = "Where crossfade redrive publishes them again."
  value       = module.crossfade.events_topic
}
