package fence

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/model"
)

// Limits of a run. After so many steps nothing more is begun, and if it does not
// come to rest after as many again, it never will.
const (
	maxSteps = 1500
	maxTasks = 5
)

// Draw chooses the world of a run.
func Draw(c model.Chooser) Config {
	flag := func() bool { return c.Choose(2) == 1 }
	cfg := Config{
		Keys:   1 + c.Choose(2),
		ETags:  map[control.Side]bool{control.Source: flag(), control.Target: c.Choose(3) == 2},
		Update: flag(), Freeze: c.Choose(3) != 2, Forgotten: c.Choose(3) == 2, Rollback: c.Choose(3) == 2,
		Processes: c.Choose(3), Writes: 1 + c.Choose(6), After: 1 + c.Choose(4), Faults: c.Choose(3), Duplicates: c.Choose(3),
		Lost: c.Choose(2), Stalls: []int{1, 2, 0}[c.Choose(3)], Operators: []int{0, 0, 1, 2}[c.Choose(4)],
		Failing: []int{0, 0, 1}[c.Choose(3)], Hours: c.Choose(2),
	}
	if cfg.Forgotten {
		cfg.Late = 1 + c.Choose(2)
	}
	return cfg
}

// Run runs one schedule in the world cfg, in a bubble of its own. Failure and
// Schedule tell the rest.
func Run(t *testing.T, cfg Config, c model.Chooser) (w *World) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		w = newWorld(ctx, cfg, c)
		defer w.abandon()
		w.seed()
		w.operate(control.Target, cfg.Rollback)
		for w.broken == "" && w.step < maxSteps && w.act() {
		}
		w.finish()
	})
	return w
}

// seed begins with keys that both sides have, or neither.
func (w *World) seed() {
	r, err := replicate.New(w.store(control.Source), w.store(control.Target), replicate.Options{
		SourceID: w.ids[control.Source], TargetID: w.ids[control.Target], Policy: replicate.Policy{Deletes: true}, Log: quietLog,
	})
	if err != nil {
		panic(err)
	}
	for _, key := range w.app.keys {
		if w.choose.Choose(2) == 0 {
			w.app.change(key, Write, control.Source, byApp)
			if _, err := r.Sync(w.ctx, key, replicate.HintNone); err != nil {
				panic(err)
			}
		}
	}
	w.events = nil
	time.Sleep(time.Minute)
}

// act does what the Chooser says of what may happen next, the calmest first. It
// returns false when the operators are done and nothing waits.
func (w *World) act() bool {
	acts := w.actions()
	if len(acts) == 0 {
		return false
	}
	acts[w.choose.Choose(len(acts))]()
	return true
}

func (w *World) actions() []func() {
	var acts []func()
	ready := w.ready()
	for range 2 {
		for _, r := range ready {
			acts = append(acts, func() { w.serve(r, calm) })
		}
	}
	waiting := w.waiting()
	if len(waiting) > 0 && w.invocations() < maxTasks {
		acts = append(acts, func() { w.deliverSome(waiting) })
	}
	operators := w.operators()
	if len(acts) == 0 {
		if operators == 0 {
			return nil
		}
		acts = append(acts, func() { w.tick(time.Second) })
	}
	spend := func(left *int, possible bool, act func()) {
		if *left > 0 && possible {
			acts = append(acts, func() { *left--; w.step++; act() })
		}
	}
	busy := operators > 0
	moved := w.app.side != w.state.Authority || w.state.Turn != nil
	write := func() {
		if key := w.anyKey(); key != w.resolving {
			possible := w.app.possible(key, w.app.side)
			w.app.change(key, possible[w.choose.Choose(len(possible))], w.app.side, byApp)
		}
	}
	spend(&w.cfg.Writes, !w.app.held && !moved, write)
	spend(&w.cfg.After, !w.app.held && moved, write)
	spend(&w.cfg.Late, w.state.Turn != nil && w.state.Steady(), func() {
		old := w.app.side.Other()
		// What he overwrites that no event told of is gone, as everywhere.
		if key := w.anyKey(); key != w.resolving && w.excused[key] == "" {
			possible := w.app.possible(key, old)
			w.app.change(key, possible[w.choose.Choose(len(possible))], old, byLate)
		}
	})
	spend(&w.cfg.Duplicates, len(w.events) > 0 && w.invocations() < maxTasks, func() {
		if ev := w.events[w.choose.Choose(len(w.events))]; !ev.lost && !ev.held {
			w.deliver(ev)
		}
	})
	for _, r := range w.stallable(ready) {
		spend(&w.cfg.Stalls, true, func() { w.stall(r) })
	}
	if stalled := w.stalled(); len(stalled) > 0 && moved {
		acts = append(acts, func() { w.wake(stalled[w.choose.Choose(len(stalled))]) })
	}
	if missable := w.missable(); len(missable) > 0 {
		spend(&w.cfg.Lost, true, func() { w.miss(missable[w.choose.Choose(len(missable))]) })
	}
	if held := w.heldBack(); len(held) > 0 {
		acts = append(acts, func() { held[w.choose.Choose(len(held))].held = false })
	}
	spend(&w.cfg.Hours, w.state.Steady() && w.state.Turn != nil, func() { w.tick(time.Hour) })
	if busy {
		acts = append(acts, func() {
			w.tick([]time.Duration{200 * time.Millisecond, time.Second, 3 * time.Second}[w.choose.Choose(3)])
		})
		spend(&w.cfg.Faults, len(ready) > 0, func() { w.harm(ready[w.choose.Choose(len(ready))]) })
		spend(&w.cfg.Operators, true, func() { w.secondOperator() })
	}
	return acts
}

