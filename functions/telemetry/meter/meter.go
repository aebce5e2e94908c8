// Package meter makes OpenTelemetry metrics and spans of what a Processor does.
// Attributes are few and small: what was done, the verdict, the kind of an error.
// No key, no bucket and no text of an error is among them.
package meter

import (
	"context"
	"errors"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	oteltrace "go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/telemetry/trace"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// scope is the instrumentation scope of all that is made here.
const scope = "github.com/crossfade-io/crossfade"

// Options of an Observer.
type Options struct {
	Meters  metric.MeterProvider          // nil for no metrics
	Tracers oteltrace.TracerProvider      // nil for no spans
	Stores  func() []functions.StoreStats // counts of the stores, nil for none
}

// Observer makes metrics and spans. It is a functions.Observer.
type Observer struct {
	tracer oteltrace.Tracer
	sets   sync.Map // series → metric.MeasurementOption: dear to make, and few

	lag, duration                               metric.Float64Histogram
	events, objects, bytes, retries, conflicted metric.Int64Counter
	active                                      metric.Int64UpDownCounter
}

var _ functions.Observer = (*Observer)(nil)

// The attributes.
const (
	attrAction  = attribute.Key("crossfade.action")  // copy, update, delete, skip, conflict; none where it failed
	attrVerdict = attribute.Key("crossfade.verdict") // ack, retry or dead-letter
	attrStore   = attribute.Key("crossfade.store")   // source, target or control
	attrError   = attribute.Key("error.type")        // the kind of the error; absent after an ack

	attrEvents   = attribute.Key("crossfade.events")   // of an invocation; spans only
	attrBytes    = attribute.Key("crossfade.bytes")    // copied; spans only
	attrAttempts = attribute.Key("crossfade.attempts") // rounds of a Sync; spans only
)

// New returns an Observer.
func New(opts Options) (*Observer, error) {
	if opts.Meters == nil {
		opts.Meters = metricnoop.NewMeterProvider()
	}
	if opts.Tracers == nil {
		opts.Tracers = tracenoop.NewTracerProvider()
	}
	o := &Observer{tracer: opts.Tracers.Tracer(scope)}
	m := opts.Meters.Meter(scope)
	var errs []error
	histogram := func(to *metric.Float64Histogram, name, what string, bounds ...float64) {
		h, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what), metric.WithExplicitBucketBoundaries(bounds...))
		*to, errs = h, append(errs, err)
	}
	counter := func(to *metric.Int64Counter, name, unit, what string) {
		c, err := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(what))
		*to, errs = c, append(errs, err)
	}
	histogram(&o.lag, "crossfade.lag", "Time from the change of an object to the end of the Sync that carried it over.",
		0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 14400, 86400)
	histogram(&o.duration, "crossfade.sync.duration", "Time that the Sync of a key took.",
		0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)
	counter(&o.events, "crossfade.events", "{event}", "Events, by their verdict.")
	counter(&o.objects, "crossfade.objects", "{object}", "Keys synced, by what was done.")
	counter(&o.bytes, "crossfade.bytes", "By", "Bytes copied.")
	counter(&o.retries, "crossfade.retries", "{retry}", "Rounds of Syncs after their first.")
	counter(&o.conflicted, "crossfade.conflicts", "{object}", "Keys left alone because of a foreign object on the target.")
	active, err := m.Int64UpDownCounter("crossfade.sync.active", metric.WithUnit("{sync}"), metric.WithDescription("Syncs in work."))
	o.active = active
	errs = append(errs, err, stores(m, opts.Stores))
	return o, errors.Join(errs...)
}

// stores has the counts of the stores read whenever metrics are collected.
func stores(m metric.Meter, stats func() []functions.StoreStats) error {
	if stats == nil {
		return nil
	}
	retries, err1 := m.Int64ObservableCounter("crossfade.store.retries", metric.WithUnit("{retry}"), metric.WithDescription("Calls of a store made again."))
	denied, err2 := m.Int64ObservableCounter("crossfade.store.retries_denied", metric.WithUnit("{retry}"), metric.WithDescription("Calls not made again because the store's budget for that was used up."))
	throttled, err3 := m.Int64ObservableCounter("crossfade.store.throttled", metric.WithUnit("{call}"), metric.WithDescription("Calls that a store answered with the wish to slow down."))
	_, err4 := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, s := range stats() {
			whose := metric.WithAttributes(attrStore.String(s.Store))
			o.ObserveInt64(retries, s.Retries, whose)
			o.ObserveInt64(denied, s.RetriesDenied, whose)
			o.ObserveInt64(throttled, s.Throttled, whose)
		}
		return nil
	}, retries, denied, throttled)
	return errors.Join(err1, err2, err3, err4)
}

