package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// fence is what a verb that copies from one store to another has to mind, where a
// migration is declared between the two: no write goes against the authority.
type fence struct {
	store store.Store // the control store
	docs  *control.Documents
	guard *control.Guard
	state control.State // when the verb began
	now   func() time.Time
	every time.Duration // between renewals of the note of a backfill
}

// newFence returns the fence of p, or nil where no migration is declared. With a
// file that is the file's. With two URLs it is looked for among the documents on
// either end, which costs a listing each: a migration whose control documents are
// kept elsewhere is not seen.
func (e *env) newFence(ctx context.Context, p pair, log *slog.Logger) (*fence, error) {
	if p.file != nil {
		return e.openFence(ctx, p.file.Control, p.file.Name, p, control.Forward, log)
	}
	found, err := e.findMigration(ctx, p, log)
	if err != nil || found.name == "" {
		return nil, err
	}
	return e.openFence(ctx, found.at, found.name, p, found.direction, log)
}

func (e *env) openFence(ctx context.Context, at config.Location, name string, p pair, d control.Direction, log *slog.Logger) (_ *fence, err error) {
	st, err := at.Open(ctx, e.openers, e.pace(controlRequests, log))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.Close())
		}
	}()
	docs, err := control.Open(st, name, rand.Text)
	if err != nil {
		return nil, err
	}
	held, err := docs.Load(ctx)
	if err != nil {
		return nil, err
	}
	if !ofEnds(held.State, p, d) {
		return nil, fmt.Errorf("the control object of %s in %s is of the ends %s and %s: give the migration another name, or the ends that it was begun with", name, at, held.Source, held.Target)
	}
	return &fence{store: st, docs: docs, guard: control.NewGuard(docs, d, e.now, e.lease), state: held.State, now: e.now, every: control.BackfillRenew}, nil
}

func (f *fence) close() error { return f.store.Close() }

// decorator guards the store that is written to. It is the innermost, so that
// each attempt at a write is checked.
func (f *fence) decorator(_ config.Location, opened store.Store) store.Store {
	return f.guard.Guarded(opened)
}

// admit is nil if the migration permits copying in this direction, as it was
// last read. whole is for what copies more than single keys: no cutover begins
// beside it, and it does not begin beside a cutover.
func (f *fence) admit(whole bool) error {
	s := f.state
	name := f.docs.Migration
	switch {
	case s.Phase == control.Done:
		return fmt.Errorf("the migration %s is done, and nothing is copied any more; to copy all the same, remove %s from its control store", name, control.StateKey(name))
	case s.Authority != f.guard.Direction().From():
		return fmt.Errorf("the application writes to the %s since the migration %s was turned round (%s, epoch %d): nothing may be copied there from the %s", s.Authority, name, s.Phase, s.Epoch, s.Authority.Other())
	case s.Run != nil && (!s.MayWrite(f.guard.Direction()) || whole && !s.Steady()):
		return fmt.Errorf("a %s of the migration %s is under way (%s, by %s): wait for its end, or give it up with crossfade abort", s.Run.Operation, name, s.Phase, s.Run.Operator)
	default:
		return nil
	}
}

// policy is p, with what is known of a target that was the authority before. What
// was written there late is for its function to keep, and never overwritten here.
func (f *fence) policy(p replicate.Policy) replicate.Policy {
	if t := f.state.Turned(f.guard.Direction()); t != nil {
		p.Foreign, p.Inherited, p.Born = replicate.KeepForeign, t.Cut.UTC(), t.Born.UTC()
	}
	return p
}

// record notes keys that are about to be synced, where a cutover minds them.
func (f *fence) record(ctx context.Context, keys []string) error {
	if !f.state.Journals() {
		return nil
	}
	return f.docs.Record(ctx, f.state.Run.ID, keys, f.now())
}

// errUnseen ends a backfill that could not say that it is under way.
var errUnseen = errors.New("the note that this backfill is under way could not be renewed, so that a cutover would not see it; when the control store can be written again, run the same command again")

// register says that a backfill is under way, so that no cutover begins, until
// the returned function is called. The returned context ends with ctx, and when
// the note could not be renewed.
func (f *fence) register(ctx context.Context, log *slog.Logger) (context.Context, func(), error) {
	note := control.Backfill{ID: rand.Text(), Operator: operator().Name, Begun: f.now()}
	put := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, control.BackfillRenew/2)
		defer cancel()
		note.Renewed = f.now()
		return f.docs.PutBackfill(ctx, note)
	}
	if err := put(ctx); err != nil {
		return nil, nil, err
	}
	end := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), control.BackfillRenew/2)
		defer cancel()
		if err := f.docs.EndBackfill(ctx, note.ID); err != nil {
			log.Warn("the note of this backfill could not be removed: until it is stale, no cutover begins", "after", control.BackfillStale, "err", err)
		}
	}
	// A cutover announces itself and then looks for notes: one of the two sees
	// the other.
	held, err := f.docs.Load(ctx)
	if err == nil {
		f.state = held.State
		err = f.admit(true)
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	work, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { f.renew(work, cancel, put, log) })
	return work, func() {
		cancel(nil)
		wg.Wait()
		end()
	}, nil
}

// renew renews the note until work ends, and ends that if it fails too often.
func (f *fence) renew(work context.Context, cancel context.CancelCauseFunc, put func(context.Context) error, log *slog.Logger) {
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for failed := 0; failed < 2; {
		select {
		case <-work.Done():
			return
		case <-tick.C:
		}
		if err := put(work); err != nil {
			failed++
			log.Warn("the note of this backfill could not be renewed", "err", err)
			continue
		}
		failed = 0
	}
	cancel(errUnseen)
}
