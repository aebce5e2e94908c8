package deploy_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions/telemetry/emf"
)

// awsCases are configurations of deploy/aws, each by what it adds to the least.
func awsCases() map[string]map[string]cty.Value {
	object := func(pairs ...any) cty.Value { return cty.ObjectVal(given(pairs...)) }
	nothing := cty.NullVal(cty.DynamicPseudoType)
	return map[string]map[string]cty.Value{
		"least":            {},
		"prefix":           given("prefix", "in/deep/"),
		"migration":        given("migration", "photos"),
		"elsewhere":        given("migration", "photos", "control", "s3://control/photos/"),
		"reverse":          given("migration", "photos", "direction", "reverse"),
		"eventbridge":      given("notifications", "eventbridge", "migration", "photos"),
		"eventbridge part": given("notifications", "eventbridge", "prefix", "in/"),
		"sns":              given("notifications", "sns", "notification_topic_arns", []string{"arn:xx:sns:topic"}),
		"to S3":            given("target", "s3://copies/of/photos?region=xx-test-2", "migration", "photos"),
		"to a prefix":      given("target", "gs://photos-new/of/old"),
		"to S3's root":     given("target", "s3://copies/"),
		"to a server": given("target", "s3://copies?endpoint=https://storage.googleapis.com&keys=GCS", "secret_arns",
			object("GCS_ACCESS_KEY_ID", "arn:aws:secretsmanager:xx:1:secret:id", "GCS_SECRET_ACCESS_KEY", "arn:aws:secretsmanager:xx:1:secret:key")),
		"package in S3": given("package_file", nothing, "package_s3", object("bucket", "packages", "key", "crossfade.zip")),
		"to GCS":        given("identity", object("gcp_audience", "projects/1/locations/global/workloadIdentityPools/p/providers/p")),
		"to Azure": given("target", "https://account.blob.core.windows.net/photos/of/old/", "identity",
			object("azure_tenant_id", "11111111-2222-3333-4444-555555555555", "azure_client_id", "11111111-2222-3333-4444-666666666666"),
			"kms_key_arns", []string{"arn:xx:kms:key"}, "metrics", "none"),
		"backfill": given("backfill", object("image", "1.dkr.ecr.xx-test-1.amazonaws.com/crossfade:v1", "subnet_ids", []string{"subnet-1"}, "schedule", "rate(1 day)"),
			"secret_arns", object("AZURE_STORAGE_CONNECTION_STRING", "arn:aws:secretsmanager:xx:1:secret:azure")),
		"backfill elsewhere": given("backfill", object("image", "ghcr.io/crossfade-io/crossfade:v1", "subnet_ids", []string{"subnet-1"}, "command", []string{"verify", "-f", "crossfade.yaml"}, "cluster_arn", "arn:xx:ecs:cluster")),
	}
}

// awsPlan is deploy/aws with the least that it needs, and with.
func awsPlan(t testing.TB, all modules, with map[string]cty.Value) *plan {
	t.Helper()
	vars := given("bucket", "photos", "target", "gs://photos-new", "package_file", "crossfade.zip")
	maps.Copy(vars, with)
	return evaluate(all["aws"], vars)
}

// Every configuration evaluates, and its function gets an environment that it
// starts with.
func TestAWS(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	for name, with := range awsCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := awsPlan(t, all, with)
			for _, problem := range p.problems {
				t.Error(problem)
			}
			for _, problem := range p.policies() {
				t.Error(problem)
			}
			fn, _, _ := p.function(t, "aws_lambda_function.changes")
			if fn.Source.Bucket() != "photos" || fn.Deletes != true || fn.Reverse != (name == "reverse") || fn.Timeout.Seconds() != 150 {
				t.Errorf("the function is configured as %+v", fn)
			}
			// The alarm on the lag looks at what the function writes.
			for dimension, want := range map[string]string{"source": fn.Source.ID(), "target": fn.Target.ID()} {
				if got := p.get(t, "local.metrics.dimensions."+dimension); got != want {
					t.Errorf("dimension %s of the metrics is %q, want %q", dimension, got, want)
				}
			}
			if got := p.get(t, "local.metrics.namespace"); got != emf.Namespace {
				t.Errorf("the namespace of the metrics is %q", got)
			}
		})
	}
}

// function is what a function makes of the environment that the resource gives it,
// and that environment.
func (p *plan) function(t testing.TB, resource string) (fn config.Function, lookup func(string) (string, bool), environ []string) {
	t.Helper()
	env := map[string]string{}
	for _, b := range p.module.resources[resource].Body.Blocks {
		if b.Type != "environment" {
			continue
		}
		v, ok := p.value(b.Body.Attributes["variables"].Expr, nil)
		if !ok || !v.IsWhollyKnown() {
			t.Fatal("the environment is not known")
		}
		for it := v.ElementIterator(); it.Next(); {
			name, value := it.Element()
			if value.IsNull() {
				t.Fatalf("%s is null", name.AsString())
			}
			env[name.AsString()] = value.AsString()
			environ = append(environ, name.AsString()+"="+value.AsString())
		}
	}
	lookup = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	fn, err := config.FromEnv(lookup, environ)
	if err != nil {
		t.Errorf("the function does not start: %v", err)
	}
	if _, err := config.IdentityFromEnv(lookup, config.AWS); err != nil {
		t.Errorf("the function does not start: %v", err)
	}
	return fn, lookup, environ
}

