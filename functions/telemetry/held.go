package telemetry

import (
	"context"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// maxHeld is how many spans wait for the end of an invocation; more are dropped.
const maxHeld = 2048

// held is a span processor for a process that may be frozen: it sends spans when
// it is told to, and in nobody else's time.
type held struct {
	to sdktrace.SpanExporter

	mu    sync.Mutex
	spans []sdktrace.ReadOnlySpan
}

var _ sdktrace.SpanProcessor = (*held)(nil)

// OnStart does nothing.
func (h *held) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd keeps the span, if it is sampled.
func (h *held) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.spans) < maxHeld {
		h.spans = append(h.spans, s)
	}
}

// ForceFlush sends the spans. Those that cannot be sent are gone.
func (h *held) ForceFlush(ctx context.Context) error {
	h.mu.Lock()
	spans := h.spans
	h.spans = nil
	h.mu.Unlock()
	if len(spans) == 0 {
		return nil
	}
	return h.to.ExportSpans(ctx, spans)
}

// Shutdown sends what is left.
func (h *held) Shutdown(ctx context.Context) error {
	if err := h.ForceFlush(ctx); err != nil {
		return err
	}
	return h.to.Shutdown(ctx)
}
