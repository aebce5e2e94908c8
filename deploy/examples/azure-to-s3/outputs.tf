output "function_name" {
  description = "The name of the function app."
  value       = module.crossfade.function_name
}

output "backfill_job" {
  description = "The job of the backfill: az containerapp job start runs it; null without one."
  value       = module.crossfade.backfill_job
}

output "storage_account" {
  description = "The account of the queues changes and changes-poison, and of the container undelivered."
  value       = module.crossfade.storage_account
}

output "application_insights" {
  description = "Where the function logs."
  value       = module.crossfade.application_insights
}

output "aws_role_arn" {
  description = "The role by which the function and the backfill write to the target."
  value       = aws_iam_role.crossfade.arn
}
