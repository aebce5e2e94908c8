# The permissions of each role, just those of the calls that are made. A test
# reads these lists.
locals {
  permissions = {
    function_source = ["storage.objects.get", "storage.objects.list"]

    # Only where the target is a bucket of Cloud Storage. To overwrite is to
    # create and to delete.
    function_target = [
      "storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list",
      "storage.objects.update",
    ]

    # No right to delete, and so none to overwrite: a function reads the state of
    # the migration and adds notes to it, and cannot change it.
    function_control = ["storage.objects.create", "storage.objects.get", "storage.objects.list"]

    backfill_source = ["storage.objects.get", "storage.objects.list"]
    backfill_target = [
      "storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list",
      "storage.objects.update",
    ]
    backfill_control = [
      "storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list",
    ]

    # Whoever runs the command line: signals and, after a turn, objects on both
    # sides; stamps are removed by finish --stamps.
    operator = [
      "storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list",
      "storage.objects.update",
    ]

    operator_dead_letters = ["pubsub.subscriptions.consume"]
    operator_events       = ["pubsub.topics.publish"]
  }
}

# What the URLs name, where they are of Cloud Storage. A prefix ends in "/".
locals {
  source  = "gs://${var.bucket}/${var.prefix}"
  control = var.migration == null ? "" : var.control != null ? var.control : var.direction == "reverse" ? local.source : var.target
  paths = {
    for end, url in { source = local.source, target = var.target, control = local.control } :
    end => split("/", trimprefix(url, "gs://")) if startswith(url, "gs://")
  }
  prefixes = { for end, path in local.paths : end => join("/", slice(path, 1, length(path))) }
  places = {
    for end, path in local.paths : end => {
      bucket = path[0]
      prefix = local.prefixes[end] == "" || endswith(local.prefixes[end], "/") ? local.prefixes[end] : "${local.prefixes[end]}/"
    }
  }
  control_prefix = "${try(local.places.control.prefix, "")}.crossfade/${var.migration == null ? "" : var.migration}/"
}

# Who gets which role on which bucket, and for which keys. Who may write to the
# target may write the control documents in it.
locals {
  apart = [for end, at in local.places : end if end == "control" && at != try(local.places.target, null)]
  ends  = [for end in ["source", "target"] : end if contains(keys(local.places), end)]
  functions = merge(
    { for end in local.ends : "function_${end}" => merge(local.places[end], { keys = local.places[end].prefix }) },
    { for end in local.apart : "function_control" => merge(local.places[end], { keys = local.control_prefix }) },
  )
  backfills = var.backfill == null ? {} : merge(
    { for end in local.ends : "backfill_${end}" => merge(local.places[end], { keys = local.places[end].prefix }) },
    { for end in local.apart : "backfill_control" => merge(local.places[end], { keys = local.control_prefix }) },
  )
  grants = merge(
    { for role, at in local.functions : role => merge(at, { role = role, member = google_service_account.function.member }) },
    { for role, at in local.backfills : role => merge(at, { role = role, member = one(google_service_account.backfill[*].member) }) },
    merge([
      for end, at in local.places : {
        for member in var.operators : "operator_${end} ${member}" => merge(at, {
          role = "operator", member = member, keys = end == "control" ? local.control_prefix : at.prefix
        })
      } if end != "control" || contains(local.apart, end)
    ]...),
  )
  roles = toset(concat(
    [for g in values(local.grants) : g.role],
    length(var.operators) > 0 && var.events == "pubsub" ? ["operator_dead_letters", "operator_events"] : [],
  ))
}

resource "google_service_account" "function" {
  project      = var.project
  account_id   = "${var.name}-function"
  display_name = "crossfade: the function ${var.name}"
  description  = "Reads gs://${var.bucket} and writes to the target."
}

resource "google_service_account" "push" {
  project      = var.project
  account_id   = "${var.name}-push"
  display_name = "crossfade: the events of ${var.name}"
  description  = "Calls the function ${var.name} with events, and may do nothing else."
}

resource "google_service_account" "backfill" {
  count = var.backfill == null ? 0 : 1

  project      = var.project
  account_id   = "${var.name}-backfill"
  display_name = "crossfade: the backfill of ${var.name}"
  description  = "Copies what was in gs://${var.bucket} before."
}

resource "google_project_iam_custom_role" "this" {
  for_each = local.roles

  project     = var.project
  role_id     = "${replace(var.name, "-", "_")}_${each.key}"
  title       = "crossfade ${var.name}: ${replace(each.key, "_", " ")}"
  permissions = local.permissions[each.key]
}

# A condition needs uniform bucket-level access. Listings are asked for by their
# prefix, for in them the resource is the bucket; a place without a prefix may be
# listed whole.
resource "google_storage_bucket_iam_member" "this" {
  for_each = local.grants

  bucket = each.value.bucket
  role   = google_project_iam_custom_role.this[each.value.role].name
  member = each.value.member

  dynamic "condition" {
    for_each = each.value.keys == "" ? [] : [each.value]
    content {
      title = "below the prefix"
      expression = join(" || ", [
        "resource.name.startsWith(${jsonencode("projects/_/buckets/${condition.value.bucket}/objects/${condition.value.keys}")})",
        condition.value.prefix == "" ? "resource.type == \"storage.googleapis.com/Bucket\"" : (
          "api.getAttribute(\"storage.googleapis.com/objectListPrefix\", \"\").startsWith(${jsonencode(condition.value.prefix)})"
        ),
      ])
    }
  }
}

# The secrets that the environment and the job name, each for whom it is for.
locals {
  secret_readers = merge(
    { for name, secret in var.private_environment : "function ${name}" => { id = secret.id, member = google_service_account.function.member } },
    var.backfill == null ? {} : {
      for name, secret in var.private_environment :
      "backfill ${name}" => { id = secret.id, member = one(google_service_account.backfill[*].member) }
    },
    try(var.backfill.file_id, "") == "" ? {} : {
      "backfill file" = { id = var.backfill.file_id, member = one(google_service_account.backfill[*].member) }
    },
  )
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = local.secret_readers

  project   = var.project
  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member    = each.value.member
}

# The function looks at both stores when it starts, and a revision that cannot
# start fails the apply: a grant takes up to a minute to hold. The environment is
# among the triggers because it names what was granted in the other cloud.
resource "time_sleep" "granted" {
  create_duration = "60s"

  triggers = {
    grants      = sha256(jsonencode([for name in sort(keys(local.grants)) : google_storage_bucket_iam_member.this[name].id]))
    secrets     = sha256(jsonencode([for name in sort(keys(local.secret_readers)) : google_secret_manager_secret_iam_member.reader[name].id]))
    environment = sha256(jsonencode([var.environment, var.aws_role_arn]))
  }
}
