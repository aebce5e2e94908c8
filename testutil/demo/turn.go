package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/cutover/report"
)

// turning is what is seen of a cutover or rollback under way.
type turning struct {
	mu        sync.Mutex
	announced time.Time
	turned    time.Time
}

// turn moves the application by the engine. An attempt that was refused, or given
// up before the switch, is made again; one that was interrupted later is continued
// by the same call.
func (d *Demo) turn(ctx context.Context, res *Result, op string) (Turn, error) {
	seen := &turning{}
	d.turning.Store(seen)
	defer d.turning.Store(nil)
	run, aborted := d.engine.Cutover, 0
	if op == report.Rollback {
		run = d.engine.Rollback
	}
	d.step(op, "shortened for this demo: functions end within %s (15m if not declared), and rely on what they know for %s (5s)",
		d.opts.FunctionTimeout, d.opts.Lease)
	var rep report.Report
	err := d.persist(ctx, func() (err error) {
		rep, err = run(ctx, cutover.RunOptions{Strict: d.opts.Strict})
		if _, ok := errors.AsType[*cutover.AbortedError](err); ok {
			aborted++
		}
		return err
	})
	if err != nil {
		return Turn{}, fmt.Errorf("%s: %w", op, err)
	}
	res.Reports = append(res.Reports, rep)
	t := Turn{Aborted: aborted, Late: rep.Counts.LateKept}
	for _, c := range rep.Comparisons {
		switch c.Kind {
		case report.CompareFull:
			t.Keys, t.Repaired = c.Keys, t.Repaired+c.Repaired
		default:
			t.Changed = c.Keys
		}
	}
	if rep.Freeze != nil {
		t.EngineMS = ms(time.Duration(rep.Freeze.Seconds * float64(time.Second)))
	}
	if rep.Sweep != nil {
		t.Dropped, t.Stragglers = rep.Sweep.Dropped, rep.Sweep.Undone
	}
	for _, p := range d.Sides.Pauses() {
		if p.Run == rep.Run && p.From != p.To {
			t.FreezeMS = ms(p.Length)
		}
	}
	d.step("moved", "the %s is complete: the application could not write for %.0f ms", op, t.FreezeMS)
	seen.mu.Lock()
	defer seen.mu.Unlock()
	t.ReverseSeconds = seen.turned.Sub(seen.announced).Seconds()
	return t, nil
}

// retries is how often what was refused, or ended before the switch, is begun
// again: a machine with much else to do may have fallen behind.
const retries = 8

// persist does again what failed; where requests fail, it does not give up.
func (d *Demo) persist(ctx context.Context, f func() error) error {
	most := retries
	if d.opts.Faults > 0 {
		most = patience
	}
	for n := 1; ; n++ {
		err := f()
		if err == nil || n == most || ctx.Err() != nil {
			return err
		}
		d.step("again", "%s", err)
		if err := pause(ctx, time.Duration(n)*100*time.Millisecond); err != nil {
			return err
		}
	}
}

// progress is told by the engine what happens.
func (d *Demo) progress(e cutover.Event) {
	if t := d.turning.Load(); t != nil {
		t.mu.Lock()
		switch e.Step {
		case "announced":
			t.announced = e.At
		case "turned":
			t.turned = e.At
		}
		t.mu.Unlock()
		d.step(string(e.Phase), "%s", e.Text)
	}
}
