package deploy_test

import (
	"os"
	"path"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// samples are values for variables of examples that have no default.
var samples = given(
	"aws_region", "xx-test-1",
	"aws_token_issuer", "https://abc.tokens.sts.global.api.aws",
	"azure_location", "xxeurope",
	"azure_subscription_id", "00000000-0000-0000-0000-000000000000",
	"gcp_location", "xx-test1",
	"gcp_project", "project",
	"gcp_region", "xx-test1",
	"image", "registry.example/crossfade:v1",
	"package_container_id", "/subscriptions/s/resourceGroups/photos/providers/Microsoft.Storage/storageAccounts/p/blobServices/default/containers/p",
	"package_url", "https://p.blob.core.windows.net/p/crossfade.zip",
	"source_account", "photos",
	"source_bucket", "photos",
	"source_container", "photos",
	"source_resource_group", "photos",
	"target_account", "photosnew",
	"target_bucket", "photos-new",
	"target_container", "photos-new",
	"target_resource_group", "photos-new",
)

// exampleRights are the lists of rights on the target that examples have of their
// own, by what comes before the target's name, and the lists of the module of the
// target's cloud, which are compared with what is asked for there.
var exampleRights = map[string]map[string]string{
	"gcs-to-s3":    {"local.target_bucket": "local.actions.target_bucket", "local.target_objects": "local.actions.target_objects", "local.target_keys": "local.actions.encrypt"},
	"azure-to-s3":  {"local.target_bucket": "local.actions.target_bucket", "local.target_objects": "local.actions.target_objects", "local.target_keys": "local.actions.encrypt"},
	"s3-to-gcs":    {"local.target": "local.permissions.function_target"},
	"azure-to-gcs": {"local.target": "local.permissions.function_target"},
	"s3-to-azure":  {"local.target": "local.data_actions.function_target"},
	"gcs-to-azure": {"local.target": "local.data_actions.function_target"},
}

// An example grants on the target what the module of that cloud would.
func TestExamplesGrantWhatModulesDo(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	modules := map[string]*plan{
		"s3":    awsPlan(t, all, nil),
		"gcs":   gcpPlan(t, all, nil),
		"azure": azurePlan(t, all, nil),
	}
	examples := 0
	for dir, m := range all {
		if !m.isRoot() {
			continue
		}
		examples++
		name := path.Base(dir)
		_, cloud, _ := strings.Cut(name, "-to-")
		rights := exampleRights[name]
		if rights == nil {
			t.Errorf("%s: nobody looks at its rights", name)
		}
		vars := map[string]cty.Value{}
		for v, b := range m.variables {
			if b.Body.Attributes["default"] == nil {
				vars[v] = samples[v]
			}
		}
		p := evaluate(m, vars)
		for own, theirs := range rights {
			if got, want := p.get(t, own), modules[cloud].get(t, theirs); got != want {
				t.Errorf("%s: %s is %s, and the module has %s", name, own, got, want)
			}
		}
	}
	if examples != len(exampleRights) {
		t.Errorf("%d examples", examples)
	}
}

// Each example evaluates, with the modules that it calls, as far as that goes
// without a cloud: with its defaults, and with all that can be switched on.
func TestExamples(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	examples := 0
	for dir, m := range all {
		if !m.isRoot() {
			continue
		}
		examples++
		for name, more := range map[string]map[string]cty.Value{
			"least":   {},
			"reverse": given("migration", "photos", "direction", "reverse"),
			"more": given("migration", "photos", "source_prefix", "in/", "backfill_image", "registry.example/crossfade:v1",
				"backfill_subnet_ids", []string{"subnet-1", "subnet-2"}, "notifications", "eventbridge", "abandoned_upload_days", 7),
		} {
			t.Run(dir+"/"+name, func(t *testing.T) {
				t.Parallel()
				vars := map[string]cty.Value{}
				for v, b := range m.variables {
					value, ok := more[v]
					if !ok && b.Body.Attributes["default"] == nil {
						if value, ok = samples[v]; !ok {
							t.Errorf("there is no sample for variable %s: add one", v)
						}
					}
					if ok {
						vars[v] = value
					}
				}
				p := evaluate(m, vars)
				for _, problem := range append(p.problems, p.policies()...) {
					t.Error(problem)
				}
			})
		}
	}
	if examples == 0 {
		t.Error("no example was found")
	}
}
