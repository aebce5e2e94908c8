package deploy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions/eventgrid"
	"github.com/crossfade-io/crossfade/replicate/control"
)

const copiesID = "/subscriptions/s/resourceGroups/other/providers/Microsoft.Storage/storageAccounts/copies/blobServices/default/containers/copies"

// azureCases are configurations of deploy/azure, each by what it adds to the least.
func azureCases() map[string]map[string]cty.Value {
	object := func(pairs ...any) cty.Value { return cty.ObjectVal(given(pairs...)) }
	return map[string]map[string]cty.Value{
		"least":     {},
		"prefix":    given("prefix", "in/deep/", "tags", object("team", "shop")),
		"migration": given("migration", "photos", "operators", []string{"id-1", "id-2"}),
		"elsewhere": given("migration", "photos", "control", "gs://control/photos"),
		"reverse":   given("migration", "photos", "direction", "reverse", "target", "gs://copies"),
		"role":      given("identity", object("audience", "api://crossfade", "aws_role_arn", "arn:aws:iam::123456789012:role/crossfade")),
		"to GCS": given("target", "gs://copies/of", "identity", object("audience", "api://crossfade", "gcp_audience",
			"projects/1/locations/global/workloadIdentityPools/pool/providers/azure")),
		"to Azure": given("target", "https://copies.blob.core.windows.net/copies/of", "target_container_id", copiesID,
			"operators", []string{"id-1"}, "backfill", object("image", "crossfade")),
		"keys":    given("private_environment", object("AWS_ACCESS_KEY_ID", "https://v.vault.azure.net/secrets/id"), "backfill", object("image", "crossfade")),
		"premium": given("sku", "EP1", "timeout_minutes", 60, "retry_seconds", 150, "max_instances", 20),
		"topic":   given("system_topic", object("name", "topic", "resource_group", "rg", "principal_id", "id")),
		"alerts":  given("alerts", object("lag_seconds", 30), "action_group_ids", []string{"group-1"}),
		"backfill": given("migration", "photos", "control", "gs://control", "backfill",
			object("image", "crossfade", "registry", "shop.azurecr.io", "file", "name: photos\n", "schedule", "0 3 * * *", "args", []string{"--delete"})),
	}
}

// azurePlan is deploy/azure with the least that it needs, and with.
func azurePlan(t testing.TB, all modules, with map[string]cty.Value) *plan {
	t.Helper()
	vars := given("resource_group", "shop", "location", "xxnorth", "account", "photos", "account_resource_group", "data", "container", "photos",
		"target", "s3://copies?region=xx", "package_url", "https://p.blob.core.windows.net/p/crossfade.zip", "package_container_id", "/p")
	maps.Copy(vars, with)
	return evaluate(all["azure"], vars)
}

// Every configuration evaluates, and its function and its backfill get an
// environment that they start with.
func TestAzure(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	for name, with := range azureCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := azurePlan(t, all, with)
			for _, problem := range p.problems {
				t.Error(problem)
			}
			fn, _ := p.cloudRun(t, "local.environment", config.Azure)
			if fn.Source.Bucket() != "photos" || fn.Source.Scheme != "az" || !fn.Deletes || fn.Reverse != (p.get(t, "var.direction") == "reverse") {
				t.Errorf("the function is configured as %+v", fn)
			}
			job := map[string]string{}
			if err := json.Unmarshal([]byte(p.get(t, "local.backfill_environment")), &job); err != nil {
				t.Fatal(err)
			}
			id, err := config.IdentityFromEnv(func(name string) (string, bool) { v, ok := job[name]; return v, ok }, "")
			if err != nil || id.Cloud != config.Azure {
				t.Errorf("the backfill is %+v, %v", id, err)
			}
			// Each grant is of a role that is made, on something.
			roles, grants := map[string]any{}, map[string]struct{ Role, Scope string }{}
			if err := json.Unmarshal([]byte(p.get(t, "local.roles")), &roles); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(p.get(t, "local.grants")), &grants); err != nil {
				t.Fatal(err)
			}
			used := map[string]bool{}
			for key, g := range grants {
				role := g.Role
				if role == "operator" {
					role, _, _ = strings.Cut(key, " ")
				}
				if used[role] = true; roles[role] == nil || g.Scope == "" {
					t.Errorf("%s: there is no role %s for %q", key, role, g.Scope)
				}
			}
			for role := range roles {
				if !used[role] {
					t.Errorf("the role %s is made and given to nobody", role)
				}
			}
		})
	}
}

