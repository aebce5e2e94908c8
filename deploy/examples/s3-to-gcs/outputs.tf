output "queue_url" {
  description = "URL of the queue of changes: backlog.sqs of crossfade.yaml."
  value       = module.crossfade.queue_url
}

output "dead_letter_queue_url" {
  description = "URL of the queue of changes that were given up."
  value       = module.crossfade.dead_letter_queue_url
}

output "log_group" {
  description = "Log group of the function, for aws logs tail."
  value       = module.crossfade.log_group
}

output "dashboard" {
  description = "Name of the dashboard in CloudWatch."
  value       = module.crossfade.dashboard
}

output "gcp_audience" {
  description = "The provider of the workload identity pool, as CROSSFADE_GCP_AUDIENCE."
  value       = google_iam_workload_identity_pool_provider.aws.name
}

output "run_backfill" {
  description = "The command that starts the backfill on Fargate; null where there is none."
  value = var.backfill_image == null ? null : join(" ", [
    "aws ecs run-task --launch-type FARGATE --region ${var.aws_region}",
    "--cluster ${module.crossfade.backfill_cluster_arn} --task-definition ${module.crossfade.backfill_task_definition_arn}",
    "--network-configuration 'awsvpcConfiguration={subnets=[${join(",", var.backfill_subnet_ids)}],assignPublicIp=${var.backfill_public_ip ? "ENABLED" : "DISABLED"}}'",
  ])
}
