package deploy_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/telemetry/emf"
)

// The alarm on the lag and the dashboard name a metric that the function writes,
// under the namespace and the dimensions that it writes.
func TestAWSMetrics(t *testing.T) {
	t.Parallel()
	p := awsPlan(t, loaded(t, os.DirFS(".")), nil)
	var out bytes.Buffer
	o := emf.New(emf.Options{Out: &out, Now: time.Now, Source: "s3://photos/", Target: "gs://photos-new/"})
	ctx, end := o.Invocation(t.Context(), 1)
	o.Event(ctx, functions.Observed{Lag: time.Second, Timed: true})
	end()
	var doc struct {
		AWS struct {
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name string }
			}
		} `json:"_aws"`
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil || len(doc.AWS.CloudWatchMetrics) != 1 {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	written := doc.AWS.CloudWatchMetrics[0]
	var dimensions map[string]string
	if err := json.Unmarshal([]byte(p.get(t, "local.metrics.dimensions")), &dimensions); err != nil {
		t.Fatal(err)
	}
	names := sorted(dimensions)
	if len(written.Dimensions) != 1 || !slices.Equal(slices.Sorted(slices.Values(written.Dimensions[0])), names) {
		t.Errorf("the dimensions are %q, the function writes %q", names, written.Dimensions)
	}
	if lag := p.get(t, "local.metrics.lag"); !slices.ContainsFunc(written.Metrics, func(m struct{ Name string }) bool { return m.Name == lag }) {
		t.Errorf("the function writes no metric %s: %+v", lag, written.Metrics)
	}
	if written.Namespace != p.get(t, "local.metrics.namespace") {
		t.Errorf("the function writes to namespace %s", written.Namespace)
	}
}

// The dashboard is such as CloudWatch takes: each row of a widget is a namespace,
// a metric, pairs of dimensions and options, and widgets do not overlap.
func TestAWSDashboard(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	for metrics, widgets := range map[string]int{"emf": 6, "none": 5} {
		p := awsPlan(t, all, given("metrics", metrics))
		list, _ := p.document(t, "aws_cloudwatch_dashboard.this", "dashboard_body")["widgets"].([]any)
		if len(list) != widgets {
			t.Errorf("%s: %d widgets, want %d", metrics, len(list), widgets)
		}
		places := map[[2]float64]bool{}
		for _, w := range list {
			w := w.(map[string]any)
			at := [2]float64{w["x"].(float64), w["y"].(float64)}
			if places[at] || at[0]+w["width"].(float64) > 24 {
				t.Errorf("a widget at %v", at)
			}
			places[at] = true
			properties := w["properties"].(map[string]any)
			rows, _ := properties["metrics"].([]any)
			if len(rows) == 0 || properties["title"] == "" || properties["region"] != "xx-test-1" {
				t.Errorf("%v", properties)
			}
			for _, row := range rows {
				row := row.([]any)
				_, options := row[len(row)-1].(map[string]any)
				if len(row)%2 == 0 || !options {
					t.Errorf("%v is not a namespace, a metric, pairs of dimensions and options", row)
				}
			}
		}
	}
}

// An alarm goes off for each way in which changes can fail to arrive.
func TestAWSAlarms(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	for metrics, want := range map[string][]string{
		"emf":  {"age", "dead", "errors", "lag", "throttles"},
		"none": {"age", "dead", "errors", "throttles"},
	} {
		p := awsPlan(t, all, given("metrics", metrics))
		var alarms map[string]any
		if err := json.Unmarshal([]byte(p.get(t, "local.alarms")), &alarms); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(sorted(alarms), want) {
			t.Errorf("%s: alarms %q, want %q", metrics, sorted(alarms), want)
		}
	}
}

// The rule for abandoned uploads is there to be called, and takes any prefix.
func TestAWSLifecycle(t *testing.T) {
	t.Parallel()
	m := loaded(t, os.DirFS("."))["aws/lifecycle"]
	if p := evaluate(m, given("bucket", "photos", "prefix", "in/")); p.problems != nil {
		t.Errorf("%q", p.problems)
	}
	if p := evaluate(m, given("bucket", "photos", "days", 0)); p.problems == nil {
		t.Error("0 days are accepted")
	}
}
