package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

const (
	beforeMove = 0.35            // of the duration, at least, the application is on the source first
	afterMove  = 0.2             // and at least this at each place where it is later
	drainLimit = 5 * time.Minute // for the old side to catch up in the end

	// backfillConcurrency leaves something of the machine to the application.
	backfillConcurrency = 16
)

// Run goes through the whole migration. An error means that it did not come to
// the end, ctx's own where that was cancelled; what is wrong on either side is in
// the Result.
func (d *Demo) Run(ctx context.Context) (*Result, error) {
	res, err := d.run(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return res, err
}

func (d *Demo) run(ctx context.Context) (*Result, error) {
	res := &Result{From: d.opts.From, To: d.opts.To, Seed: d.opts.Seed}
	if err := d.seed(ctx, res); err != nil {
		return nil, err
	}
	undeploy, err := d.deploy(ctx)
	if err != nil {
		return nil, err
	}
	defer undeploy()
	begun := d.opts.Now()
	leave := d.Work(ctx)
	defer leave()
	d.step("seeding", "the application works at %g operations a second; each event invokes the function", d.opts.Rate)
	if err := d.backfill(ctx, res); err != nil {
		return nil, err
	}
	if err := pause(ctx, d.part(beforeMove)-d.opts.Now().Sub(begun)); err != nil {
		return nil, err
	}
	if res.Cutover, err = d.turn(ctx, res, report.Cutover); err != nil {
		return nil, err
	}
	res.FreezeMS = res.Cutover.FreezeMS
	d.replay(control.Source)
	if err := pause(ctx, d.part(afterMove)); err != nil {
		return nil, err
	}
	if d.opts.Rollback {
		back, err := d.turn(ctx, res, report.Rollback)
		if err != nil {
			return nil, err
		}
		res.Rollback = &back
		d.replay(control.Target)
		if err := pause(ctx, d.part(afterMove)); err != nil {
			return nil, err
		}
	}
	if err := pause(ctx, d.opts.Duration-d.opts.Now().Sub(begun)); err != nil {
		return nil, err
	}
	leave()
	if err := d.drain(ctx); err != nil {
		return nil, err
	}
	d.count(res)
	if err := d.compare(ctx, res); err != nil {
		return nil, err
	}
	res.Injected = d.injected()
	res.Seconds = d.opts.Now().Sub(d.start).Seconds()
	return res, nil
}

func (d *Demo) part(share float64) time.Duration {
	return time.Duration(share * float64(d.opts.Duration))
}

func (d *Demo) seed(ctx context.Context, res *Result) error {
	seeds := d.App.Plan.Seeds()
	d.step("seeding", "%d objects into %s", len(seeds), d.Source.ID)
	if err := d.Seed(ctx); err != nil {
		return fmt.Errorf("seeding: %w", err)
	}
	res.Seeded = len(seeds)
	for _, op := range seeds {
		res.SeededBytes += int64(len(d.Source.Bucket.Get(op.Key).Body))
	}
	return nil
}

// deploy declares the migration, and connects the events of both sides with
// their functions.
func (d *Demo) deploy(ctx context.Context) (undeploy func(), err error) {
	backlog := func(context.Context) (int64, error) {
		at, _ := d.Sides.At()
		s := d.functions(control.Side(at)).Stats()
		return int64(s.Waiting + s.InFlight), nil
	}
	if d.engine, err = d.Engine(backlog, d.progress); err != nil {
		return nil, err
	}
	if err := d.persist(ctx, func() error { _, err := d.engine.Init(ctx); return err }); err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	forward, err := d.Deploy(ctx, control.Forward)
	if err != nil {
		return nil, err
	}
	reverse, err := d.Deploy(ctx, control.Reverse)
	if err != nil {
		forward.Close()
		return nil, err
	}
	d.forward.Store(forward)
	d.reverse.Store(reverse)
	d.busy = func() bool {
		n, _ := backlog(ctx)
		return n > d.opts.mostUnderWay()
	}
	d.step("deployed", "the control object is at %s/%s; the functions of both directions wait for events", d.Target.ID, control.StateKey(d.Migration.Name))
	return func() {
		forward.Close()
		reverse.Close()
	}, nil
}

// backfill copies what was there before the functions were.
func (d *Demo) backfill(ctx context.Context, res *Result) error {
	d.step("backfill", "what was there before")
	var sum backfill.Summary
	err := d.persist(ctx, func() (err error) {
		if sum, err = d.Backfill(ctx, backfillConcurrency, &d.fill); err == nil && sum.Failed > 0 {
			err = fmt.Errorf("%d keys failed", sum.Failed)
		}
		res.Backfill.Copied += sum.Copied
		res.Backfill.Updated += sum.Updated
		res.Backfill.Seconds += sum.Seconds
		return err
	})
	if err != nil {
		return fmt.Errorf("backfill: %w", err)
	}
	res.Backfill.Listed, res.Backfill.Skipped = sum.Listed, sum.Skipped
	if err := d.persist(ctx, func() error { return d.engine.Seeded(ctx, sum.Listed) }); err != nil {
		return err
	}
	d.step("following", "the backfill is done: %d copied, %d were there already, in %.1f s",
		res.Backfill.Copied+res.Backfill.Updated, sum.Skipped, res.Backfill.Seconds)
	return nil
}

// replay sends some of a side's events once more, long after: the application
// has left it.
func (d *Demo) replay(left control.Side) {
	if n := d.functions(left).Replay(); n > 0 {
		d.step("late", "%d events of %s come once more", n, d.end(left).ID)
	}
}

// drain waits until every event of either side was acknowledged, or given up.
func (d *Demo) drain(ctx context.Context) error {
	d.step("draining", "the application has stopped; the last events are on their way")
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	at, _ := d.Sides.At()
	for _, s := range []control.Side{control.Side(at), control.Side(at).Other()} {
		f := d.functions(s)
		if err := f.Wait(ctx); err != nil {
			return fmt.Errorf("the events of the %s were not done within %s: %+v", s, drainLimit, f.Stats())
		}
	}
	return nil
}

func (d *Demo) compare(ctx context.Context, res *Result) error {
	keys := d.App.Record.Keys()
	d.step("comparing", "%d keys on both sides with the application's record", len(keys))
	for _, side := range []demoapp.Side{demoapp.Source, demoapp.Target} {
		found, err := d.Compare(ctx, side, func(string) bool { return false })
		if err != nil {
			return fmt.Errorf("comparing the %s: %w", side, err)
		}
		res.judge(side, found)
	}
	res.Compared = len(keys)
	return nil
}

func (d *Demo) count(res *Result) {
	c := d.App.Record.Counts()
	res.Writes, res.Overwrites, res.Deletes, res.Errors = c.Writes()-res.Seeded, c.Overwrites, c.Deletes, c.Errors
	if err := d.App.Record.FirstError(); err != nil {
		res.FirstError = err.Error()
	}
	res.OnTarget, res.AfterRollback = d.Sides.Accepted(1), d.Sides.Accepted(2)
	q := quantiles(append(d.lags[demoapp.Source].all(), d.lags[demoapp.Target].all()...))
	res.LagMS = LagMS{P50: ms(q.P50), P99: ms(q.P99), Max: ms(q.Max)}
	for _, f := range []*Functions{d.forward.Load(), d.reverse.Load()} {
		s := f.Stats()
		res.Events.Sent += s.Sent
		res.Events.Redelivered += s.Redelivered
		res.Events.Dead += s.Dead
	}
}
