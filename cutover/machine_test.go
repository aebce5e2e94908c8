package cutover

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/replicate/control"
)

var (
	allPhases = []control.Phase{
		control.Seeding, control.Following, control.Announced, control.Frozen,
		control.Switching, control.Switched, control.Reversed, control.Done,
	}
	allEvents = []event{evSeeded, evAnnounce, evFreeze, evAbort, evSwitch, evUndo, evSwitched, evTurned, evFinish}
)

// reachable returns all states that a migration can come to, and how.
func reachable() map[[2]string][]event {
	begin := control.State{Phase: control.Seeding, Authority: control.Source}
	at := func(s control.State) [2]string { return [2]string{string(s.Phase), string(s.Authority)} }
	ways, queue := map[[2]string][]event{at(begin): {}}, []control.State{begin}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for _, ev := range allEvents {
			n, err := next(s, ev)
			if err != nil {
				continue
			}
			if _, known := ways[at(n)]; !known {
				ways[at(n)] = append(slices.Clone(ways[at(s)]), ev)
				queue = append(queue, n)
			}
		}
	}
	return ways
}

func TestMachineReaches(t *testing.T) {
	t.Parallel()
	ways := reachable()
	for _, p := range allPhases {
		for _, a := range []control.Side{control.Source, control.Target} {
			_, ok := ways[[2]string{string(p), string(a)}]
			want := (p != control.Seeding && p != control.Following || a == control.Source) && (p != control.Reversed || a == control.Target)
			if ok != want {
				t.Errorf("%s with the %s as authority: reachable is %v", p, a, ok)
			}
		}
	}
}

// From wherever it is, a migration gets back to a steady phase by going on, and
// before the switch by an abort as well, with the authority as it was.
func TestMachineHasWaysOut(t *testing.T) {
	t.Parallel()
	on := map[control.Phase]event{
		control.Seeding: evSeeded, control.Announced: evFreeze, control.Frozen: evSwitch,
		control.Switching: evSwitched, control.Switched: evTurned,
	}
	for from := range reachable() {
		s := control.State{Phase: control.Phase(from[0]), Authority: control.Side(from[1])}
		n := s
		for steps := 0; !n.Steady() || n.Phase == control.Seeding; steps++ {
			var err error
			if n, err = next(n, on[n.Phase]); err != nil || steps > 5 {
				t.Fatalf("on from %v: %v", from, err)
			}
		}
		if s.Phase == control.Switching {
			var err error
			if s, err = next(s, evUndo); err != nil {
				t.Fatal(err)
			}
		}
		if s.Phase == control.Announced || s.Phase == control.Frozen {
			back, err := next(s, evAbort)
			if err != nil || !back.Steady() || back.Authority != s.Authority || !back.MayWrite(control.Away(s.Authority)) {
				t.Errorf("abort from %v: %+v, %v", from, back, err)
			}
		}
	}
}

func TestMachineProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := control.State{Phase: control.Seeding, Authority: control.Source}
		for range rapid.IntRange(0, 60).Draw(t, "events") {
			ev := rapid.SampledFrom(allEvents).Draw(t, "event")
			n, err := next(s, ev)
			if err != nil {
				phase, ok := errors.AsType[*PhaseError](err)
				if !ok || phase.Phase != s.Phase || strings.Contains(err.Error(), "  ") || (len(phase.Possible) == 0) != (s.Phase == control.Done) {
					t.Fatalf("error %v", err)
				}
				for _, can := range phase.Possible {
					if _, err := next(s, event(can)); err != nil {
						t.Fatalf("%s is said to be possible: %v", can, err)
					}
				}
				continue
			}
			switch {
			case n.Epoch < s.Epoch:
				t.Fatalf("%s: epoch %d after %d", ev, n.Epoch, s.Epoch)
			case (n.Authority != s.Authority) != (ev == evSwitched):
				t.Fatalf("%s: authority %s after %s", ev, n.Authority, s.Authority)
			case n.Authority != s.Authority && (s.Phase != control.Switching || n.Phase != control.Switched):
				t.Fatalf("%s: the authority has changed from %s to %s", ev, s.Phase, n.Phase)
			case (n.Phase == control.Switching) != (n.Epoch > s.Epoch && ev == evSwitch):
				t.Fatalf("%s: epoch %d after %d", ev, n.Epoch, s.Epoch)
			case n.MayWrite(control.Forward) && n.MayWrite(control.Reverse):
				t.Fatalf("%s: both directions may write", n.Phase)
			case s.Steady() && s.Phase != control.Seeding && !n.Steady() && n.Phase != control.Announced:
				t.Fatalf("%s: from %s to %s without an announcement", ev, s.Phase, n.Phase)
			}
			s = n
		}
	})
}
