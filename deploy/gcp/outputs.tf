output "service_name" {
  description = "The name of the function's service."
  value       = local.service_name
}

output "service_uri" {
  description = "Where the function is called, by Pub/Sub and Eventarc only."
  value       = local.service_uri
}

output "function_service_account" {
  description = "The account of the function: its address, and its unique ID, by which the other cloud knows it (the subject of its tokens)."
  value       = { email = google_service_account.function.email, unique_id = google_service_account.function.unique_id }
}

output "backfill_service_account" {
  description = "The account of the backfill, likewise; null without one."
  value = one([
    for account in google_service_account.backfill : { email = account.email, unique_id = account.unique_id }
  ])
}

output "events_topic" {
  description = "The topic of the events, which crossfade redrive publishes to again; null with Eventarc."
  value       = one(google_pubsub_topic.events[*].id)
}

output "events_subscription" {
  description = "The subscription that the function is called by; null with Eventarc."
  value       = one(google_pubsub_subscription.events[*].id)
}

output "dead_letter_subscription" {
  description = "The subscription that holds the dead letters, which crossfade redrive reads; null with Eventarc."
  value       = one(google_pubsub_subscription.dead_letters[*].id)
}

output "backfill_job" {
  description = "The job of the backfill: gcloud run jobs execute runs it; null without one."
  value       = one(google_cloud_run_v2_job.backfill[*].name)
}

output "dashboard" {
  description = "The ID of the dashboard."
  value       = google_monitoring_dashboard.this.id
}
