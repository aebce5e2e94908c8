package fence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// operator goes through the steps of a turn, each a compare-and-swap, as package
// cutover does. One that finds a turn under way takes it over.
type operator struct {
	w        *World
	t        *task
	docs     *control.Documents
	sound    *replicate.Replicator // for its own Syncs, guarded as a function's are
	held     control.Held
	from, to control.Side
}

var (
	errTaken   = errors.New("taken over by another operator")
	errUnequal = errors.New("a key could not be made equal")
)

// operate begins an operator who makes to the authority, looks after it, and
// then, if back is set, turns back.
func (w *World) operate(to control.Side, back bool) {
	p := &process{}
	t := w.begin("operator", p, func(ctx context.Context, t *task) {
		t.err = w.turns(ctx, t, to, back)
	})
	t.operator = true
	w.rest()
}

func (w *World) turns(ctx context.Context, t *task, to control.Side, back bool) error {
	o := &operator{w: w, t: t, docs: w.documents(), to: to, from: to.Other()}
	// Its process is that of its direction from here on.
	if err := w.tell(ctx, "operator", func() {
		t.proc, o.sound = w.newOperator(control.Away(o.from))
	}); err != nil {
		return err
	}
	if err := o.turn(ctx); err != nil {
		return err
	}
	if err := o.after(ctx); err != nil || !back {
		return err
	}
	return w.turns(ctx, t, to.Other(), false)
}