// What would not work is refused before anything is made, in words.
func TestAzureRefuses(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	object := func(pairs ...any) cty.Value { return cty.ObjectVal(given(pairs...)) }
	for _, c := range []struct {
		with map[string]cty.Value
		want string
	}{
		{given("location", "West Europe"), "by its short name"},
		{given("name", "a-name-that-is-too-long"), "2 to 16 characters"},
		{given("account", "https://photos"), "not its URL"},
		{given("container", "az://photos"), "without az://"},
		{given("prefix", "in"), `ends in "/"`},
		{given("target", "az://copies"), "A store URL"},
		{given("target", "https://photos.blob.core.windows.net/photos/copies", "target_container_id", copiesID), "hold the same objects"},
		{given("target", "https://copies.blob.core.windows.net/copies"), "needs target_container_id"},
		{given("target_container_id", copiesID), "another must not have one"},
		{given("direction", "reverse"), "set migration"},
		{given("control", "gs://elsewhere"), "set migration"},
		{given("package_url", "https://p.blob.core.windows.net/p/c.zip?sig=s"), "would be a secret"},
		{given("sku", "B1"), "Y1, EP1"},
		{given("timeout_minutes", 11), "from 1 to 10"},
		{given("instance_concurrency", 33), "from 1 to 32"},
		{given("retry_seconds", 30), "60 to 3540"},
		{given("environment", object("CROSSFADE_SOURCE", "az://other")), "have variables of this module"},
		{given("backfill", object("image", "i"), "direction", "reverse", "migration", "m"), "carries changes forward"},
		{given("backfill", object("image", "i"), "migration", "m", "control", "s3://control"), "needs file"},
		{given("alerts", object("failed_share", 10)), "between 0 and 1"},
	} {
		problems := azurePlan(t, all, c.with).problems
		if !slices.ContainsFunc(problems, func(s string) bool { return strings.Contains(s, c.want) }) {
			t.Errorf("%v: found %q, want %q", c.with, problems, c.want)
		}
	}
}

