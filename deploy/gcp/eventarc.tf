# The other way for events to come. Eventarc makes topics and subscriptions of its
# own in the project, which have no dead-letter topic: an event that fails for 24
# hours is dropped.
locals {
  triggers = var.events == "eventarc" ? {
    finalized = "google.cloud.storage.object.v1.finalized"
    deleted   = "google.cloud.storage.object.v1.deleted"
    archived  = "google.cloud.storage.object.v1.archived"
    metadata  = "google.cloud.storage.object.v1.metadataUpdated"
  } : {}
}

data "google_storage_bucket" "source" {
  count = length(local.triggers) > 0 ? 1 : 0

  name = local.places.source.bucket
}

resource "google_eventarc_trigger" "source" {
  for_each = local.triggers

  project         = var.project
  location        = lower(data.google_storage_bucket.source[0].location) # a trigger is where its bucket is
  name            = "${var.name}-${each.key}"
  service_account = google_service_account.push.email
  labels          = var.labels

  matching_criteria {
    attribute = "type"
    value     = each.value
  }
  matching_criteria {
    attribute = "bucket"
    value     = local.places.source.bucket
  }

  destination {
    cloud_run_service {
      service = local.service_name
      region  = var.region
    }
  }

  depends_on = [
    google_cloud_run_v2_service_iam_member.push,
    google_project_iam_member.receiver,
    google_project_iam_member.storage,
  ]
}

resource "google_project_iam_member" "receiver" {
  count = length(local.triggers) > 0 ? 1 : 0

  project = var.project
  role    = "roles/eventarc.eventReceiver"
  member  = google_service_account.push.member
}

# The topics are Eventarc's, so that the grant can only be on the project.
resource "google_project_iam_member" "storage" {
  count = length(local.triggers) > 0 ? 1 : 0

  project = var.project
  role    = "roles/pubsub.publisher"
  member  = data.google_storage_project_service_account.this.member
}
