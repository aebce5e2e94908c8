package telemetry_test

import (
	"context"
	"io"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/telemetry/emf"
	"github.com/crossfade-io/crossfade/functions/telemetry/meter"
	"github.com/crossfade-io/crossfade/replicate"
)

// BenchmarkProcess is the way of ten events through a Processor whose Syncs cost
// nothing, by what observes them.
func BenchmarkProcess(b *testing.B) {
	observers := map[string]func() (functions.Observer, error){
		"none": func() (functions.Observer, error) { return nil, nil },
		"emf": func() (functions.Observer, error) {
			return emf.New(emf.Options{Out: io.Discard, Now: time.Now, Source: "s3://s/", Target: "gs://t/"}), nil
		},
		"metrics": func() (functions.Observer, error) {
			return meter.New(meter.Options{Meters: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))})
		},
		"traces": func() (functions.Observer, error) {
			return meter.New(meter.Options{Tracers: sdktrace.NewTracerProvider(sdktrace.WithSyncer(tracetest.NewNoopExporter()))})
		},
	}
	for name, observer := range observers {
		b.Run(name, func(b *testing.B) {
			o, err := observer()
			if err != nil {
				b.Fatal(err)
			}
			done := syncer(func(context.Context, string) (replicate.Result, error) {
				return replicate.Result{Action: replicate.Copy, Bytes: 1, Attempts: 1}, nil
			})
			p, err := functions.New(done, functions.Options{Bucket: "b", Now: time.Now, Observer: o})
			if err != nil {
				b.Fatal(err)
			}
			var events []functions.Event
			for i := range 10 {
				events = append(events, functions.Event{Bucket: "b", Key: string(rune('a' + i)), Time: time.Now()})
			}
			b.ReportAllocs()
			for b.Loop() {
				p.Process(b.Context(), events)
			}
		})
	}
}
