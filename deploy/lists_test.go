package deploy_test

import "github.com/zclconf/go-cty/cty"

var falseValue = cty.False

// untaggable are the types of resources that have neither tags nor labels.
var untaggable = []string{
	"aws_cloudwatch_dashboard", "aws_cloudwatch_event_target", "aws_iam_role_policy", "aws_iam_role_policy_attachment",
	"aws_lambda_event_source_mapping", "aws_lambda_function_event_invoke_config", "aws_lambda_permission",
	"aws_s3_bucket_lifecycle_configuration", "aws_s3_bucket_notification", "aws_scheduler_schedule", "aws_sns_topic_policy",
	"aws_sns_topic_subscription", "aws_sqs_queue_policy", "aws_sqs_queue_redrive_allow_policy",
	"google_cloud_run_v2_job_iam_member", "google_cloud_run_v2_service_iam_member", "google_cloud_scheduler_job",
	"google_iam_workload_identity_pool", "google_iam_workload_identity_pool_provider", "google_monitoring_dashboard",
	"google_project_iam_member", "google_project_service", "google_project_service_identity", "google_pubsub_subscription_iam_member",
	"google_pubsub_topic_iam_member", "google_secret_manager_secret_iam_member", "google_service_account",
	"google_service_account_iam_member", "google_storage_bucket_iam_member", "google_storage_notification",
	"google_project_iam_custom_role", "google_cloudfunctions2_function_iam_member", "google_artifact_registry_repository_iam_member",
	"google_storage_bucket_object", "google_logging_metric", "google_storage_hmac_key",
	"azuread_application", "azuread_application_federated_identity_credential", "azuread_service_principal",
	"azurerm_eventgrid_system_topic_event_subscription", "azurerm_federated_identity_credential", "azurerm_role_assignment",
	"azurerm_role_definition", "azurerm_storage_container", "azurerm_storage_management_policy", "azurerm_storage_queue",
	"azurerm_key_vault_secret", "azurerm_storage_blob",
	"random_id", "random_string", "terraform_data", "time_sleep",
}

// placesKnown are found by the patterns for places, and are none.
var placesKnown = []string{}
