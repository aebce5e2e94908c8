package watch

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

var noResult replicate.Result

// rescans runs one whenever it is wanted, and every Rescan.
func (w *Watcher) rescans(ctx context.Context, proc Processor) error {
	var rest time.Duration // after the last one
	for first := true; ; first = false {
		why, err := w.wanted(ctx, first, rest)
		if err != nil {
			return nil //nolint:nilerr // ctx has ended, which is how this ends
		}
		began := w.opts.Now()
		err = w.opts.Compare(ctx, func(ctx context.Context, key string, hint replicate.Hint) (replicate.Result, error) {
			return w.sync(ctx, proc, key, hint)
		})
		rest = w.opts.Now().Sub(began)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end of ctx is not a failure
		case err != nil:
			w.update(func(s *State) { s.RescansFailed++ })
			w.opts.Log.ErrorContext(ctx, "rescan", slog.String("why", why), slog.String("error", functions.LogText(err.Error())))
		default:
			w.update(func(s *State) { s.Rescans, s.Rescanned = s.Rescans+1, began })
			w.opts.Log.InfoContext(ctx, "rescan", slog.String("why", why), slog.Int64("ms", rest.Milliseconds()))
		}
	}
}

// wanted waits for the next rescan: until one is asked for, but no less than
// rest, so that rescans never take more than half of the time, or until the
// interval has passed. The first is asked for when the watches stand.
func (w *Watcher) wanted(ctx context.Context, first bool, rest time.Duration) (why string, err error) {
	if err := store.Sleep(ctx, min(rest, w.opts.Rescan)); err != nil {
		return "", err
	}
	var passed <-chan time.Time
	if !first {
		t := time.NewTimer(max(w.opts.Rescan-rest, 0))
		defer t.Stop()
		passed = t.C
	}
	select {
	case why = <-w.rescan:
		return why, nil
	case <-passed:
		return "interval", nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// sync hands one key of a rescan to proc, which logs and counts it as it does an
// event, and returns the verdict as replicate's Sync would.
func (w *Watcher) sync(ctx context.Context, proc Processor, key string, hint replicate.Hint) (replicate.Result, error) {
	work, cancel := w.graceful(ctx)
	defer cancel()
	v := proc.Process(work, []functions.Event{{
		Source: source, Type: "rescan", Bucket: w.opts.Dir, Key: key,
		Created: hint == replicate.HintNew, Removed: hint == replicate.HintRemoved,
	}})[0]
	if v.Outcome == functions.Ack {
		return replicate.Result{Reason: v.Reason}, nil
	}
	kind := v.Kind
	if retryable := kind.Retryable(); v.Outcome == functions.DeadLetter && retryable {
		kind = store.Invalid
	}
	return noResult, &store.Error{Op: "rescan", Store: "file://" + w.opts.Dir, Key: key, Kind: kind, RetryAfter: v.After, Err: errors.New(v.Reason)}
}
