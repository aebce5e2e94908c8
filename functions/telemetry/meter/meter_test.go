package meter_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/telemetry/meter"
	"github.com/crossfade-io/crossfade/functions/telemetry/trace"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

const secret = "hunter2"

// answers is a Syncer that answers by key.
type answers map[string]struct {
	result replicate.Result
	err    error
}

func (a answers) Sync(_ context.Context, key string, _ replicate.Hint) (replicate.Result, error) {
	got := a[key]
	return got.result, got.err
}

var syncs = answers{
	"copied":   {result: replicate.Result{Action: replicate.Copy, Bytes: 1000, Attempts: 3, Reason: "absent"}},
	"same":     {result: replicate.Result{Action: replicate.Skip, Attempts: 1}},
	"gone":     {result: replicate.Result{Action: replicate.Delete, Attempts: 1}},
	"foreign":  {result: replicate.Result{Action: replicate.Conflict, Attempts: 1}},
	"busy":     {result: replicate.Result{Attempts: 2}, err: &store.Error{Op: "put", Store: "gs://" + secret, Key: secret, Kind: store.Throttled, Err: errors.New(secret)}},
	"enormous": {result: replicate.Result{Attempts: 1}, err: &store.Error{Op: "put", Store: "gs://x", Key: "k", Kind: store.TooLarge}},
}

// batch is one invocation: every way that an event can go, twice the key copied,
// and a bucket that is not ours.
func batch(at time.Time) []functions.Event {
	var events []functions.Event
	for _, key := range slices.Sorted(maps.Keys(syncs)) {
		events = append(events, functions.Event{Bucket: "b", Key: key, Time: at})
	}
	return append(events, functions.Event{Bucket: "b", Key: "copied", Time: at.Add(time.Hour)}, functions.Event{Bucket: secret, Key: "k"})
}

// process runs the batch at noon, a minute after its changes, on a Processor
// with the observer.
func process(ctx context.Context, t *testing.T, o functions.Observer) {
	t.Helper()
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	p, err := functions.New(syncs, functions.Options{Bucket: "b", Now: func() time.Time { return noon }, Observer: o})
	if err != nil {
		t.Fatal(err)
	}
	if vs := p.Process(ctx, batch(noon.Add(-time.Minute))); len(vs) != 8 {
		t.Fatalf("%d verdicts", len(vs))
	}
}

// shown are attributes as text, in order.
func shown(attrs []attribute.KeyValue) string {
	set := attribute.NewSet(attrs...)
	return set.Encoded(attribute.DefaultEncoder())
}

// points are the data points of all metrics, as text by name, unit and
// attributes.
func points(rm metricdata.ResourceMetrics) map[string]string {
	got := map[string]string{}
	add := func(m metricdata.Metrics, attrs attribute.Set, value string) {
		got[m.Name+" "+m.Unit+" "+shown(attrs.ToSlice())] = value
	}
	for _, s := range rm.ScopeMetrics {
		for _, m := range s.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					add(m, p.Attributes, fmt.Sprint(p.Value, d.IsMonotonic))
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					add(m, p.Attributes, fmt.Sprint(p.Count, " sum ", p.Sum))
				}
			}
		}
	}
	return got
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	o, err := meter.New(meter.Options{
		Meters: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		Stores: func() []functions.StoreStats {
			return []functions.StoreStats{{Store: "source", Retries: 7, RetriesDenied: 2, Throttled: 5}, {Store: "target"}}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	process(t.Context(), t, o)
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"crossfade.events {event} crossfade.verdict=ack":                              "5 true",
		"crossfade.events {event} crossfade.verdict=retry,error.type=throttled":       "1 true",
		"crossfade.events {event} crossfade.verdict=dead-letter,error.type=too_large": "1 true",
		"crossfade.events {event} crossfade.verdict=dead-letter,error.type=invalid":   "1 true",
		"crossfade.lag s ": "5 sum 240", // one is from the future
		"crossfade.objects {object} crossfade.action=copy,crossfade.verdict=ack":                              "1 true",
		"crossfade.objects {object} crossfade.action=skip,crossfade.verdict=ack":                              "1 true",
		"crossfade.objects {object} crossfade.action=delete,crossfade.verdict=ack":                            "1 true",
		"crossfade.objects {object} crossfade.action=conflict,crossfade.verdict=ack":                          "1 true",
		"crossfade.objects {object} crossfade.action=none,crossfade.verdict=retry,error.type=throttled":       "1 true",
		"crossfade.objects {object} crossfade.action=none,crossfade.verdict=dead-letter,error.type=too_large": "1 true",
		"crossfade.bytes By ":                                           "1000 true",
		"crossfade.retries {retry} ":                                    "3 true",
		"crossfade.conflicts {object} ":                                 "1 true",
		"crossfade.sync.active {sync} ":                                 "0 false",
		"crossfade.store.retries {retry} crossfade.store=source":        "7 true",
		"crossfade.store.retries {retry} crossfade.store=target":        "0 true",
		"crossfade.store.retries_denied {retry} crossfade.store=source": "2 true",
		"crossfade.store.retries_denied {retry} crossfade.store=target": "0 true",
		"crossfade.store.throttled {call} crossfade.store=source":       "5 true",
		"crossfade.store.throttled {call} crossfade.store=target":       "0 true",
	}
	for name := range want { // one duration for each Sync
		if attrs, ok := strings.CutPrefix(name, "crossfade.objects {object} "); ok {
			want["crossfade.sync.duration s "+attrs] = "1 sum 0"
		}
	}
	got := points(rm)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("also %q", got)
	}
}