// What the host reads of host.json is what it is told by settings where those are
// not changed, for the function knows the settings only; and its one trigger is
// of a form that the function takes.
func TestAzureHost(t *testing.T) {
	t.Parallel()
	read := func(name string) (doc map[string]any) {
		raw, err := os.ReadFile("azure/function/" + name)
		if err == nil {
			err = json.Unmarshal(raw, &doc)
		}
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	host := read("host.json")
	p := azurePlan(t, loaded(t, os.DirFS(".")), nil)
	settings := map[string]string{}
	if err := json.Unmarshal([]byte(p.get(t, "local.host")), &settings); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for name, value := range settings {
		path, ok := strings.CutPrefix(name, "AzureFunctionsJobHost__")
		if !ok {
			continue
		}
		compared++
		var at any = host
		for step := range strings.SplitSeq(path, "__") {
			m, _ := at.(map[string]any)
			at = m[step]
		}
		if fmt.Sprint(at) != value {
			t.Errorf("host.json has %v for %s, and the setting is %s", at, path, value)
		}
	}
	if compared != 5 {
		t.Errorf("%d settings are the host's", compared)
	}
	exe, _ := host["customHandler"].(map[string]any)["description"].(map[string]any)["defaultExecutablePath"].(string)
	if _, err := os.Stat("../cmd/" + exe); exe == "" || err != nil {
		t.Errorf("the host starts %q, which is no program: %v", exe, err)
	}
	bindings, _ := read("changes/function.json")["bindings"].([]any)
	if len(bindings) != 1 {
		t.Fatalf("the function has %d bindings: its trigger has to be the only one", len(bindings))
	}
	b, _ := bindings[0].(map[string]any)
	if b["type"] != "queueTrigger" || b["direction"] != "in" || b["name"] == "req" {
		t.Errorf("the binding is %v", b)
	}
	for _, setting := range []string{strings.Trim(fmt.Sprint(b["queueName"]), "%"), fmt.Sprint(b["connection"]) + "__queueServiceUri"} {
		if settings[setting] == "" {
			t.Errorf("the trigger refers to the setting %s, which there is not", setting)
		}
	}
}

// Changes of the container come, and of crossfade's own documents there the signals
// of the migration alone, each event once.
func TestAzureEvents(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	for _, c := range []struct {
		name, key string
		want      int
	}{
		{"least", "photo.jpg", 1},
		{"least", ".crossfader", 1},
		{"least", control.StateKey("photos"), 0},
		{"least", control.SignalKey("photos", "c"), 0},
		{"migration", "photo.jpg", 1},
		{"migration", control.SignalKey("photos", "c"), 1},
		{"migration", control.SignalKey("other", "c"), 0},
		{"reverse", control.StateKey("photos"), 0},
		{"reverse", control.Prefix("photos") + "journal/x", 0},
		{"reverse", control.SignalKey("photos", "c"), 1},
		{"prefix", "in/deep/a", 1},
		{"prefix", "in/shallow", 0},
		{"prefix", "in/deep/" + control.StateKey("photos"), 0},
	} {
		p := azurePlan(t, all, azureCases()[c.name])
		subscriptions := map[string]struct {
			Begins string
			Except []string
		}{}
		if err := json.Unmarshal([]byte(p.get(t, "local.subscriptions")), &subscriptions); err != nil {
			t.Fatal(err)
		}
		for container, want := range map[string]int{"photos": c.want, "photos-old": 0} {
			subject, got := "/blobServices/default/containers/"+container+"/blobs/"+c.key, 0
			for _, s := range subscriptions {
				if strings.HasPrefix(subject, s.Begins) && !slices.ContainsFunc(s.Except, func(e string) bool { return strings.HasPrefix(subject, e) }) {
					got++
				}
			}
			if got != want {
				t.Errorf("%s: %s comes %d times, want %d", c.name, subject, got, want)
			}
		}
	}
	// The types that are asked for are those that the function does not pass over.
	asked := azurePlan(t, all, nil).list(t, "local.event_types")
	known := []string{
		"BlobCreated", "BlobDeleted", "BlobRenamed", "BlobTierChanged", "DirectoryCreated", "DirectoryDeleted", "DirectoryRenamed",
		"AsyncOperationInitiated", "BlobInventoryPolicyCompleted", "LifecyclePolicyCompleted",
	}
	found := 0
	for _, name := range known {
		events, err := eventgrid.Decode(fmt.Appendf(nil,
			`[{"id":"1","topic":"/storageAccounts/photos","subject":"/blobServices/default/containers/photos/blobs/k","eventType":"Microsoft.Storage.%s","data":{}}]`, name))
		if err != nil {
			t.Fatal(err)
		}
		told := slices.Contains(asked, "Microsoft.Storage."+name)
		if told {
			found++
		}
		if acted := events[0].Ignored == ""; acted != told {
			t.Errorf("%s: the function acts upon it: %t; deploy/azure asks for it: %t", name, acted, told)
		}
	}
	if found != len(asked) {
		t.Errorf("of %q some are no events of Blob Storage", asked)
	}
}

// The alerts look at fields that the function logs.
func TestAzureAlerts(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("azure/alerts.tf")
	if err != nil {
		t.Fatal(err)
	}
	logged, fields := loggedEvent(t), 0
	for word := range strings.FieldsFuncSeq(string(raw), func(r rune) bool { return r == ' ' || r == '(' || r == ')' || r == ',' || r == '"' }) {
		if field, ok := strings.CutPrefix(word, "line."); ok {
			fields++
			if _, ok := logged[field]; !ok {
				t.Errorf("%s is asked for, and no field of %v", field, logged)
			}
		}
	}
	if fields < 3 {
		t.Errorf("only %d fields are asked for", fields)
	}
	p := azurePlan(t, loaded(t, os.DirFS(".")), azureCases()["alerts"])
	expressions(p.module.resources["azurerm_monitor_metric_alert.backlog"].Body, nil, func(at []string, a *hclsyntax.Attribute) {
		if v, ok := p.value(a.Expr, nil); at[len(at)-1] == "threshold" && (!ok || v.AsBigFloat().Sign() <= 0) {
			t.Errorf("the threshold is %#v", v)
		}
	})
}
