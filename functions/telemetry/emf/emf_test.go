package emf_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/telemetry/emf"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

func noon() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 250e6, time.UTC) }

// observed has the observer see an invocation with these Syncs, each for an
// event of its own.
func observed(ctx context.Context, o *emf.Observer, syncs ...functions.Synced) {
	ctx, end := o.Invocation(ctx, len(syncs))
	for i, s := range syncs {
		sctx, done := o.Sync(ctx)
		done(s)
		o.Event(sctx, functions.Observed{Verdict: s.Verdict, Lag: time.Duration(i+1) * time.Second / 2, Timed: s.Verdict.Outcome == functions.Ack})
	}
	end()
}

var (
	retry  = functions.Verdict{Outcome: functions.Retry, Kind: store.Throttled}
	letter = functions.Verdict{Outcome: functions.DeadLetter, Kind: store.Invalid}
)

// The document, byte for byte.
func TestGolden(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	retries := int64(3) // of the first reading
	o := emf.New(emf.Options{
		Out: &out, Now: noon, Source: "s3://shop/ü\n/", Target: "gs://shop-copy/", Migration: "shop",
		Stores: func() []functions.StoreStats {
			return []functions.StoreStats{{Store: "source", Retries: retries, Throttled: 1}, {Store: "target", Retries: 1}}
		},
	})
	observed(t.Context(), o,
		functions.Synced{Action: replicate.Copy, Bytes: 1000, Attempts: 3, Took: 1500 * time.Millisecond},
		functions.Synced{Action: replicate.Conflict, Attempts: 1},
		functions.Synced{Verdict: retry, Attempts: 2}, functions.Synced{Verdict: letter, Attempts: 1})
	retries = 5
	observed(t.Context(), o, functions.Synced{Action: replicate.Skip, Attempts: 1})
	observed(t.Context(), o)

	const want = `{"BytesCopied":1000,"Conflicts":1,"Events":4,"EventsDeadLettered":1,"EventsRetried":1,"Lag":[0.5,1],"ObjectsCopied":1,"ObjectsFailed":2,` +
		`"StoreRetries":4,"StoreThrottled":1,"SyncDuration":[1.5,0,0,0],"SyncRetries":3,` +
		`"_aws":{"Timestamp":1793534400250,"CloudWatchMetrics":[{"Namespace":"crossfade","Dimensions":[["source","target"]],"Metrics":[` +
		`{"Name":"Lag","Unit":"Seconds"},{"Name":"SyncDuration","Unit":"Seconds"},{"Name":"Events","Unit":"Count"},{"Name":"EventsRetried","Unit":"Count"},` +
		`{"Name":"EventsDeadLettered","Unit":"Count"},{"Name":"ObjectsCopied","Unit":"Count"},{"Name":"Conflicts","Unit":"Count"},{"Name":"ObjectsFailed","Unit":"Count"},` +
		`{"Name":"BytesCopied","Unit":"Bytes"},{"Name":"SyncRetries","Unit":"Count"},{"Name":"StoreRetries","Unit":"Count"},{"Name":"StoreThrottled","Unit":"Count"}]}]},` +
		`"migration":"shop","source":"s3://shop/%C3%BC%0A/","target":"gs://shop-copy/"}
{"Events":1,"Lag":[0.5],"ObjectsSkipped":1,"StoreRetries":2,"SyncDuration":[0],` +
		`"_aws":{"Timestamp":1793534400250,"CloudWatchMetrics":[{"Namespace":"crossfade","Dimensions":[["source","target"]],"Metrics":[` +
		`{"Name":"Lag","Unit":"Seconds"},{"Name":"SyncDuration","Unit":"Seconds"},{"Name":"Events","Unit":"Count"},{"Name":"ObjectsSkipped","Unit":"Count"},{"Name":"StoreRetries","Unit":"Count"}]}]},` +
		`"migration":"shop","source":"s3://shop/%C3%BC%0A/","target":"gs://shop-copy/"}
`
	if got := out.String(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for line := range strings.Lines(out.String()) {
		check(t, line)
	}
}

// Of any invocation every value is written once, in documents that keep to the
// specification.
func TestDocuments(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		o := emf.New(emf.Options{Out: &out, Now: noon, Source: "s3://" + rapid.StringN(0, 300, 1500).Draw(t, "source"), Target: "gs://t/"})
		verdicts := []functions.Verdict{{}, {}, retry, letter}
		var syncs []functions.Synced
		acked := 0
		for range rapid.IntRange(0, 350).Draw(t, "syncs") {
			s := functions.Synced{Verdict: rapid.SampledFrom(verdicts).Draw(t, "verdict"), Action: replicate.Action(rapid.IntRange(0, 4).Draw(t, "action"))}
			if s.Verdict.Outcome == functions.Ack {
				acked++
			}
			syncs = append(syncs, s)
		}
		observed(context.Background(), o, syncs...)
		sums := map[string]float64{}
		counted := map[string]int{}
		for line := range strings.Lines(out.String()) {
			for name, values := range check(t, line) {
				counted[name] += len(values)
				for _, v := range values {
					sums[name] += v
				}
			}
		}
		kinds := sums["ObjectsCopied"] + sums["ObjectsUpdated"] + sums["ObjectsDeleted"] + sums["ObjectsSkipped"] + sums["Conflicts"]
		if int(sums["Events"]) != len(syncs) || counted["Lag"] != acked || counted["SyncDuration"] != len(syncs) ||
			int(kinds) != acked || int(sums["ObjectsFailed"]) != len(syncs)-acked || int(sums["EventsRetried"]+sums["EventsDeadLettered"]) != len(syncs)-acked {
			t.Fatalf("%d Syncs, %d of them acknowledged, are %v, counted %v", len(syncs), acked, sums, counted)
		}
	})
}

