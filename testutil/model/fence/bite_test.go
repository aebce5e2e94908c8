package fence

import (
	"slices"
	"testing"
)

// weaknesses lists guards that are taken out of the model, each with turns in
// which that is to be found, and the invariants of which one has to break.
var weaknesses = []struct {
	name   string
	weak   Weakness
	turns  []Scenario
	breaks []string
}{
	{"functions do not ask before they write", Unguarded, stalledTurns(), []string{"1"}},
	{"keys are noted once they have been synced", JournalAfter, stalledTurns(), []string{"2"}},
	{"older invocations are not waited for", Hasty, []Scenario{{There: true, Before: []Change{Write}, At: Compared, Wake: Switching, LateAt: -1, Warm: true}}, []string{"2"}},
	{"nothing is compared", Trusting, stalledTurns(), []string{"2"}},
	{"equal objects are verified though a Sync is to replace one", Lenient, only(stalledTurns(), func(s Scenario) bool { return s.Before[0] == Touch && s.Wake > Switching && !s.Twice }), []string{"2"}},
	{"what was verified is not written down", Unverified, only(stalledTurns(), func(s Scenario) bool { return !s.There && s.Wake == Changed }), []string{"3"}},
	{"the switch does not raise the epoch", SameEpoch, stalledTurns(), []string{"7"}},
	{"all on the old side counts as compared", CutNow, lateTurns(), []string{"4"}},
	{"all copies from the old side count as stragglers'", NeverBorn, []Scenario{{Before: []Change{Write}, At: -1, Wake: -1, LateAt: -1}}, []string{"3"}},
}

func stalledTurns() []Scenario {
	return positions(allSides[0], 1, []Stage{Compared})
}

func lateTurns() []Scenario {
	return only(missed(allSides[0]), func(s Scenario) bool { return s.Late != nil })
}

func only(turns []Scenario, fit func(Scenario) bool) []Scenario {
	return slices.DeleteFunc(turns, func(s Scenario) bool { return !fit(s) })
}

// TestWeaknesses shows that the model bites.
func TestWeaknesses(t *testing.T) {
	t.Parallel()
	for _, m := range weaknesses {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for i, s := range m.turns {
				s.Weak = m.weak
				w := Play(t, s)
				f := w.Failure()
				if f == "" {
					continue
				}
				if !slices.Contains(m.breaks, f[len("breaks invariant "):][:1]) {
					t.Fatalf("one of %v may break; found: %s\n%v\n%s", m.breaks, f, s, w.Schedule())
				}
				t.Logf("caught in turn %d of %d: %s", i+1, len(m.turns), f)
				return
			}
			t.Errorf("it survived %d turns", len(m.turns))
		})
	}
}
