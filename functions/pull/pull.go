// Package pull is what sources of events have in common that are asked for
// them: whom they hand the events to, when an event comes again, and how it is
// told that the source itself is in trouble.
package pull

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/functions"
)

// Processor takes events and answers each, in their order; *functions.Processor
// is one. It bounds by itself how long that may take.
type Processor interface {
	Process(ctx context.Context, events []functions.Event) []functions.Verdict
}

// What is told of a message that was put among the dead letters, by the names of
// its attributes.
const (
	AttributeReason = "crossfade-reason" // why no retry could help
	AttributeFrom   = "crossfade-from"   // the queue or subscription that it was taken from
)

// What an event waits at least, the first time, and at most.
const (
	retryFirst, retryMost = time.Second, 5 * time.Minute
	deadFirst, deadMost   = time.Minute, time.Hour
)

// Delay is how long an event is to wait that is not acknowledged: what the
// verdict asks for, and more with each delivery, so that trouble of some minutes
// does not use up the deliveries after which a queue gives up. One that no retry
// can help comes seldom. random is in [0, 1).
func Delay(v functions.Verdict, deliveries int, random float64) time.Duration {
	first, most := retryFirst, retryMost
	if v.Outcome == functions.DeadLetter {
		first, most = deadFirst, deadMost
	}
	return max(v.After, Backoff(first, most, deliveries, random))
}

// Backoff doubles with each try after the first, up to most, less a random part
// of up to a half.
func Backoff(first, most time.Duration, tries int, random float64) time.Duration {
	d := most
	if shift := max(tries-1, 0); shift < 30 {
		d = min(most, first<<shift)
	}
	return d - time.Duration(random*float64(d)/2)
}

// Reason is why an event is a dead letter, for whoever looks at it.
func Reason(v functions.Verdict, e functions.Event) string {
	if e.Malformed != nil {
		return functions.LogText(v.Reason + ": " + e.Malformed.Error())
	}
	return v.Reason
}

// Health is whether a source can be asked. Its zero value, with a Log, is in
// order.
type Health struct {
	Log *slog.Logger

	mu   sync.Mutex
	err  error
	kind string
}

// Note takes in how the last try went, and logs when that has changed. kind
// tells errors apart whose words differ each time.
func (h *Health) Note(ctx context.Context, err error, kind string) {
	h.mu.Lock()
	before, kindBefore := h.err, h.kind
	h.err, h.kind = err, kind
	h.mu.Unlock()
	switch {
	case err == nil && before != nil:
		h.Log.LogAttrs(ctx, slog.LevelInfo, "events come again")
	case err != nil && (before == nil || kind != kindBefore):
		h.Log.LogAttrs(ctx, slog.LevelError, "no events can be had, and they are asked for again", slog.String("error", functions.LogText(err.Error())))
	}
}

// Err is why the source cannot be asked, nil if it can.
func (h *Health) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}
