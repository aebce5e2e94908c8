package demo

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

const (
	beforeMove = 0.65            // of the duration, at least, the application is on the source
	afterMove  = 0.2             // and at least this on the target
	drainLimit = 5 * time.Minute // for the target to catch up
)

// Run goes through the whole migration. An error means that it did not come to
// the end, ctx's own where that was cancelled; what is wrong on the target is in
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
	delivery, closeFunction, err := d.deploy(ctx)
	if err != nil {
		return nil, err
	}
	defer closeFunction()
	defer delivery.Stop() // before the function

	begun := d.opts.Now()
	leaveSource := d.runApp(ctx, d.source, false)
	defer leaveSource()
	d.step("following", "the application goes on at %g operations a second; each event of %s invokes the function", d.opts.Rate, d.source.id)
	if err := d.backfill(ctx, res); err != nil {
		return nil, err
	}
	if err := d.pause(ctx, d.part(beforeMove)-d.opts.Now().Sub(begun)); err != nil {
		return nil, err
	}
	if err := d.cutover(ctx, leaveSource, delivery); err != nil {
		return nil, err
	}

	d.moved.Store(true)
	onSource := d.app.Record.Counts()
	leaveTarget := d.runApp(ctx, d.target, true)
	defer leaveTarget()
	if err := d.pause(ctx, 10*time.Millisecond); err != nil {
		return nil, err
	}
	d.step("switched", "the application goes on with %s", d.target.id)
	if err := d.pause(ctx, max(d.part(afterMove), d.opts.Duration-d.opts.Now().Sub(begun))); err != nil {
		return nil, err
	}
	leaveTarget()

	d.count(res, delivery)
	counts := d.app.Record.Counts()
	res.OnTarget = counts.Writes() + counts.Deletes - onSource.Writes() - onSource.Deletes
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
	seeds := d.app.Plan.Seeds()
	d.step("seeding", "%d objects into %s", len(seeds), d.source.id)
	if err := d.app.Seed(ctx, d.source.app); err != nil {
		return fmt.Errorf("seeding: %w", err)
	}
	res.Seeded = len(seeds)
	for _, op := range seeds {
		res.SeededBytes += int64(len(d.source.bucket.Get(op.Key).Body))
	}
	return nil
}

// deploy connects the source's events with the function.
func (d *Demo) deploy(ctx context.Context) (*cloudsim.Delivery, func(), error) {
	fn, err := d.newFunction(ctx)
	if err != nil {
		return nil, nil, err
	}
	opts := fn.delivery
	if d.opts.Events != nil {
		opts.Encode = d.opts.Events(opts.Encode)
	}
	opts.Attempts, opts.MaxBackoff = 15, time.Second
	if d.opts.Faults > 0 {
		opts.Attempts, opts.Duplicate, opts.Window, opts.Late = patience, duplicated, shuffled, late
	}
	opts.Seed, opts.Now, opts.Acked = d.opts.Seed, d.opts.Now, d.lags.acked
	delivery := cloudsim.Deliver(ctx, d.source.bucket, opts)
	d.delivery.Store(delivery)
	return delivery, fn.close, nil
}

// runApp lets the application go on with e; leave stops it and waits until
// nothing of it is in flight, and may be called again.
func (d *Demo) runApp(ctx context.Context, e *end, moved bool) (leave func()) {
	sides := demoapp.NewSides(e.app, nil, nil)
	if moved {
		sides = demoapp.Moved(e.app)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		d.app.Run(ctx, sides, stop)
	}()
	return sync.OnceFunc(func() {
		close(stop)
		<-done
	})
}

// backfill copies what was there before the function was.
func (d *Demo) backfill(ctx context.Context, res *Result) error {
	rep, err := d.newReplicator()
	if err != nil {
		return err
	}
	d.step("backfill", "what was there before")
	sum, err := d.backfillAll(ctx, rep)
	if err != nil {
		return fmt.Errorf("backfill: %w", err)
	}
	res.Backfill = BackfillCounts{
		Listed: sum.Listed, Copied: sum.Copied, Updated: sum.Updated, Skipped: sum.Skipped, Failed: sum.Failed, Seconds: sum.Seconds,
	}
	d.step("following", "the backfill is done: %d copied, %d were there already, %d failed, in %.1f s",
		sum.Copied+sum.Updated, sum.Skipped, sum.Failed, sum.Seconds)
	return nil
}

// cutover stops the application, and returns when everything that it changed
// has arrived, or was given up.
func (d *Demo) cutover(ctx context.Context, leaveSource func(), delivery *cloudsim.Delivery) error {
	leaveSource()
	d.step("frozen", "the application holds; %d events are on their way", delivery.Stats().Waiting+delivery.Stats().InFlight)
	drain, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	if err := delivery.Wait(drain); err != nil {
		return fmt.Errorf("the target did not catch up within %s: %+v", drainLimit, delivery.Stats())
	}
	if n := delivery.Replay(); n > 0 {
		d.step("drained", "%d events come once more, long after", n)
		if err := delivery.Wait(drain); err != nil {
			return fmt.Errorf("the late events were not done within %s: %+v", drainLimit, delivery.Stats())
		}
	}
	delivery.Stop()
	d.step("drained", "every event was acknowledged, or given up")
	return nil
}

func (d *Demo) compare(ctx context.Context, res *Result) error {
	keys := d.app.Record.Keys()
	d.step("comparing", "%d keys on %s with the application's record", len(keys), d.target.id)
	found, err := d.app.Compare(ctx, d.target.app, func(key string) bool { return strings.HasPrefix(key, store.ControlPrefix) })
	if err != nil {
		return fmt.Errorf("comparing: %w", err)
	}
	found.Merge(d.app.Checked())
	res.Compared = len(keys)
	res.judge(found)
	return nil
}

func (d *Demo) count(res *Result, delivery *cloudsim.Delivery) {
	c, s, q := d.app.Record.Counts(), delivery.Stats(), d.lags.all()
	res.Writes, res.Overwrites, res.Deletes, res.Errors = c.Writes()-res.Seeded, c.Overwrites, c.Deletes, c.Errors
	if err := d.app.Record.FirstError(); err != nil {
		res.FirstError = err.Error()
	}
	res.LagMS = LagMS{P50: ms(q.P50), P99: ms(q.P99), Max: ms(q.Max)}
	res.FreezeMS = ms(time.Duration(d.firstMoved.Load() - d.lastOnSource.Load()))
	res.Events = EventCounts{Sent: s.Sent, Redelivered: s.Redelivered, Dead: s.Dead}
}

func (d *Demo) newReplicator() (*replicate.Replicator, error) {
	return replicate.New(d.source.store, d.target.store, replicate.Options{
		SourceID: d.source.id, TargetID: d.target.id, Policy: replicate.Policy{Deletes: true}, Log: d.opts.Log,
	})
}

// pause waits for t, if it is positive, while the application runs.
func (d *Demo) pause(ctx context.Context, t time.Duration) error {
	timer := time.NewTimer(max(t, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
