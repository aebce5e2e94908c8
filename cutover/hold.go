package cutover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

const (
	// beatEvery is how long a live operator leaves the control object unwritten.
	beatEvery = time.Second

	// standstill is for how long an operator's beat has to stand still before
	// another may take a run over. It is measured by the other's clock.
	standstill     = 3 * time.Second
	standstillPoll = 500 * time.Millisecond

	// maxRounds bounds the tries of one compare-and-swap against writers that
	// are no operators.
	maxRounds = 8
)

// TakenOverError says that another operator is at the run now: whoever gets it
// must do nothing more.
type TakenOverError struct {
	Operator string
	PID      int
}

func (e *TakenOverError) Error() string {
	if e.Operator == "" {
		return "the run was ended by another operator: crossfade status says where the migration stands"
	}
	return fmt.Sprintf("the run was taken over by %s (process %d), which is at it now: nothing more is done here", e.Operator, e.PID)
}

func isTakenOver(err error) bool {
	_, ok := errors.AsType[*TakenOverError](err)
	return ok
}

// BusyError says that another operator is alive and at the run.
type BusyError struct {
	Operation string
	Operator  string
	PID       int
	Phase     control.Phase
	Since     time.Time // by the other's clock
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%s (process %d) is at a %s, %s, since %s: wait for its end, or stop it there with Ctrl-C",
		e.Operator, e.PID, e.Operation, e.Phase, e.Since.UTC().Format(time.RFC3339))
}

// hold is what an operator has of the control object: all its writes go through
// one, so that it notices at once if someone else is at the run.
type hold struct {
	docs *control.Documents
	log  *slog.Logger
	now  func() time.Time
	me   Operator

	turn chan struct{} // holds one token: whoever has it may write

	mu    sync.Mutex
	held  control.Held
	tried int64     // the highest beat that this operator may have written
	wrote time.Time // when it last wrote
	ended bool      // it may have written that the run is over
	lost  error
	stop  context.CancelCauseFunc // ends the run when it is lost
}

func (e *Engine) newHold(held control.Held) *hold {
	h := &hold{
		docs: e.docs, log: e.log, now: e.o.Now, me: e.o.Operator, turn: make(chan struct{}, 1),
		held: held, wrote: e.o.Now(), stop: func(error) {},
	}
	h.turn <- struct{}{}
	if held.Run != nil {
		h.tried = held.Run.Beat
	}
	return h
}

// state is the newest that is known.
func (h *hold) state() control.State {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held.Clone()
}

// mine reports whether s is still this operator's to change.
func (h *hold) mine(s control.State) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	was, is := h.held.Run, s.Run
	if was == nil || is == nil {
		return is == nil && (was == nil || h.ended)
	}
	return is.ID == was.ID && is.Operator == h.me.Name && is.Host == h.me.Host && is.PID == h.me.PID && is.Beat <= h.tried
}

// swap changes the state in one compare-and-swap, which is a beat as well.
// change may be called more than once, each time with the newest state. Those
// who write and are no operators, such as a backfill, are given way to.
func (h *hold) swap(ctx context.Context, change func(*control.State) error) (control.State, error) {
	select {
	case <-h.turn:
		defer func() { h.turn <- struct{}{} }()
	case <-ctx.Done():
		return control.State{}, ctx.Err()
	}
	for n := 1; ; n++ {
		held, want, err := h.intend(change)
		if err != nil {
			return control.State{}, err
		}
		now, err := h.docs.Swap(ctx, held, want)
		if err == nil {
			h.adopt(now, true)
			return now.Clone(), nil
		}
		if store.KindOf(err) != store.Precondition || n == maxRounds {
			return control.State{}, err
		}
		newest, err := h.docs.Load(ctx)
		if err != nil {
			return control.State{}, err
		}
		if !h.mine(newest.State) {
			h.lose(newest.State)
			continue
		}
		h.adopt(newest, false)
	}
}

// intend returns what is held, and what is to be in its place.
func (h *hold) intend(change func(*control.State) error) (control.Held, control.State, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost != nil {
		return control.Held{}, control.State{}, h.lost
	}
	want := h.held.Clone()
	if err := change(&want); err != nil {
		return control.Held{}, control.State{}, err
	}
	h.ended = h.ended || want.Run == nil
	if want.Run != nil {
		h.tried = max(h.tried, want.Run.Beat) + 1
		want.Run.Beat = h.tried
	}
	return h.held, want, nil
}

func (h *hold) adopt(held control.Held, wrote bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = held
	if wrote {
		h.wrote = h.now()
	}
}

