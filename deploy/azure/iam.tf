# What each role may do, action by action: just what the calls need. To list is to
# read. A test reads these lists.
locals {
  data_actions = {
    function_source = ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"]

    # Only where the target is on Azure.
    function_target = [
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
    ]

    # Only on the way back, where the documents of the migration are in the
    # container that is followed.
    function_control = [
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
    ]

    backfill_source = ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"]
    backfill_target = [
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
    ]

    # The Functions host: it takes messages, lets them come again, and moves them
    # to the poison queue.
    queue = [
      "Microsoft.Storage/storageAccounts/queueServices/queues/messages/add/action",
      "Microsoft.Storage/storageAccounts/queueServices/queues/messages/delete",
      "Microsoft.Storage/storageAccounts/queueServices/queues/messages/process/action",
      "Microsoft.Storage/storageAccounts/queueServices/queues/messages/read",
      "Microsoft.Storage/storageAccounts/queueServices/queues/messages/write",
    ]

    # Whoever runs the command line: signals and, after a turn, objects on both
    # sides; and messages from the poison queue back into the other.
    operator = [
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
    ]
    operator_queue = [
      "Microsoft.Storage/storageAccounts/queueServices/queues/messages/add/action",
      "Microsoft.Storage/storageAccounts/queueServices/queues/messages/delete",
      "Microsoft.Storage/storageAccounts/queueServices/queues/messages/process/action",
      "Microsoft.Storage/storageAccounts/queueServices/queues/messages/read",
    ]
  }
  actions = {
    queue          = ["Microsoft.Storage/storageAccounts/queueServices/queues/read"] # its length, to scale by
    operator_queue = ["Microsoft.Storage/storageAccounts/queueServices/queues/read"]
  }
}

locals {
  source_id    = "${data.azurerm_storage_account.source.id}/blobServices/default/containers/${var.container}"
  target_path  = startswith(var.target, "https://") ? join("/", slice(split("/", var.target), 4, length(split("/", var.target)))) : ""
  target_below = local.target_path == "" || endswith(local.target_path, "/") ? local.target_path : "${local.target_path}/"
  control      = var.direction == "reverse" && var.control == null # in the container that is followed
  control_path = "${var.prefix}.crossfade/${var.migration == null ? "" : var.migration}/"
  blobs        = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
  groups = {
    source = data.azurerm_resource_group.source.id
    target = var.target_container_id == null ? "" : regex("^/subscriptions/[^/]+/resourceGroups/[^/]+", var.target_container_id)
    here   = data.azurerm_resource_group.this.id
  }

  # Who gets which role on what, and for which keys.
  places = merge(
    { source = { group = local.groups.source, scope = local.source_id, below = var.prefix } },
    var.target_container_id == null ? {} : { target = { group = local.groups.target, scope = var.target_container_id, below = local.target_below } },
    local.control ? { control = { group = local.groups.source, scope = local.source_id, below = local.control_path } } : {},
  )
  grants = merge(
    { for end, at in local.places : "function_${end}" => merge(at, { role = "function_${end}", principal = azurerm_user_assigned_identity.function.principal_id, kind = "ServicePrincipal" }) },
    { for end, at in local.places : "backfill_${end}" => merge(at, { role = "backfill_${end}", principal = one(azurerm_user_assigned_identity.backfill[*].principal_id), kind = "ServicePrincipal" }) if var.backfill != null },
    merge([
      for end, at in local.places : {
        for id in var.operators : "operator_${end} ${id}" => merge(at, { role = "operator", principal = id, kind = null })
      } if end != "control"
    ]...),
    { for name in ["changes", "poison"] : "function_${name}" => {
      group     = local.groups.here, scope = local.queue_ids[name], below = "", role = "queue"
      principal = azurerm_user_assigned_identity.function.principal_id, kind = "ServicePrincipal"
    } },
    merge([
      for name in ["changes", "poison"] : {
        for id in var.operators : "operator_${name} ${id}" => {
          group = local.groups.here, scope = local.queue_ids[name], below = "", role = "operator_queue", principal = id, kind = null
        }
      }
    ]...),
  )
  queue_ids = { changes = azurerm_storage_queue.changes.id, poison = azurerm_storage_queue.poison.id }

  # A role is defined for a resource group, and given on a container or a queue.
  ends = {
    function_source = "source", function_target = "target", function_control = "source", backfill_source = "source", backfill_target = "target",
    operator_source = "source", operator_target = "target", queue = "here", operator_queue = "here",
  }
  roles = {
    for name, end in local.ends : name => {
      group = local.groups[end]
      list  = startswith(name, "operator_") && end != "here" ? "operator" : name
    } if contains(local.used, name)
  }
  used = concat(
    ["queue", "function_source"],
    var.target_container_id == null ? [] : ["function_target"],
    local.control ? ["function_control"] : [],
    var.backfill == null ? [] : concat(["backfill_source"], var.target_container_id == null ? [] : ["backfill_target"]),
    length(var.operators) == 0 ? [] : concat(["operator_queue", "operator_source"], var.target_container_id == null ? [] : ["operator_target"]),
  )
}

resource "azurerm_user_assigned_identity" "function" {
  name                = "${var.name}-function"
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags
}

resource "azurerm_user_assigned_identity" "backfill" {
  count = var.backfill == null ? 0 : 1

  name                = "${var.name}-backfill"
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags
}

resource "azurerm_role_definition" "this" {
  for_each = local.roles

  name        = "crossfade ${var.name} ${local.suffix}: ${replace(each.key, "_", " ")}"
  scope       = each.value.group
  description = "Just what crossfade uses of it."

  permissions {
    actions      = lookup(local.actions, each.value.list, [])
    data_actions = local.data_actions[each.value.list]
  }
}

# The condition leaves listings alone, which are of the container.
resource "azurerm_role_assignment" "this" {
  for_each = local.grants

  scope              = each.value.scope
  role_definition_id = azurerm_role_definition.this[each.value.role == "operator" ? split(" ", each.key)[0] : each.value.role].role_definition_resource_id
  principal_id       = each.value.principal
  principal_type     = each.value.kind
  condition_version  = each.value.below == "" ? null : "2.0"
  condition = each.value.below == "" ? null : join(" ", [
    "((!(ActionMatches{'${local.blobs}/read'} AND NOT SubOperationMatches{'Blob.List'})",
    "AND !(ActionMatches{'${local.blobs}/write'}) AND !(ActionMatches{'${local.blobs}/delete'}))",
    "OR (@Resource[${local.blobs}:path] StringStartsWith '${each.value.below}'))",
  ])
}

# The host keeps its locks in the module's own account, which has nothing else but
# the queues and what could not be delivered.
resource "azurerm_role_assignment" "host" {
  scope                = azurerm_storage_account.this.id
  role_definition_name = "Storage Blob Data Owner"
  principal_id         = azurerm_user_assigned_identity.function.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "package" {
  scope                = var.package_container_id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = azurerm_user_assigned_identity.function.principal_id
  principal_type       = "ServicePrincipal"
}

# A grant takes some minutes to hold, and the function looks at both stores when it
# starts. It starts again by itself; this saves the noise.
resource "time_sleep" "granted" {
  create_duration = "120s"

  triggers = {
    grants = sha256(jsonencode(concat(
      [for name in sort(keys(local.grants)) : azurerm_role_assignment.this[name].id],
      [azurerm_role_assignment.host.id, azurerm_role_assignment.package.id, azurerm_role_assignment.topic_queue.id, azurerm_role_assignment.topic_undelivered.id],
    )))
    identity = sha256(jsonencode(var.identity))
  }
}
