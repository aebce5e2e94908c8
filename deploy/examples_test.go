package deploy_test

import (
	"os"
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
			"least": {},
			"more": given("migration", "photos", "source_prefix", "in/", "backfill_image", "registry.example/crossfade:v1",
				"backfill_subnet_ids", []string{"subnet-1", "subnet-2"}, "notifications", "eventbridge"),
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
