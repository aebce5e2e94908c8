package cutover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

const (
	// swapTime bounds one try to say that the application has moved.
	swapTime = 5 * time.Second

	// turnWait is how long the first change is waited for that comes back by the
	// functions of the new direction. The application does not wait for it.
	turnWait = time.Minute
)

var (
	errNoSwitchHook = errors.New("cutover.switch is not declared: declare the hook that turns the application round")
	errUnverified   = errors.New("the list of what was verified in the freeze could not be written")
)

// untilSwitched turns the application round, or undoes it. Nobody writes
// meanwhile, and ctx does not end.
func (r *run) untilSwitched(ctx context.Context, s control.State) error {
	hook := r.m.Cutover.Switch
	switch {
	case s.Run.Step == stepUndoing:
		return r.undo(ctx, s, errors.New("the switch hook had failed"))
	case hook == nil:
		return r.undo(ctx, s, errNoSwitchHook)
	}
	if there, err := r.verifiedThere(ctx, s); err != nil {
		return err
	} else if !there {
		// The hook has not been run, for it comes after the list.
		return r.undo(ctx, s, errUnverified)
	}
	end := r.rec.part("switch")
	err := r.hook(ctx, *hook, s, StepSwitch, r.to)
	end("")
	if isTakenOver(err) {
		return err
	}
	if err != nil {
		return r.undo(ctx, s, err)
	}
	thawed := r.m.Cutover.Unfreeze == nil
	switched, err := r.swapWithin(ctx, r.reserve(), r.becomes(&thawed))
	if err != nil && !isTakenOver(err) {
		// It has moved: there is no way but on. It need not wait for the control
		// store to say so.
		if terr := r.thaw(ctx, s, r.to); isTakenOver(terr) {
			return terr
		} else if terr != nil {
			return r.notThawed(fmt.Errorf("%w; %w", err, terr))
		}
		r.thawed()
		thawed = true
		err = r.try(ctx, func() (err error) {
			switched, err = r.swapWithin(ctx, swapTime, r.becomes(&thawed))
			return err
		})
	}
	if isTakenOver(err) {
		return err
	}
	if err != nil {
		return fmt.Errorf("the application was moved to the %s, but the control object could not be written, and changes do not flow back yet: run crossfade %s again: %w", r.to, r.op, err)
	}
	r.o.Stepped("switched")
	r.tell(switched, "switched", "the application uses the "+string(r.to))
	if !switched.Run.Thawed.IsZero() {
		r.thawed()
	}
	return nil
}

// becomes is the change by which the new side becomes the authority. thawed says
// that the application has been told to go on, or need not be.
func (r *run) becomes(thawed *bool) func(*control.State) error {
	return func(s *control.State) error {
		if s.Phase != control.Switched { // else an answer was lost
			n, err := next(*s, evSwitched)
			if err != nil {
				return err
			}
			turn := n.Run.Turn
			n.Turn = &turn
			n.Run.Step = ""
			n.Note(r.entry("switched", "the "+string(r.to)+" is the authority"))
			*s = n
		}
		if *thawed {
			s.Run.Thawed = r.now()
		}
		return nil
	}
}

// verifiedThere reports whether the list of what was verified is durable.
func (r *run) verifiedThere(ctx context.Context, s control.State) (bool, error) {
	if r.verified {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, swapTime)
	defer cancel()
	_, err := r.docs.Verified(ctx, s.Run.ID)
	switch {
	case err == nil:
		r.verified = true
		return true, nil
	case store.KindOf(err) == store.NotFound, !r.froze.IsZero():
		return false, nil // this process knows that it has not run the hook
	default:
		return false, fmt.Errorf("the list of what was verified in the freeze cannot be read: %w", err)
	}
}