// What would not work is refused before anything is made, in words.
func TestAWSRefuses(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	object := func(pairs ...any) cty.Value { return cty.ObjectVal(given(pairs...)) }
	for _, c := range []struct {
		with map[string]cty.Value
		want string
	}{
		{given("name", "crossfade_1"), "A letter, then"},
		{given("bucket", "s3://photos"), "without s3://"},
		{given("bucket", "photos--euw1-az1--x-s3"), "general purpose bucket"},
		{given("prefix", "/in"), `ends in "/"`},
		{given("prefix", "in"), `ends in "/"`},
		{given("target", "photos-new"), "A store URL"},
		{given("target", "s3://photos"), "The target is the bucket"},
		{given("target", "s3://photos/copy"), "The target is the bucket"},
		{given("target", "s3://photos?region=xx-test-2"), "The target is the bucket"},
		{given("target", "gs://photos/ü"), "A store URL"},
		{given("target", "https://account.blob.core.windows.net"), "A store URL"},
		{given("prefix", "in put/"), `ends in "/"`},
		{given("migration", "Photos"), "of a-z, 0-9"},
		{given("direction", "reverse"), "set migration"},
		{given("direction", "back", "migration", "m"), "forward or reverse"},
		{given("control", "gs://elsewhere"), "set migration"},
		{given("control", "s3://photos", "migration", "m"), "may not lie in the migration's source"},
		{given("control", "s3://photos/.crossfade", "migration", "m"), "may not lie in the migration's source"},
		{given("foreign", "delete"), "keep, adopt or overwrite"},
		{given("notifications", "sqs"), "bucket, eventbridge or sns"},
		{given("notifications", "sns"), "Give topics"},
		{given("notification_topic_arns", []string{"arn"}), "Give topics"},
		{given("package_file", cty.NullVal(cty.String)), "package_file and package_s3"},
		{given("package_s3", object("bucket", "b", "key", "k")), "package_file and package_s3"},
		{given("architecture", "riscv"), "arm64 or x86_64"},
		{given("memory", 128), "256 to 10240"},
		{given("timeout", 901), "30 to 900"},
		{given("batch_size", 100), "1 to 10"},
		{given("maximum_concurrency", 1), "2 to 1000"},
		{given("reserved_concurrency", 10), "maximum_concurrency at least"},
		{given("max_receive_count", 1), "not poison"},
		{given("log_retention_days", 15), "CloudWatch Logs offers"},
		{given("identity", object("azure_tenant_id", "t")), "or neither"},
		{given("identity", object("gcp_service_account", "a")), "needs gcp_audience"},
		{given("secret_arns", object("AWS_SECRET_ACCESS_KEY", "arn:aws:secretsmanager:x")), "for its own role"},
		{given("secret_arns", object("KEY", "hunter2")), "ARNs of secrets"},
		{given("environment", object("CROSSFADE_SOURCE", "s3://other")), "begin with CROSSFADE_"},
		{given("backfill", object("image", "i", "subnet_ids", []string{"s"}, "schedule", "daily")), "rate(…)"},
		{given("backfill", object("image", "i", "subnet_ids", []string{"s"}), "direction", "reverse", "migration", "m"), "runs forward"},
		{given("backfill", object("image", "i", "subnet_ids", []string{"s"}), "control", "gs://elsewhere", "migration", "m"), "would not see that the application has moved"},
	} {
		problems := awsPlan(t, all, c.with).problems
		if !slices.ContainsFunc(problems, func(s string) bool { return strings.Contains(s, c.want) }) {
			t.Errorf("%v: %q, want %q", c.with, problems, c.want)
		}
	}
}

// Of a bucket's own notifications, the filter is the prefix.
func TestAWSNotification(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	for prefix, want := range map[string]string{"": "null", "in/": "in/"} {
		p := awsPlan(t, all, given("prefix", prefix))
		for _, b := range p.module.resources["aws_s3_bucket_notification.changes"].Body.Blocks {
			v, _ := p.value(b.Body.Attributes["filter_prefix"].Expr, nil)
			got := "null"
			if !v.IsNull() {
				got = v.AsString()
			}
			if got != want {
				t.Errorf("prefix %q: the filter is %s, want %s", prefix, got, want)
			}
		}
	}
	for _, how := range []string{"eventbridge", "sns"} {
		with := given("notifications", how)
		if how == "sns" {
			with["notification_topic_arns"] = cty.TupleVal([]cty.Value{cty.StringVal("arn:xx:sns:topic")})
		}
		if n := awsPlan(t, all, with).resources["aws_s3_bucket_notification.changes"].LengthInt(); n != 0 {
			t.Errorf("%s: the bucket's notification configuration is taken over", how)
		}
	}
}

// The queue hides a message long enough for Lambda, and gives it up in the end.
func TestAWSQueue(t *testing.T) {
	t.Parallel()
	p := awsPlan(t, loaded(t, os.DirFS(".")), given("timeout", 900, "max_receive_count", 70))
	v, _ := p.value(p.module.resources["aws_sqs_queue.events"].Body.Attributes["visibility_timeout_seconds"].Expr, nil)
	if seconds, _ := v.AsBigFloat().Int64(); seconds != 5400 || seconds > 43200 {
		t.Errorf("messages are hidden for %d seconds", seconds)
	}
	redrive := p.document(t, "aws_sqs_queue.events", "redrive_policy")
	if redrive["deadLetterTargetArn"] != "aws_sqs_queue.dead.arn" || redrive["maxReceiveCount"] != 70.0 {
		t.Errorf("%v", redrive)
	}
	mapping := p.module.resources["aws_lambda_event_source_mapping.queue"].Body.Attributes["function_response_types"]
	if v, _ := p.value(mapping.Expr, nil); v.AsValueSlice()[0].AsString() != "ReportBatchItemFailures" {
		t.Error("a batch would fail as a whole")
	}
}
