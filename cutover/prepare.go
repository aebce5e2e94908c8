package cutover

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// follow begins to read the journal of the run, and to verify what is in it.
func (r *run) follow(ctx context.Context, s control.State) error {
	comp, err := newComparer(r.Engine, control.Away(r.from), s)
	if err != nil {
		return err
	}
	r.comp = comp
	r.tail = comp.Follow(context.WithoutCancel(ctx), s.Run.ID)
	return nil
}

// unfollow ends that.
func (r *run) unfollow() {
	if r.tail != nil {
		r.tail.Stop()
		r.tail = nil
	}
}

// untilFrozen does before the freeze what can be done before it. One who takes
// the run up begins here anew.
func (r *run) untilFrozen(ctx context.Context, s control.State) error {
	if s.Run.Step == stepAborting {
		return errors.New("an abort had been begun")
	}
	begun := r.o.Now()
	if err := r.follow(ctx, s); err != nil {
		return err
	}
	sampler := r.sampleLag(ctx, s, lagEvery, r.m.Cutover.MaxLag+lagGrace)
	err := r.ready(ctx, s, begun)
	r.sampled(sampler)
	if err != nil {
		return err
	}
	interim := r.close(r.hold.state(), errors.New("it has not come to its end: the one who ran it is gone"))
	r.publish(ctx, interim, false)
	r.o.Stepped("ready")
	return r.freeze(ctx)
}

// clockStep is a little more than the step of a store's clock (S3 tells whole
// seconds). What was written before the announcement, and is in nobody's journal,
// has to be of an earlier second than the freeze.
const clockStep = 1100 * time.Millisecond

// sinceSlack is how far before the comparison of everything a change may be that
// the sweep takes to be after it, for store clocks that tell whole seconds. All of
// them are to be in the journal: one that is not would look as if no event had
// told of it, and be put back where the application has deleted it since.
const sinceSlack = 2 * time.Second

