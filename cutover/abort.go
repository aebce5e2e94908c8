package cutover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// AbortedError says that a run ended before the switch.
type AbortedError struct {
	Reason error
	From   control.Side // where the application goes on

	// Held is set where the application may still be held, because it could not
	// be told otherwise: Thaw says why.
	Held bool
	Thaw error
}

func (e *AbortedError) Error() string {
	if e.Held {
		return fmt.Sprintf("aborted before the switch: %s; but the application may still be held, for %s: let it go on at the %s, and run crossfade abort", e.Reason, e.Thaw, e.From)
	}
	return fmt.Sprintf("aborted before the switch, the application goes on at the %s: %s", e.From, e.Reason)
}

// Unwrap returns the reason.
func (e *AbortedError) Unwrap() error { return e.Reason }

// errByOperator is why Abort aborts.
var errByOperator = errors.New("the operator asked for it")

// Abort ends a run before the switch, and lets the application go on where it
// was. Its own operator, if alive, has to end it by an interrupt instead.
func (e *Engine) Abort(ctx context.Context) (report.Report, error) {
	held, err := e.load(ctx)
	if err != nil {
		return report.Report{}, err
	}
	switch {
	case held.Run == nil || held.Steady():
		return report.Report{}, errNothing
	case held.Phase != control.Announced && held.Phase != control.Frozen:
		return report.Report{}, fmt.Errorf("the migration is %s: it is too late for an abort; run crossfade %s again, which completes it, or undoes it if the switch hook fails", held.Phase, held.Run.Operation)
	}
	r := e.newRun(held.Run.Operation, RunOptions{Strict: held.Run.Strict}, held.State)
	if r.hold, err = e.takeOver(ctx, held); err != nil {
		return report.Report{}, err
	}
	r.earlier(ctx, held.State)
	r.rec.edit(func(rep *report.Report) { rep.Operation = report.Abort })
	end := e.keep(ctx, r.hold)
	defer end()
	again, err := r.abort(ctx, errByOperator)
	if again {
		err = errors.New("the migration has moved on meanwhile: look at crossfade status")
	}
	if a, ok := errors.AsType[*AbortedError](err); ok && !a.Held {
		err = nil
	}
	return r.conclude(ctx, err)
}

// abort lets the application go on where it was and ends the run. It is done
// though ctx has ended. It returns true where the run has gone on instead: the
// write that switched was done, and its answer had been lost.
//
// Before the application is told, the control object says that nobody may switch
// any more, so that a second operator cannot turn it round at the same time.
func (r *run) abort(ctx context.Context, reason error) (again bool, err error) {
	ctx = context.WithoutCancel(ctx)
	r.unfollow()
	tooLate := errors.New("it has gone on")
	s, err := r.swapWithin(ctx, r.reserve(), func(s *control.State) error {
		if s.Phase != control.Announced && s.Phase != control.Frozen {
			return tooLate
		}
		s.Run.Step = stepAborting
		return nil
	})
	switch {
	case errors.Is(err, tooLate):
		return true, nil
	case isTakenOver(err):
		return false, err
	case err != nil:
		// The application is not to wait for the control store. Another operator
		// would have to have taken over within this freeze, through that store.
		s = r.hold.state()
		r.log.WarnContext(ctx, "the control object cannot be written; the application is let go on all the same", slog.Any("error", err))
	}
	r.o.Stepped("aborting")
	r.tell(s, "abort", "aborting: "+reason.Error())
	if !s.Run.FreezeBegan.IsZero() {
		if terr := r.thaw(ctx, s, r.from); isTakenOver(terr) {
			return false, terr
		} else if terr != nil {
			return false, &AbortedError{Reason: reason, From: r.from, Held: true, Thaw: terr}
		}
		r.thawed()
	}
	if err != nil {
		return false, &AbortedError{Reason: fmt.Errorf("%w; the control object could not be written: run crossfade abort once it can be: %w", reason, err), From: r.from}
	}
	err = r.try(ctx, func() (err error) {
		s, err = r.swapWithin(ctx, cleanupTime, r.ends(reason))
		return err
	})
	if err != nil {
		return false, err
	}
	r.o.Stepped("aborted")
	r.denyAgain(ctx)
	r.tell(s, "aborted", "the application goes on at the "+string(r.from))
	r.tidy(ctx)
	return false, &AbortedError{Reason: reason, From: r.from}
}

