package model

import (
	"fmt"
	"strings"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// Change is one to the source, or by a foreigner to the target.
type Change uint8

// The changes.
const (
	Write         Change = iota // other bytes of the same size
	Rewrite                     // the first bytes and attributes once more
	Attributes                  // the same bytes, other attributes
	Remove                      // from the source
	ForeignWrite                // to the target
	ForeignRemove               // from the target
)

var changeNames = [...]string{"write", "rewrite", "attributes", "remove", "foreign write", "foreign remove"}

func (c Change) String() string { return changeNames[c] }

// Planned is a Sync of a Scenario, with the number of changes that happen before
// it begins.
type Planned struct {
	After int
	Hint  replicate.Hint
}

// Scenario is a world on one key with a few changes and Syncs, small enough
// that all orders can be tried.
type Scenario struct {
	Config  Config
	Before  []Change // each settled before the next
	Changes []Change
	Syncs   []Planned
	Kill    bool // the first Sync dies at any of its requests, and is delivered again
	Whole   bool // also try orders that differ only where nobody can tell
}

func (s Scenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v/%v small %d", s.Config.Source, s.Config.Target, s.Config.SmallBytes)
	if !s.Config.Policy.Deletes {
		b.WriteString(" deletes off")
	}
	fmt.Fprintf(&b, ", before %v, %v, syncs", s.Before, s.Changes)
	for _, p := range s.Syncs {
		fmt.Fprintf(&b, " %s@%d", hints[p.Hint], p.After)
	}
	return b.String()
}

// fixed makes no choices but the calmest.
type fixed struct{}

func (fixed) Choose(int) int { return 0 }

func (w *World) apply(c Change) {
	const key = "a"
	w.step++
	w.counter++
	cur, target := w.state(key), w.target[key]
	attrs := store.Attrs{CacheControl: fmt.Sprintf("n=%d", w.counter)}
	switch c {
	case Write:
		w.write(key, fmt.Appendf(nil, "%04d", w.counter), attrs)
	case Rewrite:
		w.write(key, []byte("same"), store.Attrs{})
	case Attributes:
		w.write(key, cur.body, attrs)
	case Remove:
		w.remove(key)
	case ForeignWrite:
		w.meddled[key] = true
		o := w.newObject(key, []byte("alien"), store.Attrs{})
		o.foreign = true
		w.target[key] = o
		w.note(line{text: "target: a foreigner writes " + w.seen(o)})
	case ForeignRemove:
		w.meddled[key] = true
		if target != nil {
			delete(w.target, key)
			w.note(line{text: "target: a foreigner deletes it"})
		}
	}
}

// Explore runs s in every order of its requests and changes. Of orders that
// differ only in the order of neighbours that cannot tell, it runs one. It
// returns the first run that broke, or nil, and the number of runs.
func Explore(s Scenario) (broken *World, runs int) {
	e := &explorer{scenario: s}
	for {
		w, whole := e.run()
		if whole {
			runs++
		}
		if w.broken != "" {
			return w, runs
		}
		if !e.backtrack() {
			return nil, runs
		}
	}
}

// Actors are numbered: the changes are 0, the planned Syncs 1 and up, each with
// a variant for each outcome. A set of them is a bit mask.
type actor int

type choice struct {
	actor actor
	kill  bool
}

// node is one decision of the current run.
type node struct {
	choices []choice
	at      int             // the one that is taken
	sleep   map[choice]bool // those that were tried in an equal state
	pending map[choice]*request
}

type explorer struct {
	scenario Scenario
	path     []*node
}

// run replays the path and goes on from its end with the first choice each.
// whole is false where the rest has been seen in another order.
func (e *explorer) run() (w *World, whole bool) {
	s := e.scenario
	w = newWorld(s.Config, fixed{})
	w.lastHints = []replicate.Hint{replicate.HintNone}
	for _, c := range s.Before {
		w.apply(c)
		w.again("a", replicate.HintNone)
	}
	live := make([]*task, len(s.Syncs)) // by index, nil before it begins and after it ended
	changes, killed := 0, false
	begin := func() {
		for i, p := range s.Syncs {
			if p.After == changes {
				ev := &event{key: "a", hint: p.Hint}
				w.events = append(w.events, ev)
				live[i] = w.begin(ev, p.Hint)
			}
		}
	}
	begin()
	for depth := 0; w.broken == ""; depth++ {
		if depth == len(e.path) {
			n := &node{sleep: map[choice]bool{}, pending: map[choice]*request{}}
			if changes < len(s.Changes) {
				n.choices = append(n.choices, choice{actor: 0})
			}
			for i, t := range live {
				if t == nil {
					continue
				}
				n.choices = append(n.choices, choice{actor: actor(i + 1)})
				n.pending[n.choices[len(n.choices)-1]] = t.pend
				if s.Kill && i == 0 && !killed {
					n.choices = append(n.choices, choice{actor(i + 1), true})
					n.pending[n.choices[len(n.choices)-1]] = t.pend
				}
			}
			if len(n.choices) == 0 {
				break
			}
			if depth > 0 {
				e.inherit(e.path[depth-1], n)
			}
			e.path = append(e.path, n)
			if !n.awake() {
				w.abandon()
				return w, false
			}
		}
		c := e.path[depth].choices[e.path[depth].at]
		if c.actor == 0 {
			w.apply(s.Changes[changes])
			changes++
			begin()
			continue
		}
		i := int(c.actor) - 1
		t := live[i]
		if c.kill {
			killed = true
			w.release(t, outcome{fault: orphan})
		} else {
			w.release(t, outcome{})
		}
		if t.pend == nil {
			live[i] = nil
			if c.kill && s.Config.Forgets {
				t.ev.acked = true // by an earlier delivery of the same event
			}
		}
	}
	w.finish()
	return w, true
}

// awake moves to the first choice from the current one on that is not asleep.
func (n *node) awake() bool {
	for ; n.at < len(n.choices); n.at++ {
		if !n.sleep[n.choices[n.at]] {
			return true
		}
	}
	return false
}

// inherit puts to sleep in next, which follows n, what was tried in n before the
// choice taken there and cannot tell whether that came first.
func (e *explorer) inherit(n, next *node) {
	taken := n.choices[n.at]
	for c := range n.sleep {
		if c.actor != taken.actor && !e.scenario.Whole && independent(n, c, taken) {
			next.sleep[c] = true
		}
	}
}

func independent(n *node, a, b choice) bool {
	ra, rb := n.pending[a], n.pending[b]
	switch {
	case a.kill || b.kill:
		return false
	case ra == nil && rb == nil:
		return false
	case ra == nil:
		return !rb.onSource && !rb.write
	case rb == nil:
		return !ra.onSource && !ra.write
	default:
		return ra.onSource != rb.onSource || !ra.write && !rb.write
	}
}

// backtrack moves the path to the next order, and returns false after the last.
func (e *explorer) backtrack() bool {
	for len(e.path) > 0 {
		n := e.path[len(e.path)-1]
		if n.at < len(n.choices) {
			n.sleep[n.choices[n.at]] = true
			n.at++
			if n.awake() {
				return true
			}
		}
		e.path = e.path[:len(e.path)-1]
	}
	return false
}
