package fence

import (
	"os"
	"slices"
	"testing"

	"github.com/crossfade-io/crossfade/replicate/control"
)

// sides is which sides have versions that recur.
type sides struct {
	name           string
	source, target bool
}

func (s sides) etags() map[control.Side]bool {
	return map[control.Side]bool{control.Source: s.source, control.Target: s.target}
}

var allSides = []sides{{"unique", false, false}, {"from S3", true, false}, {"to S3", false, true}, {"S3 to S3", true, true}}

// changesOf lists n changes of a key that is there or not.
func changesOf(there bool, n int, of []Change) [][]Change {
	if n == 0 {
		return [][]Change{nil}
	}
	var all [][]Change
	for _, c := range of {
		if !there && c != Write && c != Again {
			continue
		}
		for _, rest := range changesOf(c != Delete, n-1, of) {
			all = append(all, append([]Change{c}, rest...))
		}
	}
	return all
}

// positions lists every position of a stalled write relative to the steps of a
// turn and to the application's changes: n of them before it.
func positions(on sides, n int, at []Stage) (all []Scenario) {
	of := []Change{Write, Delete, Again, Attributes, Touch}
	for _, there := range []bool{true, false} {
		for _, changes := range changesOf(there, n, of) {
			if !there && changes[0] == Again {
				continue // there is nothing to repeat
			}
			exists := changes[n-1] != Delete
			after := append(changesOf(exists, 1, of), nil, []Change{Write, Delete}, []Change{Write, Again})
			for i, after := range after {
				for _, at := range at {
					for wake := at; wake < stages; wake++ {
						all = append(all, Scenario{
							ETags: on.etags(), Update: i%2 == 0, There: there, Before: changes, At: at,
							Wake: wake, After: after, Twice: int(wake)%2 == 0, LateAt: -1,
						})
					}
				}
			}
		}
	}
	return all
}

// missed lists turns with an event that never comes, or comes late, and a
// forgotten writer.
func missed(on sides) (all []Scenario) {
	for _, there := range []bool{true, false} {
		for _, before := range changesOf(there, 1, []Change{Write, Delete}) {
			for _, after := range append(changesOf(there, 1, []Change{Write, Delete}), nil) {
				for _, at := range []Stage{Announced, Compared} {
					s := Scenario{ETags: on.etags(), There: there, Before: before, At: at, Wake: -1, After: after, LateAt: -1}
					lost, held := s, s
					lost.Lost, held.Held = true, true
					all = append(all, lost, held)
					if at == Compared {
						continue
					}
					for lateAt := Switched; lateAt < stages; lateAt++ {
						late := s
						late.Late, late.LateAt, late.Deaf = []Change{Write}, lateAt, lateAt%2 == 0
						all = append(all, late)
					}
				}
			}
		}
	}
	return all
}

// play runs scenarios and fails at the first that breaks.
func play(t *testing.T, all []Scenario) {
	t.Helper()
	stats := map[string]int{}
	for _, s := range all {
		w := Play(t, s)
		for what, n := range w.Stats {
			stats[what] += n
		}
		if f := w.Failure(); f != "" {
			t.Fatalf("%v: %s\n%s", s, f, w.Schedule())
		}
	}
	t.Logf("%d turns: %v", len(all), stats)
}

// everything is each position of one stalled write after one change, and each
// event that is missed.
func everything() (all []Scenario) {
	for _, on := range slices.Backward(allSides) { // most is found where versions recur
		all = append(append(all, positions(on, 1, []Stage{Compared})...), missed(on)...)
	}
	return all
}

// Some positions of one stalled write after one change; TestMutants has all of
// them without the race detector, and CROSSFADE_SOAK after two changes as well.
func TestPositions(t *testing.T) {
	t.Parallel()
	for _, on := range allSides {
		t.Run(on.name, func(t *testing.T) {
			t.Parallel()
			all := append(positions(on, 1, []Stage{Compared}), missed(on)...)
			if os.Getenv("CROSSFADE_SOAK") != "" {
				play(t, append(all, positions(on, 2, []Stage{Announced, Compared})...))
				return
			}
			var some []Scenario
			for i := 0; i < len(all); i += 17 {
				some = append(some, all[i])
			}
			play(t, some)
		})
	}
}

// The known limit, which the documents name: on S3 as the new authority a version
// comes back with the bytes, and then nothing tells a straggler's from the
// application's own.
func TestLimitWhereVersionsRecur(t *testing.T) {
	t.Parallel()
	s := Scenario{There: true, Before: []Change{Write}, At: Compared, Wake: Changed, After: []Change{Again}, LateAt: -1}
	s.ETags = allSides[2].etags()
	if w := Play(t, s); !w.recurred["a"] || w.app.record["a"].is(w.ends[control.Target].objects["a"]) {
		t.Fatalf("the limit is gone: correct the documents\n%s", w.Schedule())
	}
	s.ETags = nil
	if w := Play(t, s); w.Failure() != "" || w.recurred["a"] {
		t.Fatalf("without versions that recur it should do no harm: %s\n%s", w.Failure(), w.Schedule())
	}
}

// What the tests are about does happen.
func TestStragglersHappen(t *testing.T) {
	t.Parallel()
	toS3 := allSides[2].etags()
	for what, s := range map[string]Scenario{
		"stalls":                                {There: true, Before: []Change{Write}, Wake: Swept},
		"stragglers that create":                {Before: []Change{Write}, Wake: Changed, After: []Change{Delete}},
		"stragglers in the freeze":              {Before: []Change{Write, Delete}, Wake: Verified, Twice: true},
		"keys whose event did not come":         {There: true, Before: []Change{Write}, Wake: -1, Lost: true},
		"stragglers that change nothing":        {There: true, Before: []Change{Touch}, Wake: Reversed, Twice: true, ETags: toS3},
		"stragglers by a version that recurred": {There: true, Before: []Change{Write}, Wake: Changed, After: []Change{Again}, ETags: toS3},
	} {
		s.At, s.LateAt = Compared, -1
		if w := Play(t, s); w.Stats[what] == 0 {
			t.Errorf("no %s: %v\n%s", what, w.Stats, w.Schedule())
		}
	}
}
