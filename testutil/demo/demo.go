// Package demo is a whole warm migration in one process: two clouds, an
// application, the functions, the backfill and the cutover, measured and judged
// by the application's own record.
//
// The clouds are cloudsim's faces on loopback; everything that talks to them,
// crossfade's drivers and functions as well as the application, does so over
// HTTP through the clouds' SDKs.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// Clouds are what From and To choose among.
var clouds = []string{"s3", "gcs", "azure"}

// Options configure a Demo. Zero values of the first group are not defaulted:
// see Defaults.
type Options struct {
	From, To string        // s3, gcs or azure
	Duration time.Duration // how long the application runs, before and after the move
	Objects  int           // at least, before the application begins
	Rate     float64       // operations of the application a second
	Seed     uint64        // of the application's plan
	Latency  time.Duration // added to every request to a cloud

	// Faults is the share of all requests to both clouds, the application's own
	// included, that fail in one of cloudsim.PassingFaults. With any, events
	// also come twice, out of order, and once more after all were done.
	Faults float64

	Observe func(Step)   // told of what happens, in order; may be nil
	Log     *slog.Logger // of the functions and the backfill; default: discard
	Now     func() time.Time

	// Events and Syncer, if not nil, come between: tests that must see the demo
	// fail drop events and break what a Sync does.
	Events func(cloudsim.Encoder) cloudsim.Encoder
	Syncer func(functions.Syncer, *cloudsim.Bucket) functions.Syncer
}

// Defaults are the options of a run that takes about 20 seconds.
func Defaults() Options {
	return Options{From: "s3", To: "gcs", Duration: 17 * time.Second, Objects: 3000, Rate: 150, Seed: 1}
}

// Validate reports in one line what is wrong with the options, or nil.
func (o Options) Validate() error {
	for _, x := range []struct{ flag, value string }{{"from", o.From}, {"to", o.To}} {
		if !slices.Contains(clouds, x.value) {
			return fmt.Errorf("--%s is %q: use one of %s", x.flag, x.value, strings.Join(clouds, ", "))
		}
	}
	switch {
	case o.Duration < time.Second || o.Duration > time.Hour:
		return fmt.Errorf("--duration is %s: use 1s to 1h", o.Duration)
	case o.Objects < 0 || o.Objects > 200_000:
		return fmt.Errorf("--objects is %d: use 0 to 200000", o.Objects)
	case !(o.Rate >= 1 && o.Rate <= 5000):
		return fmt.Errorf("--rate is %g: use 1 to 5000 a second", o.Rate)
	case !(o.Faults >= 0 && o.Faults <= 0.2):
		return fmt.Errorf("--faults is %g: use 0 to 0.2", o.Faults)
	case o.Latency < 0 || o.Latency > time.Second:
		return fmt.Errorf("--latency is %s: use 0s to 1s", o.Latency)
	}
	return nil
}

// Step is something that happened.
type Step struct {
	At    time.Duration // since the run began
	Phase string        // one word
	Text  string
}

// Status is what a display shows while the demo runs.
type Status struct {
	Phase    string
	Elapsed  time.Duration
	Seeded   int
	App      demoapp.Counts // seeds included
	Lag      time.Duration  // median of the latest
	Events   cloudsim.QueueStats
	Backfill backfill.Snapshot
	Source   int // objects
	Target   int
}

// Demo is one run.
type Demo struct {
	opts   Options
	start  time.Time
	phase  atomic.Pointer[string]
	app    *demoapp.App
	lags   lags
	fill   backfill.Progress
	source *end
	target *end

	delivery     atomic.Pointer[cloudsim.Delivery]
	lastOnSource atomic.Int64 // when the source accepted the latest change: Unix nanoseconds
	firstMoved   atomic.Int64 // when the application was first told of a success on the target
	moved        atomic.Bool
}

// New checks the options and starts the clouds, which Close stops.
func New(ctx context.Context, opts Options) (*Demo, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	d := &Demo{opts: opts, start: opts.Now()}
	d.setPhase("starting")
	d.app = demoapp.NewApp(demoapp.NewPlan(opts.Seed, opts.Objects), demoapp.Options{
		Rate: opts.Rate, Now: opts.Now, Accepted: d.accepted, Attempts: opts.appAttempts(),
	})
	var err error
	if d.source, err = newEnd(ctx, opts.From, "photos", opts); err != nil {
		return nil, err
	}
	if d.target, err = newEnd(ctx, opts.To, "photos-moved", opts); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.source.bucket.Subscribe(func(c cloudsim.Change) { d.lastOnSource.Store(c.Time.UnixNano()) })
	return d, nil
}

// appAttempts makes the application go on trying where requests fail, as any
// that is to live with a cloud does; without faults each error is an event.
func (o Options) appAttempts() int {
	if o.Faults > 0 {
		return 60
	}
	return 1
}

// Close stops the clouds.
func (d *Demo) Close() error {
	var errs []error
	for _, e := range []*end{d.source, d.target} {
		if e != nil {
			errs = append(errs, e.close())
		}
	}
	return errors.Join(errs...)
}

func (d *Demo) accepted(_ demoapp.Op, at time.Time) {
	if d.moved.Load() {
		d.firstMoved.CompareAndSwap(0, at.UnixNano())
	}
}

func (d *Demo) setPhase(p string) { d.phase.Store(&p) }

func (d *Demo) step(phase, format string, args ...any) {
	d.setPhase(phase)
	if d.opts.Observe != nil {
		d.opts.Observe(Step{At: d.opts.Now().Sub(d.start), Phase: phase, Text: fmt.Sprintf(format, args...)})
	}
}

// Status may be called at any time, by any goroutine.
func (d *Demo) Status() Status {
	s := Status{
		Phase:    *d.phase.Load(),
		Elapsed:  d.opts.Now().Sub(d.start),
		Seeded:   len(d.app.Plan.Seeds()),
		App:      d.app.Record.Counts(),
		Lag:      d.lags.recent(),
		Backfill: d.fill.Snapshot(),
		Source:   d.source.bucket.Len(),
		Target:   d.target.bucket.Len(),
	}
	if delivery := d.delivery.Load(); delivery != nil {
		s.Events = delivery.Stats()
	}
	return s
}
