resource "azurerm_log_analytics_workspace" "this" {
  name                = var.name
  resource_group_name = var.resource_group
  location            = var.location
  sku                 = "PerGB2018"
  retention_in_days   = var.log_retention_days
  tags                = var.tags
}

resource "azurerm_application_insights" "this" {
  name                = var.name
  resource_group_name = var.resource_group
  location            = var.location
  application_type    = "other"
  workspace_id        = azurerm_log_analytics_workspace.this.id
  retention_in_days   = var.log_retention_days
  tags                = var.tags
}

# The function logs one line an event (see docs/observability.md), which the host
# passes on as a trace.
locals {
  lines = "traces | extend line = parse_json(message) | where isnotempty(line.verdict)"
  queries = {
    lag = {
      severity    = 2
      description = "Changes reach the target late, by the time of their events. More arrives than max_instances times instance_concurrency can do, the target throttles, or large objects are under way; after an outage it is the backlog that is worked off."
      query       = "${local.lines} | where isnotempty(line.lag_ms) | summarize late = percentile(tolong(line.lag_ms), 95) | where late > ${var.alerts.lag_seconds * 1000}"
    }
    failures = {
      severity    = 2
      description = "Invocations fail and come again: the log has a line for each, with the reason. Denied or unavailable: the target, or the way to sign in to it. Throttled: lower max_instances or instance_concurrency."
      query       = "requests | summarize failed = countif(success == false), total = count() | where total > 0 and failed > ${var.alerts.failed_share} * total"
    }
    poison = {
      severity    = 1
      description = "Objects were not copied, however often that was tried. The log says why. Mend that, then run a backfill, or move the messages of the poison queue back; either finds the rest done."
      query       = "traces | where message startswith \"Message has reached MaxDequeueCount\""
    }
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "this" {
  for_each = local.queries

  name                    = "${var.name}-${each.key}"
  resource_group_name     = var.resource_group
  location                = var.location
  description             = each.value.description
  severity                = each.value.severity
  scopes                  = [azurerm_application_insights.this.id]
  evaluation_frequency    = "PT5M"
  window_duration         = "PT15M"
  auto_mitigation_enabled = true
  skip_query_validation   = true # the tables are there when the first line is
  tags                    = var.tags

  criteria {
    query                   = each.value.query
    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = 0
  }

  action {
    action_groups = var.action_group_ids
  }
}

# Azure counts messages once an hour, both queues together: this is for what stands
# still altogether.
resource "azurerm_monitor_metric_alert" "backlog" {
  name                = "${var.name}-backlog"
  resource_group_name = var.resource_group
  description         = "More than ${var.alerts.backlog} messages wait. Does the function run, and does its log show errors?"
  scopes              = ["${azurerm_storage_account.this.id}/queueServices/default"]
  severity            = 1
  frequency           = "PT15M"
  window_size         = "PT1H"
  tags                = var.tags

  criteria {
    metric_namespace = "Microsoft.Storage/storageAccounts/queueServices"
    metric_name      = "QueueMessageCount"
    aggregation      = "Average"
    operator         = "GreaterThan"
    threshold        = var.alerts.backlog
  }

  dynamic "action" {
    for_each = var.action_group_ids
    content {
      action_group_id = action.value
    }
  }
}

# Of a topic that was there before, others look after what it could not deliver.
resource "azurerm_monitor_metric_alert" "undelivered" {
  count = var.system_topic == null ? 1 : 0

  name                = "${var.name}-undelivered"
  resource_group_name = var.resource_group
  description         = "Event Grid gave up events, and put them into the container undelivered: it could not write to the queue for a day. Run a backfill."
  scopes              = azurerm_eventgrid_system_topic.source[*].id
  severity            = 1
  frequency           = "PT5M"
  window_size         = "PT15M"
  tags                = var.tags

  criteria {
    metric_namespace = "Microsoft.EventGrid/systemTopics"
    metric_name      = "DeadLetteredCount"
    aggregation      = "Total"
    operator         = "GreaterThan"
    threshold        = 0
  }

  dynamic "action" {
    for_each = var.action_group_ids
    content {
      action_group_id = action.value
    }
  }
}
