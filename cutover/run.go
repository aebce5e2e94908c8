package cutover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
)

// The values of control.Run.Step that a run which is taken up goes by.
const (
	stepAborting = "aborting" // nobody may switch any more
	stepUndoing  = "undoing"  // the switch hook failed, and is being told the old side
)

// run is one cutover or rollback, as far as this process is at it.
type run struct {
	*Engine
	op       string
	opts     RunOptions
	from, to control.Side // from is the authority that it begins with
	hold     *hold
	rec      *recorder

	comp   *comparer
	tail   *tail
	litter []string // signals to be removed when there is time

	froze    time.Time // when this process began the freeze; zero if another did
	doubt    bool      // it told the application to hold, and may have lost the run before
	verified bool      // the list of what was verified in the freeze is surely durable
}

// Cutover makes the target the authority. A cutover that is under way, and whose
// operator is gone, is continued. The report tells of what was done in any case;
// the error says why the application was not moved, or what is left to do.
//
// When ctx ends before the switch, the cutover is aborted and the application
// goes on where it was; later it is completed all the same.
func (e *Engine) Cutover(ctx context.Context, o RunOptions) (report.Report, error) {
	return e.operate(ctx, report.Cutover, o)
}

// Rollback is Cutover with the sides exchanged: it makes the source the
// authority again.
func (e *Engine) Rollback(ctx context.Context, o RunOptions) (report.Report, error) {
	return e.operate(ctx, report.Rollback, o)
}

func (e *Engine) newRun(op string, o RunOptions, s control.State) *run {
	r := &run{Engine: e, op: op, opts: o, from: control.Source, to: control.Target}
	if op == report.Rollback {
		r.from, r.to = r.to, r.from
	}
	r.rec = e.newRecorder(op, o, s)
	return r
}

func (e *Engine) operate(ctx context.Context, op string, o RunOptions) (report.Report, error) {
	held, err := e.load(ctx)
	if err != nil {
		return report.Report{}, err
	}
	r := e.newRun(op, o, held.State)
	if o.DryRun {
		err := r.rehearse(ctx, held.State)
		return r.close(held.State, err), err
	}
	if err := r.begin(ctx, held); err != nil {
		return r.close(held.State, err), err
	}
	return r.conclude(ctx, r.drive(ctx))
}

// conclude writes the report of a run that is over here.
func (r *run) conclude(ctx context.Context, err error) (report.Report, error) {
	s := r.hold.state()
	rep := r.close(s, err)
	if !isTakenOver(err) { // the other one's report is the one that counts
		ctx, cancel := r.after(ctx)
		defer cancel()
		r.publish(ctx, rep, true)
		rep = r.rec.copied()
	}
	return rep, err
}

// cleanupTime bounds what is done after a run for the sake of order, and each
// attempt to write the control object when there is no other deadline.
const cleanupTime = 10 * time.Second

// after returns a context for what has to be done though ctx may have ended.
func (r *run) after(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
}

// begin announces a new run, or takes up the one under way.
func (r *run) begin(ctx context.Context, held control.Held) error {
	if held.Run != nil {
		if held.Run.Operation != r.op && held.Steady() {
			return r.follows(ctx, held)
		}
		if held.Run.Operation != r.op {
			return fmt.Errorf("a %s is under way (%s, by %s): continue it with crossfade %[1]s%s", held.Run.Operation, held.Phase, held.Run.Operator, orAbort(held.Phase))
		}
		h, err := r.takeOver(ctx, held)
		if err != nil {
			return err
		}
		r.hold = h
		r.opts.Strict = r.opts.Strict || held.Run.Strict
		r.earlier(ctx, h.state())
		r.o.Stepped("taken over")
		return nil
	}
	if held.Steady() && held.Authority == r.to && held.Turn != nil && sweepDue(held.State) {
		r.hold = r.newHold(held) // only that is left to be done
		r.rec.edit(func(rep *report.Report) { rep.Run = held.Turn.Run })
		return nil
	}
	return r.fresh(ctx, held)
}

// fresh begins a new run, if nothing is in its way.
func (r *run) fresh(ctx context.Context, held control.Held) error {
	checks, err := r.Preflight(ctx, r.op, r.opts)
	if err != nil {
		return err
	}
	if !checks.OK() {
		return &RefusedError{Operation: r.op, Checks: checks}
	}
	return r.announce(ctx, held)
}

// follows begins a new run though the one before, in which the application has
// moved, has not been swept yet: who wants to go back need not wait for it. The
// sweep is then made before anything is compared.
func (r *run) follows(ctx context.Context, held control.Held) error {
	h, err := r.takeOver(ctx, held)
	if err != nil {
		return err
	}
	if _, err := h.swap(ctx, func(s *control.State) error {
		s.Note(r.entry(s.Run.Operation+" ended", "the sweep is left to the "+r.op))
		s.Run = nil
		return nil
	}); err != nil {
		return err
	}
	if held, err = r.load(ctx); err != nil {
		return err
	}
	return r.fresh(ctx, held)
}

// sweepDue reports whether everything has still to be looked at once more after
// the last change of the authority.
func sweepDue(s control.State) bool {
	return s.Turn != nil && (s.Sweep == nil || s.Sweep.At.Before(s.Turn.At))
}

func orAbort(p control.Phase) string {
	if p == control.Announced || p == control.Frozen {
		return ", or end it with crossfade abort"
	}
	return ""
}

