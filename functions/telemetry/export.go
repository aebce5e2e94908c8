package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/crossfade-io/crossfade/functions"
)

// pause is how long answers are not held up by a collector after it failed.
const pause = 30 * time.Second

// delivery knows how the sending of one signal goes. Failures are told once, in
// our own log: the exporters would tell each of them, to all of the process.
type delivery struct {
	what string // metrics or traces
	url  string // not to be told: its path may hold a token
	log  *slog.Logger
	now  func() time.Time

	mu      sync.Mutex
	failing bool
	until   time.Time // of the pause
}

func (t *Telemetry) delivery(what, url string) *delivery {
	return &delivery{what: what, url: url, log: t.opts.Log, now: t.opts.Now}
}

// note takes the outcome of an attempt to send.
func (d *delivery) note(ctx context.Context, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.failing
	d.failing = err != nil
	switch {
	case err != nil:
		d.until = d.now().Add(pause)
		if !was {
			d.log.LogAttrs(ctx, slog.LevelWarn, d.what+" cannot be sent", slog.String("error", functions.LogText(d.text(err))))
		}
	case was:
		d.log.LogAttrs(ctx, slog.LevelInfo, d.what+" are sent again")
	}
}

// text is what err says, without the URL.
func (d *delivery) text(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return strings.ReplaceAll(err.Error(), d.url, "the collector")
}

// flushed is flush, but for the time after a failure.
func (d *delivery) flushed(flush func(context.Context) error) func(context.Context) {
	return func(ctx context.Context) {
		d.mu.Lock()
		wait := d.failing && d.now().Before(d.until)
		d.mu.Unlock()
		if wait {
			return
		}
		if err := flush(ctx); err != nil {
			d.note(ctx, err)
		}
	}
}

// metricExporter reports how it goes instead of failing.
type metricExporter struct {
	sdkmetric.Exporter
	*delivery
}

// Export sends metrics.
func (e *metricExporter) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	e.note(ctx, e.Exporter.Export(ctx, m))
	return nil
}

// metrics returns the reader that sends metrics: from time to time or, where the
// process may be frozen, with the invocations.
func (t *Telemetry) metrics(ctx context.Context) (sdkmetric.Reader, error) {
	with := []otlpmetrichttp.Option{otlpmetrichttp.WithEndpointURL(t.opts.MetricsURL)}
	if t.opts.Frozen {
		with = append(with, otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{}))
	}
	inner, err := otlpmetrichttp.New(ctx, with...)
	if err != nil {
		return nil, err
	}
	e := &metricExporter{Exporter: inner, delivery: t.delivery("metrics", t.opts.MetricsURL)}
	if !t.opts.Frozen {
		return sdkmetric.NewPeriodicReader(e), nil
	}
	// The periodic reader would send in a time of its own.
	reader := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(e.Temporality), sdkmetric.WithAggregationSelector(e.Aggregation))
	send := func(ctx context.Context) error {
		var m metricdata.ResourceMetrics
		if err := reader.Collect(ctx, &m); err != nil {
			return err
		}
		return e.Export(ctx, &m)
	}
	t.flushes = append(t.flushes, e.flushed(send))
	t.shutdowns = append(t.shutdowns, send, e.Shutdown)
	return reader, nil
}

// spanExporter reports how it goes instead of failing.
type spanExporter struct {
	sdktrace.SpanExporter
	*delivery
}

// ExportSpans sends spans.
func (e *spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.note(ctx, e.SpanExporter.ExportSpans(ctx, spans))
	return nil
}

// spans returns the exporter of spans.
func (t *Telemetry) spans(ctx context.Context) (*spanExporter, error) {
	with := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(t.opts.TracesURL)}
	if t.opts.Frozen {
		with = append(with, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
	}
	inner, err := otlptracehttp.New(ctx, with...)
	if err != nil {
		return nil, err
	}
	return &spanExporter{SpanExporter: inner, delivery: t.delivery("traces", t.opts.TracesURL)}, nil
}