// ready returns when nothing speaks against the freeze. begun is when the
// announcement was known to stand.
func (r *run) ready(ctx context.Context, s control.State, begun time.Time) error {
	// A function relies for a lease on what it read before the announcement; what
	// it began then ends with its time-out.
	longest := r.o.Lease + max(r.m.FunctionTimeout, clockStep)
	r.tell(s, "wait", fmt.Sprintf("%s, until every function that began before the announcement has ended; everything is compared meanwhile", longest.Round(time.Millisecond)))
	wait := func(ctx context.Context, d time.Duration) error {
		return r.o.Sleep(ctx, max(0, d-r.o.Now().Sub(begun)))
	}
	if sweepDue(s) {
		if err := r.sweepFirst(ctx, func() error { return wait(ctx, longest) }); err != nil {
			return err
		}
	}
	if err := wait(ctx, r.o.Lease+sinceSlack); err != nil {
		return err
	}
	// One that began while nobody looked has read the state from before, and
	// keeps no journal.
	if open, err := r.docs.Backfills(ctx, r.o.Now()); err != nil {
		return err
	} else if len(open) > 0 {
		return fmt.Errorf("a backfill of %s began at the same time: wait for its end, or stop it", open[0].Operator)
	}
	g, gctx := errgroup.WithContext(ctx)
	var compared time.Time
	g.Go(func() error {
		err := r.compare(gctx)
		compared = r.o.Now()
		return err
	})
	g.Go(func() error {
		defer r.rec.phase("wait")("")
		return wait(gctx, longest)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	r.o.Stepped("compared")
	if err := r.liftOther(ctx); err != nil {
		return err
	}
	if err := r.lagNow(ctx); err != nil {
		return err
	}
	// What the comparison has mended is in nobody's journal either.
	return r.o.Sleep(ctx, max(0, clockStep-r.o.Now().Sub(compared)))
}

// sweepFirst makes the sweep that the last change of the authority still lacks:
// without it a write that was dropped then would count as gone.
func (r *run) sweepFirst(ctx context.Context, wait func() error) error {
	defer r.rec.phase("sweep")("")
	if err := wait(); err != nil {
		return err
	}
	swept, err := r.Sweep(ctx)
	if err != nil {
		return fmt.Errorf("the look at everything after the last change of the authority failed: %w", err)
	}
	if swept.Failed > 0 {
		return fmt.Errorf("the look at everything after the last change of the authority failed for %d keys%s", swept.Failed, firstFew(swept.Examples))
	}
	if late, err := r.Late(ctx); err != nil {
		return err
	} else if len(late) > 0 {
		return fmt.Errorf("%d late writes are kept that nobody has decided on: see crossfade resolve", len(late))
	}
	r.o.Stepped("swept before")
	return nil
}

// compare compares everything, and puts the outcome on record.
func (r *run) compare(ctx context.Context) error {
	defer r.rec.phase("compare")("")
	since, err := r.clockOf(ctx, r.from)
	if err != nil {
		return fmt.Errorf("the %s cannot be written to: %w", r.from, err)
	}
	c, err := r.comp.Full(ctx)
	if err != nil {
		return fmt.Errorf("the comparison of everything failed: %w", err)
	}
	r.compared(c)
	r.rec.edit(func(rep *report.Report) {
		rep.Counts.Objects, rep.Counts.Bytes, rep.Counts.Failures = c.Keys, c.Bytes, c.Failed
		rep.Counts.Repaired += c.Repaired
	})
	s, err := r.hold.swap(ctx, func(s *control.State) error {
		s.Comparison = &control.Comparison{At: r.now(), Seconds: c.Seconds, Keys: c.Keys, Wrong: wrong(c), Kind: c.Kind}
		s.Run.Turn.Since = since
		return nil
	})
	if err != nil {
		return err
	}
	r.tell(s, "compared", fmt.Sprintf("%d keys compared, %d repaired, %d wrong", c.Keys, c.Repaired, wrong(c)))
	return r.clean(c, "everything")
}

// liftOther takes the deny policy off the source before it becomes the authority
// again. It had protected it as the old side.
func (r *run) liftOther(ctx context.Context) error {
	d, ok := r.denier()
	if !ok || r.to != control.Source {
		return nil
	}
	if err := d.AllowWrites(ctx, r.m.Name); err != nil {
		return fmt.Errorf("the deny policy of the last cutover could not be removed from the source: %w", err)
	}
	r.o.Stepped("policy:lifted")
	if r.o.Probe == nil {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, turnWait)
	defer cancel()
	for {
		err := r.probe(limited)
		if err == nil {
			return nil
		}
		if store.KindOf(err) != store.Denied || r.o.Sleep(limited, probePoll) != nil {
			return fmt.Errorf("the source does not accept writes with the credentials of cutover.freeze.probe, so the application could not go back to it: %w", err)
		}
	}
}

// denyAgain protects the source again after a rollback that was aborted.
func (r *run) denyAgain(ctx context.Context) {
	d, ok := r.denier()
	if !ok || r.to != control.Source {
		return
	}
	if err := d.DenyWrites(ctx, r.m.Name, r.m.Cutover.Freeze.Except); err != nil {
		r.log.WarnContext(ctx, "the deny policy could not be put back on the source; a write there is kept as a late one", "error", err)
	}
}

// lagNow makes sure just before the freeze that a change comes through in time,
// and that who carries it sees the announcement. The comparison of everything can
// hold up the functions, and the application would wait for what they are behind:
// while changes come through faster each time, it is the run that waits.
func (r *run) lagNow(ctx context.Context) error {
	defer r.rec.phase("settle")("")
	s, begun := r.hold.state(), r.o.Now()
	most := r.m.Cutover.MaxLag
	best := time.Duration(math.MaxInt64)
	for slow := 0; ; {
		m, err := r.lagWithin(ctx, s, max(most, settleMost-r.o.Now().Sub(begun)))
		if err != nil {
			return err
		}
		if m.seen.Phase != s.Phase {
			return fmt.Errorf("a function that carried a canary takes the migration to be %q, and it is %s: it does not see the control object as it is", m.seen.Phase, s.Phase)
		}
		lag := time.Duration(m.sample.MS) * time.Millisecond
		if lag < best-best/5 {
			slow = 0
		} else {
			slow++
		}
		best = min(best, lag)
		if lag <= most && (lag <= calmLag || slow >= settleTries || r.o.Now().Sub(begun) >= settleMost) {
			r.tell(s, "settled", fmt.Sprintf("a change takes %d ms from the %s to the %s", m.sample.MS, r.from, r.to))
			return nil
		}
		if err := r.o.Sleep(ctx, signalLongPoll); err != nil {
			return err
		}
	}
}

const (
	// calmLag is a lag that is worth no wait for a smaller one.
	calmLag = 250 * time.Millisecond

	// settleTries canaries in a row that are hardly faster than the fastest say that
	// the functions have caught up. settleMost is how long they are waited for.
	settleTries = 2
	settleMost  = 30 * time.Second

	// lagGrace is how much longer than the largest lag a canary is waited for, so
	// that a refusal can tell how far off it was.
	lagGrace = 10 * time.Second

	// lagEvery is how often the lag is measured while a run waits and compares.
	lagEvery = 5 * time.Second
)

// lagWithin measures the lag, which is to be most or less: max_lag, or longer
// where functions may still catch up.
func (e *Engine) lagWithin(ctx context.Context, s control.State, most time.Duration) (measured, error) {
	from, to := s.Authority, s.Authority.Other()
	m, err := e.measureLag(ctx, s, most+lagGrace)
	lag := time.Duration(m.sample.MS) * time.Millisecond
	switch {
	case err != nil:
		return m, err
	case m.sample.Lost:
		return m, fmt.Errorf("a canary written to the %s has not arrived on the %s within %s: are the functions running, and do events reach them?", from, to, lag)
	case lag > most:
		return m, fmt.Errorf("a change takes %s from the %s to the %s, and cutover.max_lag is %s: let the functions catch up, or allow more", lag, from, to, e.m.Cutover.MaxLag)
	}
	return m, nil
}

// sampled puts what was measured of the lag into the report.
func (r *run) sampled(l *lagSampler) {
	samples := l.stop()
	r.rec.edit(func(rep *report.Report) { rep.Lag = report.Quantiles(append(rep.Lag.Samples, samples...)) })
}

// rehearse is a dry run: everything is checked, the hooks are rehearsed, both
// sides are compared, and nothing is changed.
func (r *run) rehearse(ctx context.Context, s control.State) error {
	if s.Run != nil && !s.Steady() {
		return fmt.Errorf("a %s is under way (%s, by %s): rehearse when it is over", s.Run.Operation, s.Phase, s.Run.Operator)
	}
	checks, err := r.Preflight(ctx, r.op, r.opts)
	if err != nil {
		return err
	}
	if !checks.OK() {
		return &RefusedError{Operation: r.op, Checks: checks}
	}
	comp, err := newComparer(r.Engine, control.Away(r.from), s)
	if err != nil {
		return err
	}
	comp.onlyLook = true
	end := r.rec.phase("compare")
	c, err := comp.Full(ctx)
	end("")
	if err != nil {
		return fmt.Errorf("the comparison of everything failed: %w", err)
	}
	r.compared(c)
	r.rec.edit(func(rep *report.Report) { rep.Counts.Objects, rep.Counts.Bytes = c.Keys, c.Bytes })
	return r.clean(c, "everything")
}

// freezeHookOf returns the hook of a freeze mode, if that has one.
func freezeHookOf(f config.Freeze) *config.Hook {
	if f.Mode != config.FreezeHook {
		return nil
	}
	return f.Hook
}
