package cutover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

const (
	// sweepQueue keys wait at most, while the listings go on.
	sweepQueue = 10_000

	// sweepLooks bounds how often a key that changes is looked at.
	sweepLooks = 5

	// The most that a sweep undoes and keeps. Of more to be undone nothing is:
	// those are no stragglers, and a person has to see what goes on there, such as
	// somebody who copies the authority's objects onto themselves, stamps and all.
	maxUndone = 100
	maxKept   = 10_000
)

// Sweep looks at everything once more after a change of the authority. It finds
// events from before it that never came, and writes of invocations that had begun
// before it, and repairs both; what it cannot decide it keeps for resolve. It may
// run while the application writes and while functions carry changes back: all
// that it does is bound to what it has seen, and it sees a key twice, with the
// time between that a change may take to the other side, before it does anything.
func (e *Engine) Sweep(ctx context.Context) (report.Sweep, error) {
	held, err := e.load(ctx)
	if err != nil {
		return report.Sweep{}, err
	}
	w, err := e.newSweeper(ctx, held.State)
	if err != nil {
		return report.Sweep{}, err
	}
	begun := e.o.Now()
	w.out.Start = begun.UTC().Round(0)
	if err := w.run(ctx); err != nil {
		return w.out, fmt.Errorf("looking at everything after the turn: %w", err)
	}
	w.out.End = e.o.Now().UTC().Round(0)
	return w.out, e.noteSweep(ctx, w.out, held.Turn.Epoch, e.o.Now().Sub(begun))
}

// noteSweep puts the outcome into the control object.
func (e *Engine) noteSweep(ctx context.Context, out report.Sweep, epoch int64, took time.Duration) error {
	for n := 1; ; n++ {
		held, err := e.load(ctx)
		if err != nil {
			return err
		}
		if held.Turn == nil || held.Turn.Epoch != epoch {
			return errors.New("the authority has changed while everything was looked at")
		}
		s := held.Clone()
		s.Sweep = &control.Sweep{
			At: out.End, Seconds: took.Seconds(), Keys: out.Keys,
			Repaired: out.Repaired, Stragglers: out.Undone, Kept: out.Kept, Failed: out.Failed,
		}
		if _, err = e.docs.Swap(ctx, held, s); err == nil || store.KindOf(err) != store.Precondition || n == maxRounds {
			return err
		}
	}
}

// sweeper is one Sweep.
type sweeper struct {
	*Engine
	facts     sweepFacts
	epoch     int64
	old, auth store.Store
	verified  control.Verified
	filter    backfill.Filter
	settle    time.Duration

	mu               sync.Mutex
	out              report.Sweep
	undo             []suspect // held back until all are known
	stragglers       int       // of which undo has the first
	undoing, keeping int
}

func (e *Engine) newSweeper(ctx context.Context, s control.State) (*sweeper, error) {
	t := s.Turn
	if t == nil || t.To != s.Authority || s.Phase == control.Switching || s.Phase == control.Done {
		return nil, fmt.Errorf("the migration is %s, and there is no change of the authority to look after", s.Phase)
	}
	was := t.To.Other()
	w := &sweeper{
		Engine: e, epoch: s.Epoch, old: e.end(was), auth: e.end(t.To), settle: e.m.Cutover.MaxLag,
		facts: sweepFacts{turn: *t, oldID: e.id(was), authID: e.id(t.To), deletes: e.m.Deletes},
	}
	var err error
	if w.filter, err = backfill.NewFilter(e.m.Include, e.m.Exclude); err != nil {
		return nil, err
	}
	if w.verified, err = e.docs.Verified(ctx, t.Run); err != nil {
		// Without it, what was compared in the freeze would look like stragglers'.
		return nil, fmt.Errorf("the list of what was compared in the freeze cannot be read: %w", err)
	}
	return w, nil
}

// suspect is a key that something may have to be done about.
type suspect struct {
	key  string
	at   time.Time // not before that
	seen sweepLook // the look before, if any
}

// sweepLook is what a look saw, and its judgement.
type sweepLook struct {
	old, auth *store.Object
	act       sweepAct
	why       string
}

// agrees reports whether nothing has changed between two looks.
func (l sweepLook) agrees(m sweepLook) bool {
	same := func(a, b *store.Object) bool {
		return (a == nil) == (b == nil) && (a == nil || a.Version == b.Version && a.ModTime.Equal(b.ModTime))
	}
	return l.act == m.act && same(l.old, m.old) && same(l.auth, m.auth)
}

