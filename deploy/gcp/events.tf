data "google_project" "this" {
  project_id = var.project
}

# The agent of Cloud Storage, which publishes what happens in the bucket.
data "google_storage_project_service_account" "this" {
  project = var.project
}

locals {
  pubsub       = var.events == "pubsub" ? 1 : 0
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"

  # In reverse the control documents are in the bucket whose events the function
  # gets. Of those only the signals are for it; the others it would acknowledge,
  # and need not be called for. A filter has 256 bytes at most, which are 344 in
  # base 64.
  own_documents = "${local.places.source.prefix}.crossfade/"
  filter = join(" OR ", [
    "NOT hasPrefix(attributes.objectId, ${jsonencode(local.own_documents)})",
    "hasPrefix(attributes.objectId, ${jsonencode("${local.own_documents}${var.migration == null ? "" : var.migration}/signal/")})",
  ])
}

resource "google_pubsub_topic" "events" {
  count = local.pubsub

  project = var.project
  name    = "${var.name}-events"
  labels  = var.labels
}

resource "google_pubsub_topic_iam_member" "storage" {
  count = local.pubsub

  project = var.project
  topic   = google_pubsub_topic.events[0].name
  role    = "roles/pubsub.publisher"
  member  = data.google_storage_project_service_account.this.member
}

# The subscription is there first, with its dead letters: what is published to a
# topic without one is lost.
resource "google_storage_notification" "source" {
  count = local.pubsub

  bucket             = local.places.source.bucket
  topic              = google_pubsub_topic.events[0].id
  payload_format     = "JSON_API_V1"
  event_types        = ["OBJECT_FINALIZE", "OBJECT_DELETE", "OBJECT_METADATA_UPDATE", "OBJECT_ARCHIVE"]
  object_name_prefix = local.places.source.prefix == "" ? null : local.places.source.prefix

  depends_on = [google_pubsub_subscription_iam_member.dead_letters, google_pubsub_topic_iam_member.storage]
}

resource "google_pubsub_subscription" "events" {
  count = local.pubsub

  project                    = var.project
  name                       = "${var.name}-events"
  topic                      = google_pubsub_topic.events[0].id
  ack_deadline_seconds       = 600
  message_retention_duration = "${var.retention_days * 86400}s"
  filter                     = var.direction == "reverse" && length(base64encode(local.filter)) <= 344 ? local.filter : null
  labels                     = var.labels

  push_config {
    push_endpoint = "${local.service_uri}/"

    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = local.service_uri
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters[0].id
    max_delivery_attempts = var.max_delivery_attempts
  }

  # A subscription that nothing goes through for a month would be deleted.
  expiration_policy {
    ttl = ""
  }

  # Dead letters to a topic without a subscription would be lost.
  depends_on = [
    google_cloud_run_v2_service_iam_member.push,
    google_pubsub_subscription.dead_letters,
    google_pubsub_topic_iam_member.dead_letters,
    google_service_account_iam_member.token,
  ]
}

resource "google_pubsub_topic" "dead_letters" {
  count = local.pubsub

  project = var.project
  name    = "${var.name}-dead-letters"
  labels  = var.labels
}

# Nobody reads it but crossfade redrive, and people.
resource "google_pubsub_subscription" "dead_letters" {
  count = local.pubsub

  project                    = var.project
  name                       = "${var.name}-dead-letters"
  topic                      = google_pubsub_topic.dead_letters[0].id
  ack_deadline_seconds       = 600
  message_retention_duration = "${var.retention_days * 86400}s"
  labels                     = var.labels

  expiration_policy {
    ttl = ""
  }
}

# Without these two Pub/Sub forwards nothing, and tries for ever.
resource "google_pubsub_topic_iam_member" "dead_letters" {
  count = local.pubsub

  project = var.project
  topic   = google_pubsub_topic.dead_letters[0].name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letters" {
  count = local.pubsub

  project      = var.project
  subscription = google_pubsub_subscription.events[0].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# Pub/Sub makes the tokens of its calls in the name of this account, and no other.
resource "google_service_account_iam_member" "token" {
  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "operator" {
  for_each = toset(var.events == "pubsub" ? var.operators : [])

  project      = var.project
  subscription = google_pubsub_subscription.dead_letters[0].name
  role         = google_project_iam_custom_role.this["operator_dead_letters"].name
  member       = each.key
}

resource "google_pubsub_topic_iam_member" "operator" {
  for_each = toset(var.events == "pubsub" ? var.operators : [])

  project = var.project
  topic   = google_pubsub_topic.events[0].name
  role    = google_project_iam_custom_role.this["operator_events"].name
  member  = each.key
}
