package deploy_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate/control"
)

// gcpCases are configurations of deploy/gcp, each by what it adds to the least.
func gcpCases() map[string]map[string]cty.Value {
	object := func(pairs ...any) cty.Value { return cty.ObjectVal(given(pairs...)) }
	nothing := cty.NullVal(cty.DynamicPseudoType)
	secret := object("id", "hmac-key", "version", "3")
	return map[string]map[string]cty.Value{
		"least":       {},
		"prefix":      given("prefix", "in/deep/", "labels", object("team", "shop")),
		"migration":   given("migration", "photos", "operators", []string{"group:ops@example.com", "user:eve@example.com"}),
		"elsewhere":   given("migration", "photos", "control", "gs://control/photos", "operators", []string{"group:ops@example.com"}),
		"reverse":     given("migration", "photos", "direction", "reverse"),
		"long prefix": given("migration", "photos", "direction", "reverse", "prefix", strings.Repeat("in/", 80)),
		"eventarc":    given("events", "eventarc", "operators", []string{"group:ops@example.com"}),
		"to GCS":      given("target", "gs://copies/of/photos", "migration", "photos"),
		"role":        given("aws_role_arn", "arn:aws:iam::123456789012:role/crossfade", "identity_audience", "crossfade"),
		"keys":        given("private_environment", object("AWS_ACCESS_KEY_ID", secret, "AWS_SECRET_ACCESS_KEY", object("id", "hmac"))),
		"to Azure": given("target", "https://account.blob.core.windows.net/photos", "metrics", "otlp", "environment",
			object("AZURE_TENANT_ID", "t", "AZURE_CLIENT_ID", "c", "OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel.example")),
		"from source": given("image", nothing, "source_archive", object("path", "crossfade.zip", "runtime", "go126"), "private_environment", object("A", secret)),
		"alerts":      given("alerts", object("lag_seconds", 30, "silence_hours", 6), "notification_channels", []string{"projects/p/notificationChannels/1"}),
		"backfill": given("backfill", object("image", "crossfade", "schedule", "0 3 * * *"), "private_environment", object("AWS_ACCESS_KEY_ID", secret),
			"migration", "photos"),
		"backfill by file": given("backfill", object("image", "crossfade", "file_id", "crossfade-yaml", "args", []string{"--delete"}),
			"migration", "photos", "control", "gs://control"),
	}
}

// gcpPlan is deploy/gcp with the least that it needs, and with.
func gcpPlan(t testing.TB, all modules, with map[string]cty.Value) *plan {
	t.Helper()
	vars := given("project", "shop-prod", "region", "xx-test1", "bucket", "photos", "target", "s3://copies?region=xx", "image", "crossfade-gcs")
	maps.Copy(vars, with)
	return evaluate(all["gcp"], vars)
}

// Every configuration evaluates, and its function gets an environment that it
// starts with.
func TestGCP(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	for name, with := range gcpCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := gcpPlan(t, all, with)
			for _, problem := range p.problems {
				t.Error(problem)
			}
			fn, lookup := p.cloudRun(t, "local.environment", config.Google)
			if fn.Source.Bucket() != "photos" || !fn.Deletes || fn.Reverse != (p.get(t, "var.direction") == "reverse") || fn.Timeout.Seconds() != 540 {
				t.Errorf("the function is configured as %+v", fn)
			}
			if control, ok := lookup("CROSSFADE_CONTROL"); (control != "") != (with["control"] != cty.NilVal) || !ok && with["control"] != cty.NilVal {
				t.Errorf("CROSSFADE_CONTROL is %q", control)
			}
		})
	}
}

// Several tasks of the backfill share the keys; one has them all.
func TestGCPBackfillTasks(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	for tasks, shard := range map[int]bool{1: false, 4: true} {
		p := gcpPlan(t, all, given("backfill", cty.ObjectVal(given("image", "i", "tasks", tasks))))
		for _, problem := range p.problems {
			t.Error(problem)
		}
		counts := 0
		expressions(p.module.resources["google_cloud_run_v2_job.backfill"].Body, nil, func(at []string, a *hclsyntax.Attribute) {
			if name := at[len(at)-1]; name == "task_count" || name == "parallelism" {
				counts++
				if v, ok := p.value(a.Expr, nil); !ok || !v.Equals(cty.NumberIntVal(int64(tasks))).True() {
					t.Errorf("%s of %d tasks is %v", name, tasks, v)
				}
			}
		})
		args := strings.Join(p.job(t).args, " ")
		if counts != 2 || strings.HasSuffix(args, " --shard auto") != shard {
			t.Errorf("%d tasks: %s", tasks, args)
		}
	}
}

// cloudRun is what a function makes of an environment, and that environment.
func (p *plan) cloudRun(t testing.TB, expr, platform string) (config.Function, func(string) (string, bool)) {
	t.Helper()
	env := map[string]string{}
	if err := json.Unmarshal([]byte(p.get(t, expr)), &env); err != nil {
		t.Fatal(err)
	}
	var environ []string
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	fn, err := config.FromEnv(lookup, environ)
	if err != nil {
		t.Errorf("the function does not start: %v", err)
	}
	if _, err := config.IdentityFromEnv(lookup, platform); err != nil {
		t.Errorf("the function does not start: %v", err)
	}
	return fn, lookup
}