// ends is the change by which a run ends in an abort.
func (r *run) ends(reason error) func(*control.State) error {
	return func(s *control.State) error {
		if s.Run == nil {
			return nil // an answer was lost
		}
		n, err := next(*s, evAbort)
		if err != nil {
			return err
		}
		n.Run = nil
		n.Note(r.entry(r.op+" aborted", reason.Error()))
		*s = n
		return nil
	}
}

// swapWithin is hold.swap with a time of its own.
func (r *run) swapWithin(ctx context.Context, limit time.Duration, change func(*control.State) error) (control.State, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return r.hold.swap(ctx, change)
}

// reserve is the part of max_freeze that is kept back to let the application go
// on in time: what a write of the control object may take before that.
func (r *run) reserve() time.Duration { return min(2*time.Second, r.m.Cutover.MaxFreeze/5) }

const (
	// thawTries is how often the application is told to go on before that is
	// left to a person.
	thawTries = 3
	thawPause = time.Second
)

// thaw lets the application go on at authority. Each call has a time of its own,
// and ctx should have none.
func (r *run) thaw(ctx context.Context, s control.State, authority control.Side) error {
	if d, ok := r.denier(); ok && authority == control.Source && r.from == control.Source {
		if err := r.try(ctx, func() error {
			ctx, cancel := r.after(ctx)
			defer cancel()
			return d.AllowWrites(ctx, r.m.Name)
		}); err != nil {
			return fmt.Errorf("the deny policy could not be removed: %w", err)
		}
		r.o.Stepped("policy:lifted")
	}
	if hook := r.m.Cutover.Unfreeze; hook != nil {
		return r.try(ctx, func() error { return r.hook(ctx, *hook, s, StepUnfreeze, authority) })
	}
	return nil
}

// try calls f up to thawTries times.
func (r *run) try(ctx context.Context, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		if err == nil || n == thawTries || isTakenOver(err) || store.KindOf(err) == store.Invalid {
			return err
		}
		if serr := r.o.Sleep(ctx, thawPause); serr != nil {
			return err
		}
	}
}

// thawed ends the freeze in the report.
func (r *run) thawed() {
	now := r.now()
	r.rec.edit(func(rep *report.Report) {
		f := rep.Freeze
		if f == nil || f.Start.IsZero() || !f.End.IsZero() {
			return
		}
		f.End, f.Seconds = now, now.Sub(f.Start).Seconds()
		if !r.froze.IsZero() {
			f.Seconds = r.o.Now().Sub(r.froze).Seconds()
		}
	})
}

// release lets the application go on if this operator told it to hold while the
// run was taken over, and the other one is through with it.
func (r *run) release(ctx context.Context) {
	hook := r.m.Cutover.Unfreeze
	if !r.doubt || hook == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	limited, cancel := context.WithTimeout(ctx, swapTime)
	defer cancel()
	now, err := r.load(limited)
	if err != nil || !now.Steady() {
		return // who has taken the run over will tell it
	}
	ran, err := r.o.Hooks.Run(ctx, *hook, r.call(now.State, StepUnfreeze, now.Authority))
	r.rec.hookRan(ran)
	if err != nil {
		r.log.WarnContext(ctx, "the application may be held: let it go on", slog.String("authority", string(now.Authority)), slog.Any("error", err))
	}
}

// hook runs one of the user's hooks, unless the run was taken over.
func (r *run) hook(ctx context.Context, hook config.Hook, s control.State, step string, authority control.Side) error {
	r.tell(s, step, fmt.Sprintf("%s hook, for the %s", step, authority))
	r.o.Stepped(step + "-hook:before")
	err := r.hold.gone()
	if authority == r.to && step == StepSwitch || step == StepFreeze {
		// The others come right after a write, or have to come in any case.
		err = r.hold.sure(ctx)
	}
	if isTakenOver(err) {
		return err
	}
	ran, err := r.o.Hooks.Run(ctx, hook, r.call(s, step, authority))
	if step == StepFreeze {
		r.doubt = r.hold.quiet() >= standstill
	}
	r.rec.hookRan(ran)
	r.o.Stepped(step + "-hook:after")
	if err != nil {
		r.tell(s, step, err.Error())
	}
	return err
}

func (r *run) call(s control.State, step string, authority control.Side) HookCall {
	c := HookCall{
		Migration: r.m.Name, Operation: r.op, Step: step, Authority: authority,
		Source: r.sourceID, Target: r.targetID, Epoch: s.Epoch, MaxFreeze: r.m.Cutover.MaxFreeze, DryRun: r.opts.DryRun,
	}
	if s.Run != nil {
		c.Run = s.Run.ID
	}
	return c
}
