package cutover

import (
	"context"
	"errors"
	"log/slog"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/store"
)

var (
	errTooManyUndone = errors.New("more copies were written after the turn than stragglers can have: none is undone; find out what writes copies there, then run the sweep again")
	errTooManyKept   = errors.New("more would have to be kept for resolve than anyone can decide on: find out what changes the old side, then run the sweep again")
)

// do does what a look says, bound to what it saw.
func (w *sweeper) do(ctx context.Context, key string, l sweepLook) error {
	undo, keep, untold := l.act.kinds()
	if err := w.mayStill(undo, keep); err != nil {
		return err
	}
	var err error
	if keep {
		old := l.old
		if l.act == sweepKeepDelete {
			old = nil
		}
		err = w.keepLate(ctx, w.epoch, w.facts.turn.To.Other(), w.old, key, old, "found by the sweep: "+l.why)
	}
	if err == nil {
		err = w.write(ctx, key, l)
	}
	if err != nil {
		return err
	}
	w.log.WarnContext(ctx, "swept", slog.String("key", key), slog.String("reason", l.why))
	w.count(func(out *report.Sweep) {
		if undo {
			out.Undone++
		}
		if keep {
			out.Kept++
		}
		if l.act == sweepPut || l.act == sweepCount {
			out.Repaired++
		}
		if untold {
			out.Dropped++
		}
		example(out, key, l.why)
	})
	return nil
}

// kinds says what an act counts as: the undoing of a straggler's write, something
// kept for resolve, a change that no event had told of in time.
func (a sweepAct) kinds() (undo, keep, untold bool) {
	switch a {
	case sweepRestore, sweepRemove:
		undo = true
	case sweepKeepRemove:
		undo, keep = true, true
	case sweepKeepLate:
		keep = true
	case sweepKeepUntold, sweepKeepDelete:
		keep, untold = true, true
	case sweepPut, sweepCount:
		untold = true
	}
	return undo, keep, untold
}

// mayStill counts ahead, so that many workers together keep to the bounds.
func (w *sweeper) mayStill(undo, keep bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case undo && w.undoing == maxUndone:
		return errTooManyUndone
	case keep && w.keeping == maxKept:
		return errTooManyKept
	}
	if undo {
		w.undoing++
	}
	if keep {
		w.keeping++
	}
	return nil
}

// write changes the authority as the look says. What it puts there carries no
// stamp: it is the application's own, and is carried back like everything.
func (w *sweeper) write(ctx context.Context, key string, l sweepLook) error {
	switch l.act {
	case sweepPut:
		return w.put(ctx, l.old, store.IfAbsent())
	case sweepRestore:
		return w.put(ctx, l.old, store.IfMatch(l.auth.Version))
	case sweepRemove, sweepKeepRemove:
		return w.auth.Delete(ctx, key, store.IfMatch(l.auth.Version))
	default:
		return nil
	}
}

func (w *sweeper) put(ctx context.Context, old *store.Object, cond store.Condition) error {
	_, err := w.auth.Put(ctx, old.Key, store.NewObjectContent(w.old, old), store.PutOptions{
		If: cond, Attrs: unstamped(old.Attrs), Checksums: old.Checksums.Cheapest(),
	})
	return err
}