// run lists, and has workers look at what the listings do not settle. Those that
// are to be looked at a second time queue up in the order of time.
func (w *sweeper) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first, second := make(chan string, sweepQueue), make(chan suspect, sweepQueue)
	var lookers, actors sync.WaitGroup
	for range tailConcurrency {
		lookers.Go(func() {
			for key := range first {
				l, ok := w.lookAt(ctx, key)
				if !ok || l.act == sweepLeave {
					continue
				}
				s := suspect{key, w.o.Now().Add(w.settle), l}
				if undo, _, _ := l.act.kinds(); undo {
					w.gather(ctx, s)
				} else {
					second <- s
				}
			}
		})
		actors.Go(func() {
			for s := range second {
				w.deal(ctx, s)
			}
		})
	}
	err := backfill.Scan(ctx, w.old, w.auth, backfill.Options{
		Filter: w.filter, Ranges: compareRanges, Log: w.log, Sleep: w.o.Sleep,
	}, func(f backfill.Found) bool {
		w.count(func(out *report.Sweep) { out.Keys++ })
		key := f.Key()
		if settledByListing(f.Source, f.Target, f.Unlisted, seenIn(w.verified, w.facts.turn.To, key, f.Source, f.Target), w.facts) {
			return true
		}
		select {
		case first <- key:
			return true
		case <-ctx.Done():
			return false
		}
	})
	if err != nil {
		cancel() // what was begun is bound to what was seen; the rest is left
	}
	close(first)
	lookers.Wait()
	for _, s := range w.gathered(ctx) {
		second <- s
	}
	close(second)
	actors.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// gather holds back what is to be undone. There is no more to be held back than
// may be undone: what comes then counts as failed.
func (w *sweeper) gather(ctx context.Context, s suspect) {
	w.mu.Lock()
	w.stragglers++
	few := w.stragglers <= maxUndone
	if few {
		w.undo = append(w.undo, s)
	}
	w.mu.Unlock()
	if !few {
		w.fail(ctx, s.key, errTooManyUndone)
	}
}

// gathered returns what is to be undone, once all of it is known.
func (w *sweeper) gathered(ctx context.Context) []suspect {
	if w.stragglers <= maxUndone {
		return w.undo
	}
	for _, s := range w.undo {
		w.fail(ctx, s.key, errTooManyUndone)
	}
	return nil
}

func (w *sweeper) count(f func(*report.Sweep)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.out)
}

// lookAt reads a key, the old side first: what is carried from the authority
// meanwhile is then seen there too.
func (w *sweeper) lookAt(ctx context.Context, key string) (l sweepLook, ok bool) {
	var err error
	if l.old, err = definite(ctx, w.old, key); err == nil {
		l.auth, err = definite(ctx, w.auth, key)
	}
	if err != nil {
		w.fail(ctx, key, err)
		return l, false
	}
	l.act, l.why = judgeSweep(l.old, l.auth, seenIn(w.verified, w.facts.turn.To, key, l.old, l.auth), w.facts)
	return l, true
}

// deal looks again once the time has come, until two looks agree, and does what
// they say.
func (w *sweeper) deal(ctx context.Context, s suspect) {
	for n := 1; ; n++ {
		if err := w.o.Sleep(ctx, max(0, s.at.Sub(w.o.Now()))); err != nil {
			return
		}
		l, ok := w.lookAt(ctx, s.key)
		if !ok || l.act == sweepLeave {
			return
		}
		var err error
		if l.agrees(s.seen) {
			if err = w.do(ctx, s.key, l); err == nil {
				return
			}
		}
		moved := err == nil || store.KindOf(err) == store.Precondition || store.KindOf(err) == store.NotFound
		if !moved || n == sweepLooks {
			if err == nil {
				err = fmt.Errorf("it is still changing after %d looks", n)
			}
			w.fail(ctx, s.key, err)
			return
		}
		s.seen, s.at = l, w.o.Now().Add(w.settle)
	}
}

func (w *sweeper) fail(ctx context.Context, key string, err error) {
	if ctx.Err() != nil {
		return
	}
	w.log.WarnContext(ctx, "the sweep could not see to a key", slog.String("key", key), slog.Any("error", err))
	w.count(func(out *report.Sweep) {
		out.Failed++
		example(out, key, "failed: "+err.Error())
	})
}

func example(out *report.Sweep, key, what string) {
	if len(out.Examples) < maxExamples {
		out.Examples = append(out.Examples, key+" ("+what+")")
	}
}
