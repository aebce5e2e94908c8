// Package demo is a whole warm migration in one process: two clouds, an
// application that follows hooks, the functions of both directions, the backfill,
// the cutover and the rollback, measured and judged by the application's own
// record.
//
// The clouds are cloudsim's faces on loopback; everything that talks to them,
// crossfade's drivers and functions as well as the application, does so over
// HTTP through the clouds' SDKs.
package demo

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

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
	*World
	opts   Options
	start  time.Time
	phase  atomic.Pointer[string]
	fill   backfill.Progress
	engine *cutover.Engine

	forward, reverse atomic.Pointer[Functions]
	turning          atomic.Pointer[turning] // nil unless a cutover or rollback is under way
}

// New checks the options and starts the clouds, which Close stops.
func New(ctx context.Context, opts Options) (*Demo, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	d := &Demo{opts: opts, start: opts.Now()}
	d.setPhase("starting")
	var err error
	if d.World, err = NewWorld(ctx, opts); err != nil {
		return nil, err
	}
	return d, nil
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
	at, _ := d.Sides.At()
	s := Status{
		Phase:    *d.phase.Load(),
		Elapsed:  d.opts.Now().Sub(d.start),
		Seeded:   len(d.App.Plan.Seeds()),
		App:      d.App.Record.Counts(),
		Lag:      d.lags[at].recent(),
		Backfill: d.fill.Snapshot(),
		Source:   d.Source.Bucket.Len(),
		Target:   d.Target.Bucket.Len(),
	}
	if f := d.functions(control.Side(at)); f != nil {
		s.Events = f.Stats()
	}
	return s
}

// functions are those that get the events of a side, or nil.
func (d *Demo) functions(s control.Side) *Functions {
	if s == control.Target {
		return d.reverse.Load()
	}
	return d.forward.Load()
}