// What would not work is refused before anything is made, in words.
func TestGCPRefuses(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	object := func(pairs ...any) cty.Value { return cty.ObjectVal(given(pairs...)) }
	for _, c := range []struct {
		with map[string]cty.Value
		want string
	}{
		{given("project", "123456789"), "the ID of a project"},
		{given("backfill", object("image", "i", "tasks", 0)), "from 1 to 100"},
		{given("backfill", object("image", "i", "tasks", cty.NumberFloatVal(1.5))), "from 1 to 100"},
		{given("region", "europe"), "not a zone or a multi-region"},
		{given("name", "a-name-that-is-too-long"), "2 to 18 characters"},
		{given("bucket", "gs://photos"), "without gs://"},
		{given("prefix", "/in/"), `ends in "/"`},
		{given("prefix", "in"), `ends in "/"`},
		{given("prefix", "in%20/"), "not supported here"},
		{given("target", "copies"), "A store URL"},
		{given("target", "https://example.com/copies"), "A store URL"},
		{given("target", "gs://copies?a=b"), "of Cloud Storage has no ?"},
		{given("target", "gs://photos/copies"), "hold the same objects"},
		{given("target", "gs://photos"), "hold the same objects"},
		{given("target", "gs://photos/in", "prefix", "in/deep/"), "hold the same objects"},
		{given("migration", "Photos"), "of a-z, 0-9"},
		{given("direction", "reverse"), "set migration"},
		{given("direction", "back", "migration", "m"), "forward or reverse"},
		{given("control", "gs://elsewhere"), "set migration"},
		{given("control", "elsewhere", "migration", "m"), "A store URL"},
		{given("control", "gs://photos", "migration", "m"), "may not lie in the migration's source"},
		{given("control", "gs://photos/x", "migration", "m"), "may not lie in the migration's source"},
		{given("control", "gs://photos/in", "prefix", "in/", "migration", "m"), "may not lie in the migration's source"},
		{given("control", "s3://copies/x?region=y", "migration", "m", "direction", "reverse"), "may not lie in the migration's source"},
		{given("foreign", "delete"), "keep, adopt or overwrite"},
		{given("image", cty.NullVal(cty.String)), "image and source_archive"},
		{given("source_archive", object("path", "p", "runtime", "r")), "image and source_archive"},
		{given("environment", object("CROSSFADE_SOURCE", "gs://other")), "begin with CROSSFADE_"},
		{given("private_environment", object("CROSSFADE_TARGET", object("id", "s"))), "begin with CROSSFADE_"},
		{given("cpu", 3), "1, 2, 4 or 8"},
		{given("memory", "1GB"), "such as 512Mi"},
		{given("timeout", 600), "10 to 540"},
		{given("request_concurrency", 0), "from 1 to 1000"},
		{given("min_instances", 30), "not less than min_instances"},
		{given("log_level", "trace"), "debug, info, warn or error"},
		{given("metrics", "emf"), "none or otlp"},
		{given("events", "sqs"), "pubsub or eventarc"},
		{given("max_delivery_attempts", 4), "5 to 100"},
		{given("retention_days", 32), "1 to 31"},
		{given("operators", []string{"eve@example.com"}), "members of IAM"},
		{given("alerts", object("silence_hours", 24)), "0 to 23"},
		{given("alerts", object("failed_share", 10)), "between 0 and 1"},
		{given("backfill", object("image", "i"), "direction", "reverse", "migration", "m"), "carries changes forward"},
		{given("backfill", object("image", "i", "timeout_hours", 200)), "1 to 168"},
		{given("backfill", object("image", "i"), "migration", "m", "control", "s3://control"), "needs file_id"},
	} {
		problems := gcpPlan(t, all, c.with).problems
		if !slices.ContainsFunc(problems, func(s string) bool { return strings.Contains(s, c.want) }) {
			t.Errorf("%v: found %q, want %q", c.with, problems, c.want)
		}
	}
}

