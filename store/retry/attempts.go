package retry

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// safety says after which errors a call may be repeated.
type safety uint8

const (
	repeatable  safety = iota // it may be carried out twice
	onceRefused               // only if the service has certainly not carried it out
)

// writeSafety is that of a write on a condition.
func writeSafety(c store.Condition) safety {
	if c == (store.Condition{}) {
		return onceRefused
	}
	return repeatable
}

// attempts are those of one call.
type attempts struct {
	s    *Store
	op   string
	key  string
	safe safety

	// spent, if not nil, reports that the call cannot be made again.
	spent func() bool

	failed int // attempts, since a listing came further
}

// again books the outcome of an attempt. It returns true, after waiting, where
// another is to be made.
func (a *attempts) again(ctx context.Context, err error) bool {
	s := a.s
	if !a.mayHelp(err) {
		if a.failed == 0 && !inDoubt(err) {
			s.budget.earn()
		}
		return false
	}
	a.failed++
	if ctx.Err() != nil || a.failed >= s.opts.Attempts || a.spent != nil && a.spent() {
		return false
	}
	pause, ok := a.pause(ctx, err)
	if !ok {
		return false
	}
	if !s.budget.spend() {
		s.denied.Add(1)
		return false
	}
	s.retries.Add(1)
	s.opts.Log.LogAttrs(ctx, slog.LevelDebug, "trying again", slog.String("op", a.op), slog.String("key", a.key),
		slog.Int("attempt", a.failed+1), slog.Duration("after", pause), slog.String("kind", store.KindOf(err).String()))
	return s.opts.Sleep(ctx, pause) == nil && ctx.Err() == nil
}

// mayHelp reports whether a repetition is safe and may have another outcome.
func (a *attempts) mayHelp(err error) bool {
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return false
	case store.KindOf(err) == store.Throttled:
		return true
	}
	return a.safe == repeatable && inDoubt(err)
}

// inDoubt reports whether err leaves open what the service did. All other errors
// are the answer: Corrupt and Precondition too call for another look at the
// objects, not for the same request.
func inDoubt(err error) bool {
	if err == nil {
		return false
	}
	switch store.KindOf(err) {
	case store.Throttled, store.Unavailable, store.Unknown:
		return true
	default:
		return false
	}
}

// pause is how long to wait before the next attempt; false where that is too
// long.
func (a *attempts) pause(ctx context.Context, err error) (time.Duration, bool) {
	o := a.s.opts
	ceiling := o.Base
	if store.KindOf(err) == store.Throttled {
		ceiling = o.Throttled
	}
	for range a.failed - 1 {
		if ceiling *= 2; ceiling >= o.Max {
			break
		}
	}
	d := time.Duration(o.Jitter() * float64(min(ceiling, o.Max)))
	if e, ok := errors.AsType[*store.Error](err); ok && e.RetryAfter > 0 {
		if e.RetryAfter > o.LongestWait {
			return 0, false
		}
		d = max(d, e.RetryAfter)
	}
	if deadline, ok := ctx.Deadline(); ok && deadline.Sub(a.s.now()) < d+o.Margin {
		return 0, false
	}
	return d, true
}