// A context of no invocation is met with silence.
func TestOutside(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := emf.New(emf.Options{Out: &out, Now: noon, Source: "s3://s/", Target: "gs://t/"})
	ctx, done := o.Sync(t.Context())
	done(functions.Synced{})
	o.Event(ctx, functions.Observed{Timed: true})
	if out.Len() > 0 {
		t.Errorf("wrote %q", out.String())
	}
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// check holds a line against the rules of the specification ("Embedded metric
// format document structure" and the schema at its end), and returns the values
// of its metrics.
func check(t fataler, line string) map[string][]float64 {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal([]byte(line), &root); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	var problems []string
	must := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	text := func(v any, most int) bool {
		s, ok := v.(string)
		return ok && s != "" && len(s) <= most
	}
	must(len(line) <= 256<<10, "%d bytes: more than an event of the log", len(line))
	must(strings.HasSuffix(line, "\n") && strings.Count(line, "\n") == 1, "not a line")
	aws, _ := root["_aws"].(map[string]any)
	must(len(aws) == 2, "_aws has %d members", len(aws))
	at, ok := aws["Timestamp"].(float64)
	must(ok && at == float64(noon().UnixMilli()), "Timestamp is %v", aws["Timestamp"])
	directives, _ := aws["CloudWatchMetrics"].([]any)
	must(len(directives) > 0, "no directive")
	values := map[string][]float64{}
	for _, each := range directives {
		d, _ := each.(map[string]any)
		must(len(d) == 3 && text(d["Namespace"], 1024) && !strings.HasPrefix(fmt.Sprint(d["Namespace"]), "AWS/"), "directive %v", d)
		sets, _ := d["Dimensions"].([]any)
		must(len(sets) > 0, "no set of dimensions")
		for _, set := range sets {
			names, _ := set.([]any)
			must(len(names) <= 30, "%d dimensions", len(names))
			for _, name := range names {
				must(text(name, 250), "dimension %v", name)
				value := root[fmt.Sprint(name)]
				must(text(value, 1024) && strings.TrimSpace(fmt.Sprint(value)) != "", "%v is %v", name, value)
				must(!strings.ContainsFunc(fmt.Sprint(value), func(r rune) bool { return r < ' ' || r > '~' }), "%v is %q", name, value)
			}
		}
		metrics, _ := d["Metrics"].([]any)
		must(len(metrics) > 0 && len(metrics) <= 100, "%d metrics", len(metrics))
		for _, each := range metrics {
			m, _ := each.(map[string]any)
			must(len(m) == 2 && text(m["Name"], 1024), "metric %v", m)
			unit := fmt.Sprint(m["Unit"])
			must(unit == "Seconds" || unit == "Count" || unit == "Bytes", "unit %s", unit)
			name := fmt.Sprint(m["Name"])
			must(values[name] == nil, "%s twice", name)
			switch v := root[name].(type) {
			case float64:
				values[name] = []float64{v}
			case []any:
				must(len(v) > 0 && len(v) <= 100, "%s has %d values", name, len(v))
				for _, e := range v {
					f, ok := e.(float64)
					must(ok, "%s has %v", name, e)
					values[name] = append(values[name], f)
				}
			default:
				must(false, "%s is %v", name, v)
			}
		}
	}
	if len(problems) > 0 {
		t.Fatalf("%s:\n%s", strings.Join(problems, "\n"), line)
	}
	return values
}