// ready lists the requests that may be served.
func (w *World) ready() []*request {
	var rs []*request
	for _, r := range w.pending {
		if !r.stalled {
			rs = append(rs, r)
		}
	}
	return rs
}

func (w *World) stalled() []*request {
	var rs []*request
	for _, r := range w.pending {
		if r.stalled {
			rs = append(rs, r)
		}
	}
	return rs
}

// stallable lists the writes of invocations that began under the announcement, so
// that their keys are in the journal: they may be paused for as long as you like,
// between check and write. Those that began before are bounded by the platform,
// and have ended when the freeze begins.
func (w *World) stallable(ready []*request) []*request {
	var rs []*request
	for _, r := range ready {
		if r.write && r.end != w.ctl && r.run != "" && !r.task.operator {
			rs = append(rs, r)
		}
	}
	return rs
}

func (w *World) stall(r *request) {
	w.mu.Lock()
	r.stalled = true
	w.mu.Unlock()
	w.Stats["stalls"]++
	w.note("%s stalls: %s", r.task.name, r)
}

func (w *World) wake(r *request) {
	w.note("%s wakes", r.task.name)
	w.serve(r, calm)
}

// missable lists events that nobody has been told of yet, of the direction that
// is about to end.
func (w *World) missable() []*event {
	var evs []*event
	if !w.state.Journals() {
		return nil
	}
	for _, ev := range w.events {
		if ev.delivered == 0 && !ev.lost && !ev.held && ev.direction == control.Away(w.state.Authority) {
			evs = append(evs, ev)
		}
	}
	return evs
}

func (w *World) miss(ev *event) {
	if w.choose.Choose(2) == 0 {
		ev.lost = true
		w.note("the event of %s is lost", ev.key)
		return
	}
	ev.held = true
	w.note("the event of %s comes later", ev.key)
}

// heldBack lists the events that come late, once they may.
func (w *World) heldBack() []*event {
	var evs []*event
	for _, ev := range w.events {
		if ev.held && (w.state.Steady() || w.state.Phase == control.Switched) {
			evs = append(evs, ev)
		}
	}
	return evs
}

func (w *World) anyKey() string { return w.app.keys[w.choose.Choose(len(w.app.keys))] }

// deliverSome begins an invocation for one event, or for two of a direction.
func (w *World) deliverSome(waiting []*event) {
	w.step++
	ev := waiting[w.choose.Choose(len(waiting))]
	for _, other := range waiting {
		if other.key != ev.key && other.direction == ev.direction && w.choose.Choose(4) == 3 {
			w.deliver(ev, other)
			return
		}
	}
	w.deliver(ev)
}

func (w *World) invocations() (n int) {
	for _, t := range w.live {
		if !t.operator {
			n++
		}
	}
	return n
}

func (w *World) operators() int { return len(w.live) - w.invocations() }

// tick lets time go by.
func (w *World) tick(d time.Duration) {
	w.step++
	w.note("%v pass", d)
	time.Sleep(d)
	w.rest()
}

// harm befalls a request.
func (w *World) harm(r *request) {
	f := []fault{fails, killed, orphan, lost}[w.choose.Choose(4)]
	if f == lost && !r.write {
		f = fails
	}
	w.serve(r, f)
}

// secondOperator begins another. He takes over what the first is at, or finds
// him dead.
func (w *World) secondOperator() {
	to := control.Target
	if w.state.Turn != nil || w.state.Authority == control.Target {
		to = w.state.Authority
	}
	if w.state.Run != nil && w.state.Phase != control.Switched {
		to = w.state.Authority.Other()
	}
	if w.choose.Choose(2) == 1 {
		for _, t := range w.live {
			if t.operator {
				w.kill(t)
			}
		}
		w.rest()
	}
	w.Stats["second operators"]++
	w.operate(to, false)
}

// hookFails lets the switch hook fail.
func (w *World) hookFails() bool {
	if w.cfg.Failing == 0 || w.choose.Choose(2) == 0 {
		return false
	}
	w.cfg.Failing--
	w.note("the switch hook fails")
	return true
}

// settle lets all end that goes on, with nothing going wrong.
func (w *World) settle() {
	for i := 0; w.broken == ""; i++ {
		ready, waiting := w.ready(), w.waiting()
		switch {
		case i > maxSteps:
			w.breaks(looped, "", "no rest at the end")
		case len(ready) > 0:
			w.serve(ready[0], calm)
		case len(waiting) > 0:
			w.deliver(waiting[0])
		case !w.noStalls():
			w.wake(w.stalled()[0])
		case len(w.heldBack()) > 0:
			w.heldBack()[0].held = false
		case w.operators() > 0:
			w.tick(time.Second)
		default:
			return
		}
	}
}

// finish settles the run, and judges its end.
func (w *World) finish() {
	w.settle()
	if w.broken != "" {
		return
	}
	// The same command again, where nobody is left to complete the turn.
	to := w.state.Authority
	if !w.state.Steady() && w.state.Phase != control.Switched {
		to = to.Other()
	}
	w.operate(to, false)
	w.settle()
	// What a forgotten writer does to a copy is no change of the authority's: the
	// next comparison of everything mends it.
	w.repair()
	w.settle()
	if w.broken == "" {
		w.checkEnd()
	}
	// Whatever is delivered once more finds nothing to do.
	w.quiet = true
	for _, ev := range w.events {
		if !ev.lost && w.broken == "" {
			ev.acked = false
		}
	}
	w.settle()
}

// abandon ends what is left of a run.
func (w *World) abandon() {
	for len(w.live) > 0 {
		for _, t := range w.live {
			w.kill(t)
		}
		synctest.Wait()
		w.reap()
		if len(w.live) > 0 {
			time.Sleep(time.Hour)
		}
	}
}