// undo tells the application that it stays where it was, and aborts.
func (r *run) undo(ctx context.Context, s control.State, reason error) error {
	_, err := r.swapWithin(ctx, r.reserve(), func(s *control.State) error {
		s.Run.Step = stepUndoing
		return nil
	})
	if isTakenOver(err) {
		return err
	}
	if err != nil {
		r.log.WarnContext(ctx, "the control object cannot be written; the application is told all the same", slog.Any("error", err))
	}
	r.o.Stepped("undoing")
	if hook := r.m.Cutover.Switch; hook != nil {
		end := r.rec.part("undo")
		err := r.try(ctx, func() error { return r.hook(ctx, *hook, s, StepSwitch, r.from) })
		end("")
		if isTakenOver(err) {
			return err
		}
		if err != nil {
			reason = fmt.Errorf("%w; and undoing it failed as well, so make sure that the application uses the %s: %w", reason, r.from, err)
		}
	}
	_, err = r.swapWithin(ctx, r.reserve(), func(s *control.State) error {
		if s.Phase == control.Frozen {
			return nil // an answer was lost
		}
		n, err := next(*s, evUndo)
		if err != nil {
			return err
		}
		n.Run.Step = stepAborting
		n.Run.Turn = control.Turn{Since: n.Run.Turn.Since}
		n.Note(r.entry("switch undone", reason.Error()))
		*s = n
		return nil
	})
	if isTakenOver(err) {
		return err
	}
	if err != nil {
		if terr := r.thaw(ctx, s, r.from); isTakenOver(terr) {
			return terr
		} else if terr != nil {
			return &AbortedError{Reason: reason, From: r.from, Held: true, Thaw: terr}
		}
		r.thawed()
		return &AbortedError{Reason: fmt.Errorf("%w; the control object could not be written, so that nothing is copied until it is: run crossfade %s again: %w", reason, r.op, err), From: r.from}
	}
	r.o.Stepped("undone")
	_, err = r.abort(ctx, reason)
	return err
}

// notThawed says that an application that has moved may still be held.
func (r *run) notThawed(err error) error {
	return fmt.Errorf("the application was moved to the %s, but may still be held: let it go on there, or run crossfade %s again, which tells it once more: %w", r.to, r.op, err)
}

// untilTurned lets the application go on, and waits for a change to come back by
// the functions of the new direction.
func (r *run) untilTurned(ctx context.Context, s control.State) error {
	if s.Run.Thawed.IsZero() {
		ctx := context.WithoutCancel(ctx)
		end := r.rec.part("unfreeze")
		err := r.thaw(ctx, s, r.to)
		end("")
		if isTakenOver(err) {
			return err
		}
		if err != nil {
			return r.notThawed(err)
		}
		r.thawed()
		if s, err = r.swapWithin(ctx, cleanupTime, func(s *control.State) error {
			s.Run.Thawed = r.now()
			return nil
		}); err != nil {
			return err
		}
		r.o.Stepped("thawed")
		r.tell(s, "thawed", "the application goes on at the "+string(r.to))
	}
	end := r.rec.phase("reverse")
	m, err := r.measureLag(ctx, s, turnWait)
	lag := time.Duration(m.sample.MS) * time.Millisecond
	switch {
	case err == nil && m.sample.Lost:
		err = fmt.Errorf("a canary was waited for %s", lag)
	case err == nil && m.seen.Revision < s.Revision:
		err = fmt.Errorf("a function of that direction has read the control object at revision %d, and it is at %d", m.seen.Revision, s.Revision)
	}
	if err != nil {
		end("no change has come back")
		if ctx.Err() != nil && !isTakenOver(context.Cause(ctx)) {
			err = errors.New("interrupted")
		}
		return fmt.Errorf("the application uses the %s, but no change has come back to the %s yet, so the way back is not open: look at the functions for the %s's events (deployed? CROSSFADE_DIRECTION? permissions?), then run crossfade %s again: %w",
			r.to, r.from, r.to, r.op, err)
	}
	end("")
	s, err = r.hold.swap(ctx, func(s *control.State) error {
		n, err := next(*s, evTurned)
		if err != nil {
			return err
		}
		n.Note(r.entry("turned", fmt.Sprintf("a change came back within %s", lag)))
		*s = n
		return nil
	})
	if err != nil {
		return err
	}
	r.o.Stepped("turned")
	r.tell(s, "turned", fmt.Sprintf("changes flow back to the %s, within %s: the way back is open", r.from, lag))
	return nil
}
