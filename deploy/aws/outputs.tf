output "queue_url" {
  description = "URL of the queue of changes; also backlog.sqs of crossfade.yaml."
  value       = aws_sqs_queue.events.url
}

output "queue_arn" {
  description = "ARN of the queue of changes."
  value       = aws_sqs_queue.events.arn
}

output "dead_letter_queue_url" {
  description = "URL of the queue of changes that were given up, for crossfade redrive."
  value       = aws_sqs_queue.dead.url
}

output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.changes.function_name
}

output "function_role_arn" {
  description = "ARN of the function's role: the subject of a federated credential on Azure."
  value       = aws_iam_role.function.arn
}

output "function_role_name" {
  description = "Name of the function's role: what a workload identity pool of Google Cloud sees."
  value       = aws_iam_role.function.name
}

output "backfill_role_arn" {
  description = "ARN of the backfill's role, null without a backfill."
  value       = one(aws_iam_role.backfill[*].arn)
}

output "backfill_role_name" {
  description = "Name of the backfill's role, null without a backfill."
  value       = one(aws_iam_role.backfill[*].name)
}

output "backfill_task_definition_arn" {
  description = "ARN of the backfill's task definition, for aws ecs run-task; null without a backfill."
  value       = one(aws_ecs_task_definition.backfill[*].arn)
}

output "backfill_cluster_arn" {
  description = "ARN of the cluster that the backfill runs on, null without a backfill."
  value       = local.cluster_arn
}

output "log_group" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.function.name
}

output "dashboard" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}