// announce makes the functions ask before each write, and note what they sync.
func (r *run) announce(ctx context.Context, held control.Held) error {
	r.hold = r.newHold(held)
	s, err := r.hold.swap(ctx, func(s *control.State) error {
		n, err := next(*s, evAnnounce)
		if err != nil {
			return err
		}
		at, me := r.now(), r.o.Operator
		n.Run = &control.Run{
			ID: r.o.Random(), Operation: r.op, Operator: me.Name, Host: me.Host, PID: me.PID,
			Strict: r.opts.Strict, Started: at, Announced: at,
		}
		n.Note(r.entry(r.op+" announced", ""))
		*s = n
		return nil
	})
	if isTakenOver(err) {
		if now, lerr := r.load(ctx); lerr == nil && now.Run != nil {
			return busy(now.State)
		}
	}
	if err != nil {
		return err
	}
	r.rec.edit(func(rep *report.Report) { rep.Run = s.Run.ID })
	r.tell(s, "announced", "functions ask before each write now")
	r.o.Stepped("announced")
	return nil
}

// now is the time for documents: without a monotonic reading, in UTC.
func (r *run) now() time.Time { return r.o.Now().UTC().Round(0) }

// drive goes from phase to phase until the run is over, one way or the other.
func (r *run) drive(ctx context.Context) error {
	live, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.hold.mu.Lock()
	r.hold.stop = cancel
	r.hold.mu.Unlock()
	defer r.keep(ctx, r.hold)()
	defer r.unfollow()
	for {
		s := r.hold.state()
		var err error
		switch s.Phase {
		case control.Announced:
			err = r.untilFrozen(live, s)
		case control.Frozen:
			err = r.untilSwitching(live, s)
		case control.Switching:
			err = r.untilSwitched(context.WithoutCancel(live), s)
		case control.Switched:
			err = r.untilTurned(live, s)
		default:
			if s.Authority == r.to {
				return r.settle(live, s)
			}
			return &AbortedError{Reason: errors.New("it was ended"), From: r.from}
		}
		if err == nil {
			continue
		}
		var again bool
		if cause := context.Cause(live); isTakenOver(cause) {
			err = cause
		} else {
			again, err = r.failed(ctx, err)
		}
		if isTakenOver(err) {
			r.release(ctx)
		}
		if !again {
			return err
		}
	}
}

// failed sees to it that a run that cannot go on leaves no application held. It
// returns true where the run has to be driven on: a write whose answer was lost
// had been done.
func (r *run) failed(ctx context.Context, reason error) (again bool, err error) {
	if isTakenOver(reason) {
		return false, reason
	}
	switch r.hold.state().Phase {
	case control.Announced, control.Frozen:
		if ctx.Err() != nil {
			reason = errors.New("it was interrupted")
		}
		return r.abort(ctx, reason)
	default:
		return false, reason
	}
}

// settle is what follows when changes flow in the new direction: the sweep, once
// no invocation of the old epoch can be under way any more.
func (r *run) settle(ctx context.Context, s control.State) error {
	r.tidy(ctx)
	end := r.rec.phase("sweep")
	wait := r.m.FunctionTimeout - r.o.Now().Sub(s.Turn.At)
	if wait > 0 {
		r.tell(s, "sweep", fmt.Sprintf("the application has moved; in %s everything is looked at once more", wait.Round(time.Second)))
		if err := r.o.Sleep(ctx, min(wait, r.m.FunctionTimeout)); err != nil {
			end("interrupted")
			return fmt.Errorf("the application uses the %s, and changes flow back; only the last look at everything was interrupted: run crossfade %s again for it", r.to, r.op)
		}
	}
	swept, err := r.Sweep(ctx)
	if err != nil {
		end("failed")
		return fmt.Errorf("the application uses the %s, and changes flow back; only the last look at everything failed: run crossfade %s again for it: %w", r.to, r.op, err)
	}
	end("")
	r.rec.edit(func(rep *report.Report) { rep.Sweep = &swept })
	r.countLate(ctx)
	r.o.Stepped("swept")
	err = r.try(context.WithoutCancel(ctx), func() (err error) {
		s, err = r.swapWithin(context.WithoutCancel(ctx), cleanupTime, func(s *control.State) error {
			if s.Run != nil { // else an answer was lost
				s.Run = nil
				s.Note(r.entry(r.op+" completed", fmt.Sprintf("%d keys looked at, %d repaired, %d stragglers undone, %d kept", swept.Keys, swept.Repaired, swept.Undone, swept.Kept)))
			}
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	r.tell(s, "completed", "the "+r.op+" is complete")
	r.o.Stepped("completed")
	return nil
}

// countLate puts into the report how many late writes are kept.
func (r *run) countLate(ctx context.Context) {
	late, err := r.Late(ctx)
	if err != nil {
		r.log.WarnContext(ctx, "late writes could not be counted", slog.Any("error", err))
		return
	}
	r.rec.edit(func(rep *report.Report) { rep.Counts.LateKept = int64(len(late)) })
}

// firstFew names keys in an error.
func firstFew(keys []string) string {
	const most = 5
	if len(keys) == 0 {
		return ""
	}
	quoted := make([]string, 0, most)
	for _, k := range keys[:min(len(keys), most)] {
		quoted = append(quoted, fmt.Sprintf("%q", k))
	}
	text := strings.Join(quoted, ", ")
	if len(keys) > most {
		text += ", …"
	}
	return ": " + text
}
