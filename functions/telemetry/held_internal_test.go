package telemetry

import (
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// Spans wait to be asked for, no more than so many of them, and only those that
// are sampled.
func TestHeld(t *testing.T) {
	t.Parallel()
	to := tracetest.NewInMemoryExporter()
	h := &held{to: to}
	end := func(n int, sampler sdktrace.Sampler) {
		tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(h), sdktrace.WithSampler(sampler)).Tracer("")
		for range n {
			_, span := tracer.Start(t.Context(), "span")
			span.End()
		}
	}
	flushed := func() int {
		to.Reset()
		if err := h.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		return len(to.GetSpans())
	}
	end(3, sdktrace.AlwaysSample())
	end(2, sdktrace.NeverSample())
	if n := len(to.GetSpans()); n != 0 {
		t.Errorf("%d spans went by themselves", n)
	}
	if a, b := flushed(), flushed(); a != 3 || b != 0 {
		t.Errorf("%d spans, then %d", a, b)
	}
	end(maxHeld+1, sdktrace.AlwaysSample())
	if n := flushed(); n != maxHeld {
		t.Errorf("%d spans of %d", n, maxHeld+1)
	}
}
