package model

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/replicate"
)

// pair is the ways in which source and target name versions.
type pair struct{ source, target Versions }

var pairs = []pair{
	{Unique, Unique},
	{Recurring, Unique},
	{Kept, Unique},
	{Unique, Recurring},
	{Recurring, Recurring},
	{Unique, Unbound},
	{Recurring, Unbound},
}

// sequences lists what may happen to a source that has the key or not.
func sequences(there bool, n int) [][]Change {
	if n == 0 {
		return [][]Change{nil}
	}
	var all [][]Change
	for _, c := range []Change{Write, Rewrite, Attributes, Remove} {
		if !there && c >= Attributes {
			continue
		}
		for _, rest := range sequences(c != Remove, n-1) {
			all = append(all, append([]Change{c}, rest...))
		}
	}
	return all
}

// hintPairs are those of the first and the second Sync.
var (
	everyHint = [][2]replicate.Hint{
		{replicate.HintNone, replicate.HintNone},
		{replicate.HintNew, replicate.HintNew},
		{replicate.HintRemoved, replicate.HintRemoved},
		{replicate.HintNone, replicate.HintNew},
		{replicate.HintNew, replicate.HintNone},
		{replicate.HintNone, replicate.HintRemoved},
		{replicate.HintRemoved, replicate.HintNone},
		{replicate.HintNew, replicate.HintRemoved},
		{replicate.HintRemoved, replicate.HintNew},
	}
	someHints = [][2]replicate.Hint{everyHint[0], everyHint[1], everyHint[8]}
)

// SmallBytes that make each body a small one, or a large one.
var (
	smallBodies = []int64{100}
	allBodies   = []int64{100, -1}
)

// scenarios lists two Syncs and n changes on one key: the second begins after
// the last change, the first at any time before.
func scenarios(p pair, n int, hintPairs [][2]replicate.Hint, sizes []int64) (all []Scenario) {
	for _, before := range [][]Change{{Rewrite}, nil} {
		for _, changes := range sequences(before != nil, n) {
			for _, small := range sizes {
				for after := range n + 1 {
					for _, h := range hintPairs {
						for _, deletes := range []bool{true, false} {
							if !deletes && (!slices.Contains(changes, Remove) || small < 0) {
								continue
							}
							all = append(all, Scenario{
								Config: Config{
									Keys: 1, Source: p.source, Target: p.target, SmallBytes: small,
									SilentSource: small < 0, Updates: small > 0,
									Attempts: 8, Policy: replicate.Policy{Deletes: deletes},
								},
								Before: before, Changes: changes,
								Syncs: []Planned{{after, h[0]}, {n, h[1]}},
							})
						}
					}
				}
			}
		}
	}
	return all
}

// foreign lists scenarios in which one of the changes is a foreigner's.
func foreign(p pair) (all []Scenario) {
	if p.target == Unbound {
		return nil
	}
	for _, changes := range [][]Change{{ForeignWrite}, {ForeignRemove}, {Write, ForeignWrite}, {ForeignWrite, Write}, {ForeignWrite, Remove}} {
		for _, f := range []replicate.Foreign{replicate.KeepForeign, replicate.AdoptForeign, replicate.OverwriteForeign} {
			for _, h := range someHints[:2] {
				s := scenario(p, []Change{Rewrite}, changes, Planned{0, h[0]}, Planned{len(changes), h[1]})
				s.Config.Policy.Foreign = f
				all = append(all, s)
			}
		}
	}
	return all
}

// explore runs all scenarios and fails at the first that breaks.
func explore(t *testing.T, all []Scenario) (interleavings int) {
	t.Helper()
	for _, s := range all {
		w, n := Explore(s)
		interleavings += n
		if w != nil {
			t.Fatalf("%v\n%s\n%s", s, w.Failure(), w.Schedule())
		}
	}
	return interleavings
}

// Every order of the requests of two Syncs and of one change. With two changes
// TestHunt does it, and CROSSFADE_SOAK with bodies of all sizes and all hints.
func TestEveryInterleaving(t *testing.T) {
	t.Parallel()
	for _, p := range pairs {
		t.Run(fmt.Sprintf("%v to %v", p.source, p.target), func(t *testing.T) {
			t.Parallel()
			all := append(scenarios(p, 1, everyHint, allBodies), foreign(p)...)
			for _, s := range scenarios(p, 1, someHints[:1], smallBodies) {
				s.Kill = true
				all = append(all, s)
			}
			if os.Getenv("CROSSFADE_SOAK") != "" {
				all = append(all, scenarios(p, 2, everyHint, allBodies)...)
			}
			t.Logf("%d scenarios, %d interleavings", len(all), explore(t, all))
		})
	}
}

// What the explorer leaves out is only what nobody can tell: the outcomes are
// the same as those of all orders.
func TestExplorerLeavesNothingOut(t *testing.T) {
	t.Parallel()
	for _, s := range []Scenario{
		scenario(pairs[0], []Change{Rewrite}, []Change{Write}, Planned{0, replicate.HintNone}, Planned{1, replicate.HintNew}),
		scenario(pairs[1], []Change{Rewrite}, []Change{Remove}, Planned{0, replicate.HintNone}, Planned{1, replicate.HintRemoved}),
		scenario(pairs[3], nil, []Change{Write}, Planned{1, replicate.HintNew}, Planned{1, replicate.HintNone}),
	} {
		some, fewer := outcomesOf(s)
		s.Whole = true
		all, more := outcomesOf(s)
		if !maps.Equal(some, all) || fewer >= more {
			t.Errorf("%v: %d outcomes in %d orders, %d in all %d", s, len(some), fewer, len(all), more)
		}
		t.Logf("%v: %d of %d orders, %d outcomes", s, fewer, more, len(all))
	}
}

func scenario(p pair, before, changes []Change, syncs ...Planned) Scenario {
	return Scenario{
		Config: Config{Keys: 1, Source: p.source, Target: p.target, SmallBytes: 100, Attempts: 8, Updates: true, Policy: replicate.Policy{Deletes: true}},
		Before: before, Changes: changes, Syncs: syncs,
	}
}

// outcomesOf collects what each Sync of each order saw and did, in its own order.
func outcomesOf(s Scenario) (seen map[string]bool, runs int) {
	seen = map[string]bool{}
	e := &explorer{scenario: s}
	for more := true; more; more = e.backtrack() {
		w, whole := e.run()
		if !whole {
			continue
		}
		runs++
		by := make([]string, w.calls+1)
		for _, l := range w.lines {
			if l.task != nil {
				by[l.task.id] += l.String() + "\n"
			}
		}
		seen[strings.Join(by, "\n")] = true
	}
	return seen, runs
}

// The known limits, which the documents name: here the model shows what becomes
// of a Sync that dies after its write and is never delivered again.
func TestLimitOfForgottenDeliveries(t *testing.T) {
	t.Parallel()
	// A duplicate delivery, of an event that another acknowledged, writes what
	// was deleted meanwhile and dies before its confirming read.
	s := scenario(pairs[0], nil, []Change{Write, Remove}, Planned{1, replicate.HintNew}, Planned{2, replicate.HintRemoved})
	s.Kill = true
	if w, _ := Explore(s); w != nil {
		t.Fatalf("delivered again, it should do no harm: %s\n%s", w.Failure(), w.Schedule())
	}
	s.Config.Forgets = true
	w, _ := Explore(s)
	if w == nil || !strings.Contains(w.Failure(), "invariant 3") {
		t.Fatal("the limit is gone: correct the documents")
	}
}