// The invocation's span is in the trace of the request, the Syncs' are below it,
// and log lines join them. None tells of keys, buckets or errors' texts.
func TestSpans(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	o, err := meter.New(meter.Options{Tracers: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))})
	if err != nil {
		t.Fatal(err)
	}
	parent, _ := trace.ParseParent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	process(trace.With(t.Context(), parent), t, o)

	spans := recorder.Ended()
	if len(spans) != 1+len(syncs) {
		t.Fatalf("%d spans", len(spans))
	}
	root := spans[len(spans)-1]
	if root.Name() != "crossfade.invocation" || [16]byte(root.SpanContext().TraceID()) != parent.ID || [8]byte(root.Parent().SpanID()) != parent.Span ||
		shown(root.Attributes()) != "crossfade.events=8" {
		t.Errorf("%s in %s, attributes %s", root.Name(), root.Parent().SpanID(), shown(root.Attributes()))
	}
	got := map[string]codes.Code{}
	for _, s := range spans[:len(syncs)] {
		if s.Name() != "crossfade.sync" || s.Parent().SpanID() != root.SpanContext().SpanID() {
			t.Errorf("%s in %s", s.Name(), s.Parent().SpanID())
		}
		got[shown(s.Attributes())] = s.Status().Code
		if all := fmt.Sprint(s.Attributes(), s.Status(), s.Events(), s.Name()); strings.Contains(all, secret) || strings.Contains(all, "copied") {
			t.Errorf("a span tells %s", all)
		}
	}
	for want, code := range map[string]codes.Code{
		"crossfade.action=copy,crossfade.attempts=3,crossfade.bytes=1000,crossfade.verdict=ack":                           codes.Unset,
		"crossfade.action=conflict,crossfade.attempts=1,crossfade.bytes=0,crossfade.verdict=ack":                          codes.Unset,
		"crossfade.action=none,crossfade.attempts=2,crossfade.bytes=0,crossfade.verdict=retry,error.type=throttled":       codes.Error,
		"crossfade.action=none,crossfade.attempts=1,crossfade.bytes=0,crossfade.verdict=dead-letter,error.type=too_large": codes.Error,
	} {
		if c, ok := got[want]; !ok || c != code {
			t.Errorf("no span with %s and status %s among %v", want, code, got)
		}
	}

	ctx, end := o.Invocation(trace.With(t.Context(), parent), 1)
	inner, done := o.Sync(ctx)
	if a, b := trace.From(ctx), trace.From(inner); a.ID != parent.ID || b.ID != parent.ID || a.Span == b.Span || a.Span == parent.Span || !b.Sampled {
		t.Errorf("log lines would join %x of %x and %x of %x", a.Span, a.ID, b.Span, b.ID)
	}
	done(functions.Synced{})
	end()
}

// What the caller does not sample is not recorded, and its trace stays.
func TestNotSampled(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	o, err := meter.New(meter.Options{Tracers: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))})
	if err != nil {
		t.Fatal(err)
	}
	parent, _ := trace.ParseParent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
	ctx, end := o.Invocation(trace.With(t.Context(), parent), 1)
	end()
	if n := len(recorder.Ended()); n != 0 || trace.From(ctx).ID != parent.ID {
		t.Errorf("%d spans, trace %x", n, trace.From(ctx).ID)
	}
}

// Without providers there is nothing to see, and nothing breaks.
func TestNothing(t *testing.T) {
	t.Parallel()
	o, err := meter.New(meter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	process(t.Context(), t, o)
}