func (h *hold) lose(s control.State) {
	by := &TakenOverError{}
	if s.Run != nil {
		by.Operator, by.PID = s.Run.Operator, s.Run.PID
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = by
	h.stop(by)
}

// beat says that this operator lives, unless something else has just said so.
// It returns how long that suffices.
func (h *hold) beat(ctx context.Context) (time.Duration, error) {
	if quiet := h.quiet(); quiet < beatEvery {
		return beatEvery - quiet, nil
	}
	_, err := h.swap(ctx, func(*control.State) error { return nil })
	return beatEvery, err
}

// gone returns an error once the run is known to be another's.
func (h *hold) gone() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}

// quiet is how long ago this operator last wrote.
func (h *hold) quiet() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now().Sub(h.wrote)
}

// sure makes certain that the run was not taken over: nobody can have, for as
// long as others wait for a beat.
func (h *hold) sure(ctx context.Context) error {
	if err := h.gone(); err != nil || h.quiet() < standstill/2 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, standstill/2)
	defer cancel()
	_, err := h.swap(ctx, func(*control.State) error { return nil })
	return err
}

// keep beats until the returned function is called, and waited for. It does not
// end with ctx: an abort is a run as well.
func (e *Engine) keep(ctx context.Context, h *hold) (end func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		for wait := time.Duration(0); e.o.Sleep(ctx, wait) == nil; {
			next, err := h.beat(ctx)
			if isTakenOver(err) {
				return
			}
			if err != nil && ctx.Err() == nil {
				h.log.WarnContext(ctx, "the control object could not be renewed", slog.Any("error", err))
				next = beatEvery
			}
			wait = next
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// takeOver makes this engine's operator the one of the run that held names:
// at once where the last one is surely dead, else once its beat stands still.
func (e *Engine) takeOver(ctx context.Context, held control.Held) (*hold, error) {
	run := held.Run
	me := e.o.Operator
	here := run.Host == me.Host && me.Host != ""
	dead := here && (run.PID == me.PID || me.Alive != nil && !me.Alive(run.PID))
	if !dead {
		var err error
		if held, err = e.watch(ctx, held); err != nil {
			return nil, err
		}
	}
	h := e.newHold(held)
	want := held.Clone()
	who := want.Run.Operator
	h.tried++
	want.Run.Operator, want.Run.Host, want.Run.PID, want.Run.Beat = me.Name, me.Host, me.PID, h.tried
	want.Note(e.entry(fmt.Sprintf("%s taken up again", want.Run.Operation), "of "+who))
	now, err := e.docs.Swap(ctx, held, want)
	if store.KindOf(err) == store.Precondition {
		if held, lerr := e.docs.Load(ctx); lerr == nil && held.Run != nil {
			return nil, busy(held.State)
		}
		return nil, errors.New("somebody else has just changed the control object: look at crossfade status, and try again")
	}
	if err != nil {
		return nil, err
	}
	h.adopt(now, true)
	e.tell(now.State, "resumed", "continuing the "+want.Run.Operation+" of "+who)
	return h, nil
}

// watch waits until the beat of held's operator has stood still long enough, and
// refuses if it moves.
func (e *Engine) watch(ctx context.Context, held control.Held) (control.Held, error) {
	e.tell(held.State, "wait", fmt.Sprintf("is %s (process %d) still at it?", held.Run.Operator, held.Run.PID))
	for begun := e.o.Now(); e.o.Now().Sub(begun) < standstill; {
		if err := e.o.Sleep(ctx, standstillPoll); err != nil {
			return control.Held{}, err
		}
		now, err := e.load(ctx)
		if err != nil {
			return control.Held{}, err
		}
		switch {
		case now.Run == nil:
			return control.Held{}, errors.New("the run has just ended: look at crossfade status, and try again")
		case now.Run.ID != held.Run.ID || now.Run.Beat != held.Run.Beat:
			return control.Held{}, busy(now.State)
		}
		held = now
	}
	return held, nil
}

func busy(s control.State) error {
	return &BusyError{Operation: s.Run.Operation, Operator: s.Run.Operator, PID: s.Run.PID, Phase: s.Phase, Since: since(s)}
}

// since is when the phase of s began, as far as the history says.
func since(s control.State) time.Time {
	at := s.Run.Started
	for i := len(s.History) - 1; i >= 0 && s.History[i].Phase == s.Phase; i-- {
		at = s.History[i].At
	}
	return at
}

// entry is a line of the history by this operator.
func (e *Engine) entry(what, note string) control.Entry {
	return control.Entry{At: e.o.Now().UTC().Round(0), Who: cmp.Or(e.o.Operator.Name, "unknown"), What: what, Note: note}
}