// Invocation begins the span of an invocation, within the trace that ctx tells.
func (o *Observer) Invocation(ctx context.Context, events int) (context.Context, func()) {
	if t := trace.From(ctx); t.HasSpan() && !oteltrace.SpanContextFromContext(ctx).IsValid() {
		ctx = oteltrace.ContextWithRemoteSpanContext(ctx, oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
			TraceID: t.ID, SpanID: t.Span, TraceFlags: oteltrace.TraceFlags(0).WithSampled(t.Sampled), Remote: true,
		}))
	}
	ctx, span := o.start(ctx, "crossfade.invocation", oteltrace.WithSpanKind(oteltrace.SpanKindConsumer), oteltrace.WithAttributes(attrEvents.Int(events)))
	return ctx, func() { span.End() }
}

// Sync begins the span of a Sync.
func (o *Observer) Sync(ctx context.Context) (context.Context, func(functions.Synced)) {
	ctx, span := o.start(ctx, "crossfade.sync")
	o.active.Add(ctx, 1)
	return ctx, func(s functions.Synced) {
		o.active.Add(ctx, -1)
		o.synced(ctx, s)
		if span.IsRecording() {
			span.SetAttributes(append(of(s), attrBytes.Int64(s.Bytes), attrAttempts.Int(s.Attempts))...)
			if s.Verdict.Outcome != functions.Ack {
				span.SetStatus(codes.Error, s.Verdict.Reason)
			}
		}
		span.End()
	}
}

func (o *Observer) synced(ctx context.Context, s functions.Synced) {
	attrs := o.set(series{s.Verdict.Outcome, s.Verdict.Kind, s.Action, true}, func() []attribute.KeyValue { return of(s) })
	o.objects.Add(ctx, 1, attrs)
	o.duration.Record(ctx, s.Took.Seconds(), attrs)
	if s.Bytes > 0 {
		o.bytes.Add(ctx, s.Bytes)
	}
	if s.Attempts > 1 {
		o.retries.Add(ctx, int64(s.Attempts-1))
	}
	if s.Verdict.Outcome == functions.Ack && s.Action == replicate.Conflict {
		o.conflicted.Add(ctx, 1)
	}
}

// Event counts an event.
func (o *Observer) Event(ctx context.Context, e functions.Observed) {
	o.events.Add(ctx, 1, o.set(series{verdict: e.Verdict.Outcome, kind: e.Verdict.Kind}, func() []attribute.KeyValue { return judged(e.Verdict) }))
	if e.Timed {
		o.lag.Record(ctx, e.Lag.Seconds())
	}
}

// series is what attributes are made from.
type series struct {
	verdict functions.Outcome
	kind    store.Kind
	action  replicate.Action
	synced  bool
}

// set is the set of attributes of a series.
func (o *Observer) set(s series, attrs func() []attribute.KeyValue) metric.MeasurementOption {
	if known, ok := o.sets.Load(s); ok {
		if option, ok := known.(metric.MeasurementOption); ok {
			return option
		}
	}
	option := metric.WithAttributeSet(attribute.NewSet(attrs()...))
	o.sets.Store(s, option)
	return option
}

// start begins a span, which log lines within the context are joined to.
func (o *Observer) start(ctx context.Context, name string, opts ...oteltrace.SpanStartOption) (context.Context, oteltrace.Span) {
	ctx, span := o.tracer.Start(ctx, name, opts...)
	if s := span.SpanContext(); s.IsValid() {
		ctx = trace.With(ctx, trace.Trace{ID: s.TraceID(), Span: s.SpanID(), Sampled: s.IsSampled()})
	}
	return ctx, span
}

// of are the attributes of what came of a Sync.
func of(s functions.Synced) []attribute.KeyValue {
	action := "none"
	if s.Verdict.Outcome == functions.Ack {
		action = s.Action.String()
	}
	return append(judged(s.Verdict), attrAction.String(action))
}

func judged(v functions.Verdict) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 6) // with room for what is added to it
	attrs = append(attrs, attrVerdict.String(v.Outcome.String()))
	if v.Outcome != functions.Ack {
		attrs = append(attrs, attrError.String(strings.ReplaceAll(v.Kind.String(), " ", "_")))
	}
	return attrs
}
