package cutover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// freeze begins it: from here the application may be held, and a crash leaves
// it so until someone takes the run up.
func (r *run) freeze(ctx context.Context) error {
	r.froze = r.o.Now()
	s, err := r.hold.swap(ctx, func(s *control.State) error {
		n, err := next(*s, evFreeze)
		if err != nil {
			return err
		}
		n.Run.FreezeBegan, n.Run.Step = r.froze.UTC().Round(0), ""
		n.Note(r.entry("frozen", "mode "+mode(r.freezeMode())))
		*s = n
		return nil
	})
	if err != nil {
		return err
	}
	r.o.Stepped("frozen")
	r.tell(s, "frozen", "the freeze begins")
	return nil
}

// freezeMode is how the writers of the side that is left are stopped. The rule of
// a bucket is one of the source's alone.
func (r *run) freezeMode() config.FreezeMode {
	m := r.m.Cutover.Freeze.Mode
	if m == config.FreezeS3Policy && r.from != control.Source || m == "" {
		return config.FreezeNone
	}
	return m
}

// denier is what can refuse writes to the source, where that is the mode.
func (e *Engine) denier() (store.WriteDenier, bool) {
	if e.m.Cutover.Freeze.Mode != config.FreezeS3Policy {
		return nil, false
	}
	return store.As[store.WriteDenier](e.o.Source)
}

// maxFreezeError says that the freeze had to end.
type maxFreezeError struct{ most time.Duration }

func (e *maxFreezeError) Error() string {
	return fmt.Sprintf("the freeze was not over within cutover.max_freeze (%s): find out what took so long in the report, or allow more", e.most)
}

// untilSwitching does what has to be done while the application holds, up to the
// moment from which nobody writes. All of it is repeated by one who takes the
// run up in the freeze.
func (r *run) untilSwitching(ctx context.Context, s control.State) error {
	most := r.m.Cutover.MaxFreeze
	switch {
	case s.Run.Step == stepAborting:
		return errors.New("an abort had been begun")
	case s.Run.Turn.Since.IsZero():
		return errors.New("the comparison of everything is not on record")
	}
	left := most - r.o.Now().Sub(r.froze)
	if r.froze.IsZero() {
		left = min(most, most-r.o.Now().Sub(s.Run.FreezeBegan))
	}
	tooLong := &maxFreezeError{most}
	if left -= r.reserve(); left <= 0 {
		return tooLong
	}
	// A cause is seen only by those who ask; a hook or a store that was cut
	// short says so in its own words.
	limited, cancel := context.WithTimeoutCause(ctx, left, tooLong)
	defer cancel()
	r.rec.edit(func(rep *report.Report) {
		if rep.Freeze == nil {
			rep.Freeze = &report.Freeze{}
		}
		rep.Freeze.Mode, rep.Freeze.Start, rep.Freeze.Budget = mode(r.freezeMode()), s.Run.FreezeBegan, most.Seconds()
	})
	end := r.rec.phase("freeze")
	err := r.inFreeze(limited, s)
	end("")
	if errors.Is(context.Cause(limited), tooLong) && err != nil {
		return fmt.Errorf("%w (%w)", tooLong, err)
	}
	return err
}

func (r *run) inFreeze(ctx context.Context, s control.State) error {
	if r.tail == nil {
		if err := r.follow(ctx, s); err != nil {
			return err
		}
	}
	end := r.rec.part("hold")
	err := r.holdApplication(ctx, s)
	end("")
	if err != nil {
		return err
	}
	end = r.rec.part("drain")
	marks, err := r.drain(ctx, s)
	end("")
	if err != nil {
		return err
	}
	end = r.rec.part("delta")
	verified, err := r.delta(ctx)
	end("")
	if err != nil {
		return err
	}
	end = r.rec.part("switching")
	defer func() { end("") }()
	return r.beginSwitch(ctx, marks, verified)
}

// holdApplication stops its writes to the side that it is to leave.
func (r *run) holdApplication(ctx context.Context, s control.State) error {
	switch r.freezeMode() {
	case config.FreezeHook:
		return r.hook(ctx, *r.m.Cutover.Freeze.Hook, s, StepFreeze, r.from)
	case config.FreezeS3Policy:
		d, ok := r.denier()
		if !ok || r.o.Probe == nil {
			return errNoDenier
		}
		r.o.Stepped("policy:before")
		r.tell(s, StepFreeze, "writes to the source are denied by its policy")
		if err := d.DenyWrites(ctx, r.m.Name, r.m.Cutover.Freeze.Except); err != nil {
			return fmt.Errorf("the deny policy could not be added: %w", err)
		}
		r.o.Stepped("policy:after")
		return r.untilRefused(ctx)
	default:
		return nil
	}
}