// try calls f until its error does not pass.
func (o *operator) try(ctx context.Context, f func() error) error {
	for {
		err := f()
		if kind := store.KindOf(err); err == nil || ctx.Err() != nil || !kind.Retryable() || kind == store.Precondition || errors.Is(err, errDead) || errors.Is(err, errTaken) {
			return err
		}
		if err := store.Sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

func (o *operator) swap(ctx context.Context, change func(s *control.State)) error {
	next := o.held.Clone()
	change(&next)
	unsure := false // a try that failed may have been done
	return o.try(ctx, func() error {
		held, err := o.docs.Swap(ctx, o.held, next)
		if store.KindOf(err) == store.Precondition && unsure {
			var now control.Held
			if now, err = o.docs.Load(ctx); err == nil && now.Revision == o.held.Revision+1 && now.Phase == next.Phase && mine(now.State, next) {
				o.held = now
				return nil
			}
			if err == nil {
				return errTaken
			}
			return err
		}
		if store.KindOf(err) == store.Precondition {
			return errTaken
		}
		unsure = unsure || err != nil
		if err == nil {
			o.held = held
		}
		return err
	})
}

// mine reports whether a state is the one that was to be written.
func mine(now, next control.State) bool {
	return now.Epoch == next.Epoch && (now.Run == nil) == (next.Run == nil) &&
		(now.Run == nil || now.Run.ID == next.Run.ID && now.Run.Operator == next.Run.Operator && now.Run.Beat == next.Run.Beat)
}

// turn drives from phase to phase until the other side is the authority.
func (o *operator) turn(ctx context.Context) error {
	err := o.try(ctx, func() (err error) {
		o.held, err = o.docs.Load(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if r := o.held.Run; r != nil && (o.held.Authority == o.from || o.held.Phase == control.Switched) {
		if err := o.swap(ctx, func(s *control.State) { s.Run.Operator, s.Run.Beat = o.t.name, s.Run.Beat+1 }); err != nil {
			return err
		}
	}
	for {
		var err error
		switch o.held.Phase {
		case control.Following, control.Reversed:
			if o.held.Authority == o.to {
				return o.only(ctx)
			}
			err = o.announce(ctx)
		case control.Announced:
			err = o.prepare(ctx)
		case control.Frozen:
			err = o.freeze(ctx)
		case control.Switching:
			err = o.change(ctx)
		case control.Switched:
			err = o.open(ctx)
		default:
			err = fmt.Errorf("phase %s", o.held.Phase)
		}
		if errors.Is(err, errUnequal) {
			err = o.abort(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// only returns nil where no other operator is at it: what is left to do is his.
func (o *operator) only(ctx context.Context) error {
	alone := false
	if err := o.w.tell(ctx, "alone", func() { alone = o.w.operators() == 1 }); err != nil || alone {
		return err
	}
	return errTaken
}

func (o *operator) announce(ctx context.Context) error {
	return o.swap(ctx, func(s *control.State) {
		s.Phase = control.Announced
		s.Run = &control.Run{ID: o.w.name(), Operation: "turn", Operator: o.t.name, Announced: time.Now().UTC()}
	})
}

// prepare compares everything once no writer relies on an older state, and waits
// until each invocation has ended that began before the announcement.
func (o *operator) prepare(ctx context.Context) error {
	begun := time.Now()
	wait := func(d time.Duration) error { return store.Sleep(ctx, d-time.Since(begun)) }
	if o.w.cfg.Weak != Hasty {
		if err := wait(lease); err != nil {
			return err
		}
	}
	since, err := o.clock(ctx, o.from)
	if err != nil {
		return err
	}
	for _, key := range o.w.app.keys {
		if _, err := o.mend(ctx, key); err != nil {
			return err
		}
	}
	if err := o.w.tell(ctx, "compared", func() { o.w.compared = true }); err != nil {
		return err
	}
	if o.w.cfg.Weak != Hasty {
		if err := wait(lease + timeout); err != nil {
			return err
		}
		// A machine that was paused for longer than its platform allows, before
		// anyone announced anything, is not covered.
		if err := o.w.until(ctx, "no older stalls", o.w.noOlderStalls); err != nil {
			return err
		}
	}
	// What nobody has noted is older than Turn.Born, in whole seconds.
	if err := store.Sleep(ctx, time.Second); err != nil {
		return err
	}
	return o.swap(ctx, func(s *control.State) {
		s.Phase, s.Run.FreezeBegan, s.Run.Turn.Since = control.Frozen, time.Now().UTC(), since
	})
}

// clock asks a store for its time.
func (o *operator) clock(ctx context.Context, side control.Side) (at time.Time, err error) {
	err = o.try(ctx, func() error {
		obj, err := o.w.store(side).Put(ctx, control.SignalKey(migration, "clock"), store.Bytes("clock"), store.PutOptions{})
		if err == nil {
			at = obj.ModTime
		}
		return err
	})
	return at, err
}

func (o *operator) freeze(ctx context.Context) error {
	w := o.w
	if err := w.tell(ctx, "hold", func() {
		if w.cfg.Freeze {
			w.app.hold(o.held.Epoch)
		}
	}); err != nil {
		return err
	}
	cut, err := o.clock(ctx, o.from)
	if err != nil {
		return err
	}
	born, err := o.clock(ctx, o.to)
	if err != nil {
		return err
	}
	if err := w.until(ctx, "drained", w.drained); err != nil {
		return err
	}
	verified, err := o.verify(ctx)
	if err != nil {
		return err
	}
	if err := w.tell(ctx, "verified", func() { w.verified = verified }); err != nil {
		return err
	}
	if w.cfg.Weak == Unverified {
		verified.Keys = nil
	}
	if err := o.try(ctx, func() error { return o.docs.PutVerified(ctx, verified) }); err != nil {
		return err
	}
	return o.swap(ctx, func(s *control.State) {
		s.Phase = control.Switching
		if w.cfg.Weak != SameEpoch {
			s.Epoch++
		}
		t := &s.Run.Turn
		t.Run, t.Epoch, t.To, t.At, t.Cut, t.Born = s.Run.ID, s.Epoch, o.to, time.Now().UTC(), cut, born
		if w.cfg.Weak == CutNow {
			t.Cut = cut.Add(24 * time.Hour)
		}
		if w.cfg.Weak == NeverBorn {
			t.Born = time.Time{}
		}
	})
}

// verify looks at each key of the journal, and makes it equal.
func (o *operator) verify(ctx context.Context) (control.Verified, error) {
	v := control.Verified{Run: o.held.Run.ID, Keys: map[string]control.EndPair{}}
	var keys []string
	if err := o.w.tell(ctx, "verify", func() {
		o.w.verifying = true
		clear(o.w.after)
	}); err != nil {
		return v, err
	}
	err := o.try(ctx, func() error {
		keys = nil
		for name, err := range o.docs.Entries(ctx, v.Run, time.Time{}) {
			if err != nil {
				return err
			}
			of, err := o.docs.Keys(ctx, name)
			if err != nil {
				return err
			}
			keys = append(keys, of...)
		}
		return nil
	})
	if err != nil {
		return v, err
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if v.Keys[key], err = o.mend(ctx, key); err != nil {
			return v, err
		}
	}
	return v, nil
}

// change has the hook move the application, and undoes it if that fails.
func (o *operator) change(ctx context.Context) error {
	moved := false
	epoch := o.held.Epoch
	if err := o.w.do(ctx, &request{name: "switch hook", effect: func() error {
		if o.w.hookFails() {
			return nil
		}
		moved = o.w.app.move(o.to, epoch)
		return nil
	}}); err != nil && !moved {
		return o.undo(ctx, err)
	}
	if !moved {
		return o.undo(ctx, nil)
	}
	return o.swap(ctx, func(s *control.State) {
		turn := s.Run.Turn
		s.Phase, s.Authority, s.Turn = control.Switched, o.to, &turn
	})
}

// undo tells the application that it stays, and takes the switch back.
func (o *operator) undo(ctx context.Context, err error) error {
	if errors.Is(err, errDead) {
		return err
	}
	epoch := o.held.Epoch
	if err := o.w.do(ctx, &request{name: "undo hook", effect: func() error { o.w.app.move(o.from, epoch); return nil }}); err != nil {
		return err
	}
	if err := o.swap(ctx, func(s *control.State) {
		s.Phase, s.Epoch, s.Run.Turn = control.Frozen, s.Epoch+1, control.Turn{}
	}); err != nil {
		return err
	}
	return o.abort(ctx)
}

// abort lets the application go on where it was.
func (o *operator) abort(ctx context.Context) error {
	epoch := o.held.Epoch
	if err := o.w.do(ctx, &request{name: "unfreeze hook", effect: func() error { o.w.app.move(o.from, epoch); return nil }}); err != nil {
		return err
	}
	return o.swap(ctx, func(s *control.State) {
		s.Run, s.Phase = nil, control.Following
		if s.Authority == control.Target {
			s.Phase = control.Reversed
		}
	})
}

func (o *operator) open(ctx context.Context) error {
	return o.swap(ctx, func(s *control.State) {
		s.Run, s.Phase = nil, control.Reversed
		if s.Authority == control.Source {
			s.Phase = control.Following
		}
	})
}
