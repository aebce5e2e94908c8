// Package telemetry puts together what observes a function: OpenTelemetry
// metrics and traces, sent by its protocol over HTTP or read by Prometheus, and
// on Lambda CloudWatch's embedded metric format. Without settings there is no
// observer, nothing is sent and no connection is made.
package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/telemetry/emf"
	"github.com/crossfade-io/crossfade/functions/telemetry/meter"
)

// Options of Start.
type Options struct {
	Settings

	Program  string // the name of the service where OTEL_SERVICE_NAME gives none
	Version  string
	Instance string // tells this process from the others of the service

	Source, Target string // names of the stores
	Migration      string // "" for none

	Out io.Writer        // of the log, for EMF; safe for use by several goroutines
	Log *slog.Logger     // of what cannot be sent
	Now func() time.Time // the clock

	Stores func() []functions.StoreStats // counts of the stores, nil for none

	// Readers collect the metrics too, such as that of package prom.
	Readers []sdkmetric.Reader

	// Frozen says that the process may stand still between invocations, as on
	// Lambda. Then everything is sent before an invocation is answered.
	Frozen bool
}

// How long sending may hold up an answer. Less where the deadline is near.
const flushTime = time.Second

// Telemetry is what observes a process.
type Telemetry struct {
	opts      Options
	observer  functions.Observer
	flushes   []func(context.Context)
	shutdowns []func(context.Context) error
}

// Start returns the telemetry that the options ask for.
func Start(ctx context.Context, opts Options) (*Telemetry, error) {
	t := &Telemetry{opts: opts}
	var all []functions.Observer
	if opts.EMF {
		all = append(all, emf.New(emf.Options{
			Out: opts.Out, Now: opts.Now, Source: opts.Source, Target: opts.Target, Migration: opts.Migration, Stores: opts.Stores,
		}))
	}
	if opts.MetricsURL != "" || opts.TracesURL != "" || len(opts.Readers) > 0 {
		o, err := t.openTelemetry(ctx)
		if err != nil {
			return nil, errors.Join(err, t.Shutdown(ctx))
		}
		all = append(all, o)
	}
	switch {
	case len(all) == 1 && len(t.flushes) == 0:
		t.observer = all[0]
	case len(all) > 0:
		t.observer = &group{all: all, flush: t.flush}
	}
	return t, nil
}

// Observer is what a Processor is to be given, nil where nothing is measured.
func (t *Telemetry) Observer() functions.Observer { return t.observer }

// Shutdown sends what is not sent yet and ends the telemetry.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, shutdown := range t.shutdowns {
		errs = append(errs, shutdown(ctx))
	}
	t.shutdowns = nil
	return errors.Join(errs...)
}

func (t *Telemetry) openTelemetry(ctx context.Context) (*meter.Observer, error) {
	res, err := t.resource(ctx)
	if err != nil {
		return nil, err
	}
	opts := meter.Options{Stores: t.opts.Stores}
	readers := t.opts.Readers
	if t.opts.MetricsURL != "" {
		reader, err := t.metrics(ctx)
		if err != nil {
			return nil, err
		}
		readers = append(readers[:len(readers):len(readers)], reader)
	}
	if len(readers) > 0 {
		with := []sdkmetric.Option{sdkmetric.WithResource(res)}
		for _, r := range readers {
			with = append(with, sdkmetric.WithReader(r))
		}
		p := sdkmetric.NewMeterProvider(with...)
		t.shutdowns = append(t.shutdowns, p.Shutdown)
		opts.Meters = p
	}
	if t.opts.TracesURL != "" {
		exporter, err := t.spans(ctx)
		if err != nil {
			return nil, err
		}
		with := sdktrace.WithBatcher(exporter)
		if t.opts.Frozen {
			h := &held{to: exporter}
			with = sdktrace.WithSpanProcessor(h)
			t.flushes = append(t.flushes, exporter.flushed(h.ForceFlush))
		}
		p := sdktrace.NewTracerProvider(sdktrace.WithResource(res), with)
		t.shutdowns = append(t.shutdowns, p.Shutdown)
		opts.Tracers = p
	}
	return meter.New(opts)
}

// resource says whose metrics and traces these are. What the variables of
// OpenTelemetry say goes before our own.
func (t *Telemetry) resource(ctx context.Context) (*resource.Resource, error) {
	attrs := []attribute.KeyValue{
		attribute.String("service.name", t.opts.Program),
		attribute.String("service.version", t.opts.Version),
		attribute.String("service.instance.id", t.opts.Instance),
		attribute.String("crossfade.source", t.opts.Source),
		attribute.String("crossfade.target", t.opts.Target),
	}
	if t.opts.Migration != "" {
		attrs = append(attrs, attribute.String("crossfade.migration", t.opts.Migration))
	}
	return resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(attrs...), resource.WithFromEnv())
}

// flush sends what there is before an answer, in the time that there is for it.
func (t *Telemetry) flush(ctx context.Context) {
	most := flushTime
	if deadline, ok := ctx.Deadline(); ok {
		most = min(most, deadline.Sub(t.opts.Now())/2)
	}
	if most <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	defer cancel()
	var all sync.WaitGroup
	for _, flush := range t.flushes {
		all.Go(func() { flush(ctx) })
	}
	all.Wait()
}

// group is several observers as one.
type group struct {
	all   []functions.Observer
	flush func(context.Context) // after an invocation
}

// Invocation tells all of them.
func (g *group) Invocation(ctx context.Context, events int) (context.Context, func()) {
	var ends []func()
	inner := ctx
	for _, o := range g.all {
		var end func()
		inner, end = o.Invocation(inner, events)
		ends = append(ends, end)
	}
	return inner, func() {
		for _, end := range ends {
			end()
		}
		g.flush(ctx)
	}
}

// Sync tells all of them.
func (g *group) Sync(ctx context.Context) (context.Context, func(functions.Synced)) {
	var ends []func(functions.Synced)
	for _, o := range g.all {
		var end func(functions.Synced)
		ctx, end = o.Sync(ctx)
		ends = append(ends, end)
	}
	return ctx, func(s functions.Synced) {
		for _, end := range ends {
			end(s)
		}
	}
}

// Event tells all of them.
func (g *group) Event(ctx context.Context, e functions.Observed) {
	for _, o := range g.all {
		o.Event(ctx, e)
	}
}