var errNoDenier = errors.New("cutover.freeze.mode is s3-policy, and the source is no S3 bucket whose policy can deny writes, or cutover.freeze.probe cannot be opened: use mode hook")

const (
	probePoll = 100 * time.Millisecond

	// refusals in a row show that a policy is in force: one may be an answer of
	// the one server that knows it already.
	refusals = 2
)

// untilRefused writes as the application would until it is refused.
func (r *run) untilRefused(ctx context.Context) error {
	for n := 0; n < refusals; {
		err := r.probe(ctx)
		switch {
		case store.KindOf(err) == store.Denied:
			n++
			continue
		case ctx.Err() != nil:
			return fmt.Errorf("a write with the credentials of cutover.freeze.probe is not refused: %w", context.Cause(ctx))
		}
		n = 0
		if err := r.o.Sleep(ctx, probePoll); err != nil {
			return fmt.Errorf("a write with the credentials of cutover.freeze.probe is not refused: %w", err)
		}
	}
	return nil
}

// probe writes an object with the application's credentials, and removes it.
func (e *Engine) probe(ctx context.Context) error {
	key := control.Prefix(e.m.Name) + "probe/" + e.o.Random()
	_, err := e.o.Probe.Put(ctx, key, store.Bytes("probe"), store.PutOptions{})
	if store.KindOf(err) == store.Denied {
		return err
	}
	// The application may not be allowed to delete; the engine is. After another
	// error the object may be there as well.
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if derr := e.o.Source.Delete(clean, key, store.Condition{}); err == nil {
		err = derr
	}
	return err
}

// delta compares what changed since the comparison of everything, or everything.
func (r *run) delta(ctx context.Context) (control.Verified, error) {
	verified, c, err := r.tail.Final(ctx)
	if err != nil {
		return control.Verified{}, err
	}
	r.compared(c)
	r.rec.edit(func(rep *report.Report) {
		rep.Counts.JournalKeys = c.Keys
		rep.Counts.Repaired += c.Repaired
	})
	if err := r.clean(c, "the keys that changed"); err != nil {
		return control.Verified{}, err
	}
	r.o.Stepped("delta")
	if !r.opts.Strict {
		return verified, nil
	}
	strict, c, err := r.comp.Strict(ctx)
	if err != nil {
		return control.Verified{}, err
	}
	r.compared(c)
	if err := r.clean(c, "everything, looked at in the freeze,"); err != nil {
		return control.Verified{}, err
	}
	for key, pair := range strict.Keys {
		verified.Keys[key] = pair
	}
	r.o.Stepped("strict")
	return verified, nil
}

// compared adds a comparison to the report.
func (r *run) compared(c report.Comparison) {
	r.rec.edit(func(rep *report.Report) { rep.Comparisons = append(rep.Comparisons, c) })
}

// wrong counts the keys that are not equal, or not known to be.
func wrong(c report.Comparison) int64 {
	return c.Missing + c.Different + c.Extra + c.Foreign + c.Failed
}

// clean returns an error that names keys if a comparison found too many wrong.
func (r *run) clean(c report.Comparison, what string) error {
	n := wrong(c)
	switch {
	case c.Interrupted:
		return fmt.Errorf("the comparison of %s did not come to its end", what)
	case n > int64(r.m.Cutover.MaxErrors):
		return fmt.Errorf("%s: %d of %d keys are not equal on both sides, and cutover.max_errors is %d (see crossfade verify)%s",
			what, n, c.Keys, r.m.Cutover.MaxErrors, firstFew(c.Examples))
	}
	return nil
}

// beginSwitch makes the turn known: from here nobody writes in either direction.
// What was verified is durable before the application hears of it.
func (r *run) beginSwitch(ctx context.Context, marks marks, verified control.Verified) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	r.o.Stepped("switching:before")
	var s control.State
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.docs.PutVerified(gctx, verified) })
	g.Go(func() (err error) {
		// It is not cut short by a failure of the other: its outcome counts.
		s, err = r.hold.swap(ctx, func(s *control.State) error {
			n, err := next(*s, evSwitch)
			if err != nil {
				return err
			}
			t := &n.Run.Turn
			t.Run, t.Epoch, t.To, t.At = n.Run.ID, n.Epoch, r.to, r.now()
			t.Cut, t.Born = marks.cut, marks.born
			n.Run.Step = ""
			n.Note(r.entry("switching", fmt.Sprintf("%d keys verified in the freeze", len(verified.Keys))))
			*s = n
			return nil
		})
		return err
	})
	err := g.Wait()
	if err != nil && r.hold.state().Phase == control.Switching {
		// Only the list of what was verified may be missing.
		r.tell(r.hold.state(), "switching", "the list of verified keys could not be written: "+err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	r.verified = true
	r.o.Stepped("switching")
	r.tell(s, "switching", "the "+string(r.to)+" is about to be the authority")
	return nil
}
