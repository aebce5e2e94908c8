package fence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/model"
)

// Stage is how far a turn has got.
type Stage int

// The stages.
const (
	Announced Stage = iota // and no process relies on an older state
	Compared               // everything
	Frozen
	Drained // the events that come have come
	Verified
	Switching
	Moved // the hook has been called
	Switched
	Reversed
	Changed // the application has made its change on the new side
	Carried // and the way back has carried it
	Sweeping
	Swept
	stages
)

var stageNames = [...]string{"announced", "compared", "frozen", "drained", "verified", "switching", "moved", "switched", "reversed", "changed", "carried", "sweeping", "swept"}

func (s Stage) String() string {
	if s < 0 {
		return "never"
	}
	return stageNames[s]
}

// Scenario is a turn on one key: a change once it is announced, an invocation for
// it that stalls before its first write until some stage, and changes on the new
// side.
type Scenario struct {
	ETags  map[control.Side]bool
	Update bool
	There  bool     // the key is on both sides before
	Before []Change // on the source, from stage At on; the event is that of the first
	At     Stage    // -1: just before the announcement
	Twice  bool     // another invocation for it does not stall
	Lost   bool     // the last event never comes
	Held   bool     // it comes after the turn
	Wake   Stage    // of the invocation that stalls
	After  []Change // on the target, at stage Changed
	Late   []Change // by a forgotten writer, at stage LateAt
	LateAt Stage
	Warm   bool // a process knows the state from just before the announcement
	Deaf   bool // its events come once the way back has carried the others
	Weak   Weakness
}

func (s Scenario) String() string {
	return fmt.Sprintf("etags %v, update %v, there %v, before %v at %v (twice %v, lost %v, held %v), wakes %v, after %v, late %v at %v (deaf %v)",
		s.ETags, s.Update, s.There, s.Before, s.At, s.Twice, s.Lost, s.Held, s.Wake, s.After, s.Late, s.LateAt, s.Deaf)
}

// player goes through a scenario.
type player struct {
	*World
	s       Scenario
	stage   Stage
	first   *task    // the invocation that is to stall
	delayed *request // its write, where it is only slow
	begun   bool     // the first change is made
	changed bool     // and all others
}

// Play runs a scenario, with nothing else happening.
func Play(t *testing.T, s Scenario) (w *World) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		cfg := Config{Keys: 1, ETags: s.ETags, Update: s.Update, Freeze: true, Processes: 1, Weak: s.Weak}
		absent := 0
		if !s.There {
			absent = 1
		}
		w = newWorld(ctx, cfg, model.NewGiven([]int{absent}))
		defer w.abandon()
		w.seed()
		p := &player{World: w, s: s, stage: -1}
		if s.Warm {
			w.announce(control.Source, "a", false)
			w.settle()
			w.events = nil
		}
		if s.At < 0 {
			p.begin()
		}
		if s.At < 0 && s.Wake < 0 {
			p.goOn()
			w.settle()
		}
		w.operate(control.Target, false)
		for i := 0; w.broken == "" && i < maxSteps && p.on(); i++ {
		}
		w.finish()
	})
	return w
}

// begin makes the first change before the turn, and delivers its event.
func (p *player) begin() {
	p.begun = true
	p.app.change("a", p.s.Before[0], control.Source, byApp)
	if p.s.Wake >= 0 {
		p.deliver(p.events[0])
		p.first = p.live[len(p.live)-1]
	}
}

// goOn makes the others once the first invocation stalls, or has ended.
func (p *player) goOn() {
	p.changed = true
	for _, c := range p.s.Before[1:] {
		p.app.change("a", c, control.Source, byApp)
	}
	if p.s.Twice {
		p.deliver(p.events[0])
	}
	if last := p.events[len(p.events)-1]; last.direction == control.Forward && last.delivered == 0 {
		last.lost, last.held = p.s.Lost, p.s.Held
	}
}

// reached says how far the turn is.
func (p *player) reached() Stage {
	verified := false
	for key := range p.ctl.objects {
		verified = verified || strings.HasSuffix(key, "/verified.json")
	}
	switch s := p.state; {
	case p.Stats["sweeps"] > 0:
		return Swept
	case p.sweeping:
		return Sweeping
	case s.Phase == control.Reversed && p.stage >= Changed && p.carried()():
		return Carried
	case s.Phase == control.Reversed && p.stage >= Reversed:
		return Changed
	case s.Phase == control.Reversed:
		return Reversed
	case s.Phase == control.Switched:
		return Switched
	case s.Phase == control.Switching && p.app.side == control.Target:
		return Moved
	case s.Phase == control.Switching:
		return Switching
	case s.Phase == control.Frozen && verified:
		return Verified
	case s.Phase == control.Frozen && p.app.held && p.leaving && p.drained():
		return Drained
	case s.Phase == control.Frozen:
		return Frozen
	case s.Phase == control.Announced && p.compared:
		return Compared
	case s.Phase == control.Announced && time.Since(s.Run.Announced) >= lease:
		return Announced
	default:
		return -1
	}
}

// on goes one step on, and returns false after the last.
func (p *player) on() bool {
	p.stallFirst()
	for p.stage < p.reached() {
		p.stage++
		p.note("stage %v", p.stage)
		p.arrive()
		p.stallFirst()
	}
	if p.begun && !p.changed && (p.first == nil || !slices.Contains(p.live, p.first)) {
		p.goOn()
	}
	ready := slices.DeleteFunc(p.ready(), func(r *request) bool { return r == p.delayed })
	waiting := p.waiting()
	switch {
	case len(ready) > 0:
		p.serve(ready[len(ready)-1], calm) // functions before operators
	case len(waiting) > 0:
		p.deliver(waiting[0])
	case p.operators() > 0:
		p.tick(time.Second)
	default:
		return false
	}
	return true
}

// arrive does what is to be done at a stage.
func (p *player) arrive() {
	if p.stage == p.s.At && !p.begun {
		p.begin()
	}
	if p.stage == Changed {
		p.tick(time.Second)
		for _, c := range p.s.After {
			// A straggler may have deleted what was to be changed.
			if slices.Contains(p.app.possible("a", control.Target), c) {
				p.app.change("a", c, control.Target, byApp)
			}
		}
	}
	if p.stage == p.s.LateAt {
		for _, c := range p.s.Late {
			p.app.change("a", c, control.Source, byLate)
			p.events[len(p.events)-1].held = p.s.Deaf
		}
	}
	if p.stage == Reversed && !p.s.Deaf || p.stage == Carried {
		for _, ev := range p.events {
			ev.held = false
		}
	}
	if p.stage == p.s.Wake {
		p.first, p.delayed = nil, nil
		for _, r := range p.stalled() {
			p.wake(r)
		}
	}
}

// stallFirst stalls the first invocation before its write, where the key is there
// before that which is bound to it. One that was permitted
// before the announcement is only slow: the platform bounds it.
func (p *player) stallFirst() {
	for _, r := range p.ready() {
		if p.first != nil && r.task == p.first && r.write && r.end != p.ctl && (r.cond.Match != "") == p.s.There {
			if p.first = nil; r.run == "" {
				p.delayed = r
			} else {
				p.stall(r)
			}
		}
	}
}