// In reverse the bucket that is followed has the control documents: of those the
// function gets the signals only. Forward it has none but signals.
func TestGCPFilter(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	clause := regexp.MustCompile(`^(NOT )?hasPrefix\(attributes\.objectId, "([^"]*)"\)$`)
	for _, c := range []struct {
		name string
		kept map[string]bool // by key; nil for no filter
	}{
		{"migration", nil},
		{"long prefix", nil}, // it would be longer than Pub/Sub takes
		{"reverse", map[string]bool{
			"photo.jpg": true, ".crossfader": true, control.SignalKey("photos", "canary-1"): true,
			control.StateKey("photos"): false, control.Prefix("photos") + "journal/x": false, control.SignalKey("other", "canary-1"): false,
		}},
	} {
		p := gcpPlan(t, all, gcpCases()[c.name])
		filter, _ := p.value(p.module.resources["google_pubsub_subscription.events"].Body.Attributes["filter"].Expr, nil)
		if (c.kept == nil) != filter.IsNull() {
			t.Errorf("%s: the filter is %#v", c.name, filter)
		}
		for key, want := range c.kept {
			kept := false
			for term := range strings.SplitSeq(filter.AsString(), " OR ") {
				m := clause.FindStringSubmatch(term)
				if m == nil {
					t.Fatalf("%s: %s is no clause", c.name, term)
				}
				kept = kept || strings.HasPrefix(key, m[2]) != (m[1] != "")
			}
			if kept != want {
				t.Errorf("%s: of %s the function gets %t by %s", c.name, key, kept, filter.AsString())
			}
		}
	}
}

// The metrics count what the function logs.
func TestGCPMetricsAreLogged(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("gcp/metrics.tf")
	if err != nil {
		t.Fatal(err)
	}
	logged := loggedEvent(t)
	fields := regexp.MustCompile(`jsonPayload\.(\w+)`).FindAllStringSubmatch(string(raw), -1)
	if len(fields) < 4 {
		t.Fatalf("only %q are counted", fields)
	}
	for _, f := range fields {
		if _, ok := logged[f[1]]; !ok {
			t.Errorf("%s is counted, and no field of %v", f[1], logged)
		}
	}
	if logged["verdict"] != functions.Ack.String() {
		t.Errorf("the verdict is %v", logged["verdict"])
	}
}

// The dashboard is one that Cloud Monitoring can draw: tiles on a grid of twelve
// columns that do not overlap, each with queries whose brackets close.
func TestGCPDashboard(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	for _, name := range []string{"least", "eventarc", "prefix"} {
		p := gcpPlan(t, all, gcpCases()[name])
		v, _ := p.value(p.module.resources["google_monitoring_dashboard.this"].Body.Attributes["dashboard_json"].Expr, nil)
		if !v.IsKnown() {
			t.Fatalf("%s: the dashboard is not known: %q", name, p.problems)
		}
		var d struct {
			DisplayName  string
			MosaicLayout struct {
				Columns int
				Tiles   []struct {
					XPos, YPos, Width, Height int
					Widget                    struct {
						Title   string
						XYChart struct {
							DataSets []struct {
								TimeSeriesQuery struct{ PrometheusQuery string }
							}
						}
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(v.AsString()), &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		seen := map[[2]int]string{}
		for _, tile := range d.MosaicLayout.Tiles {
			for x := range tile.Width {
				for y := range tile.Height {
					at := [2]int{tile.XPos + x, tile.YPos + y}
					if seen[at] != "" || at[0] >= d.MosaicLayout.Columns {
						t.Errorf("%s: %q and %q are both at %v", name, tile.Widget.Title, seen[at], at)
					}
					seen[at] = tile.Widget.Title
				}
			}
			if len(tile.Widget.XYChart.DataSets) == 0 {
				t.Errorf("%s: %q shows nothing", name, tile.Widget.Title)
			}
			for _, set := range tile.Widget.XYChart.DataSets {
				checkPromQL(t, set.TimeSeriesQuery.PrometheusQuery)
			}
		}
		if len(seen) == 0 || d.DisplayName == "" {
			t.Errorf("%s: the dashboard is %+v", name, d)
		}
	}
}

// So are the queries of the alerts.
func TestGCPAlerts(t *testing.T) {
	t.Parallel()
	p := gcpPlan(t, loaded(t, os.DirFS(".")), gcpCases()["backfill"])
	queries := 0
	for name, b := range p.module.resources {
		if !strings.HasPrefix(name, "google_monitoring_alert_policy.") {
			continue
		}
		expressions(b.Body, nil, func(at []string, a *hclsyntax.Attribute) {
			if at[len(at)-1] == "query" {
				v, _ := p.value(a.Expr, nil)
				checkPromQL(t, v.AsString())
				queries++
			}
		})
	}
	if queries != 3 {
		t.Errorf("%d alerts are in PromQL", queries)
	}
}

func checkPromQL(t testing.TB, query string) {
	t.Helper()
	opener := map[rune]rune{')': '(', ']': '[', '}': '{'}
	var open []rune
	quoted := false
	for _, r := range query {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case r == '(', r == '[', r == '{':
			open = append(open, r)
		case opener[r] != 0:
			if len(open) == 0 || open[len(open)-1] != opener[r] {
				t.Errorf("%s: a %c that was not opened", query, r)
				return
			}
			open = open[:len(open)-1]
		}
	}
	// A name has one colon, behind the service's: "PromQL for Cloud Monitoring".
	if len(open) > 0 || quoted || !seriesPattern.MatchString(query) {
		t.Errorf("%q is no query", query)
	}
}

var seriesPattern = regexp.MustCompile(`\b(run|pubsub|logging)_googleapis_com:[a-z_.]+\{monitored_resource="`)
