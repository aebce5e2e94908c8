package cutover

import (
	"fmt"
	"slices"
	"strings"

	"github.com/crossfade-io/crossfade/replicate/control"
)

// event is what can happen to a migration.
type event string

const (
	evSeeded   event = "the end of the backfill"
	evAnnounce event = "an announcement"
	evFreeze   event = "a freeze"
	evAbort    event = "an abort"
	evSwitch   event = "a switch"
	evUndo     event = "the undoing of a switch"
	evSwitched event = "the end of a switch"
	evTurned   event = "the opening of the way back"
	evFinish   event = "a finish"
)

// move is an entry of the table of transitions.
type move struct {
	event event
	from  control.Phase
	// authority restricts the move to one side's being the authority; "" for both.
	authority control.Side
	to        control.Phase
}

// moves is all that can happen. An abort returns to where the announcement came
// from, and the opening of the way back ends where the new authority belongs.
var moves = [...]move{
	{evSeeded, control.Seeding, control.Source, control.Following},
	{evSeeded, control.Following, control.Source, control.Following},
	{evAnnounce, control.Following, control.Source, control.Announced},
	{evAnnounce, control.Reversed, control.Target, control.Announced},
	{evFreeze, control.Announced, "", control.Frozen},
	{evAbort, control.Announced, control.Source, control.Following},
	{evAbort, control.Announced, control.Target, control.Reversed},
	{evAbort, control.Frozen, control.Source, control.Following},
	{evAbort, control.Frozen, control.Target, control.Reversed},
	{evSwitch, control.Frozen, "", control.Switching},
	{evUndo, control.Switching, "", control.Frozen},
	{evSwitched, control.Switching, "", control.Switched},
	{evTurned, control.Switched, control.Source, control.Following},
	{evTurned, control.Switched, control.Target, control.Reversed},
	{evFinish, control.Following, control.Source, control.Done},
	{evFinish, control.Reversed, control.Target, control.Done},
}

// PhaseError says that something cannot happen in the phase that the migration
// is in.
type PhaseError struct {
	Phase     control.Phase
	Authority control.Side
	Event     string   // what was to happen
	Possible  []string // what can
}

func (e *PhaseError) Error() string {
	can := "nothing more can happen to it"
	if len(e.Possible) > 0 {
		can = "possible is " + strings.Join(e.Possible, ", or ")
	}
	return fmt.Sprintf("the migration is %s with the %s as authority, which permits no %s: %s",
		e.Phase, e.Authority, strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(e.Event, "an "), "a "), "the "), can)
}

// next returns s after ev: the phase, and the epoch and the authority where ev
// changes them. It is pure, and leaves the rest of s alone.
func next(s control.State, ev event) (control.State, error) {
	i := slices.IndexFunc(moves[:], func(m move) bool { return m.event == ev && m.applies(s) })
	if i < 0 {
		err := &PhaseError{Phase: s.Phase, Authority: s.Authority, Event: string(ev)}
		for _, m := range moves {
			if m.applies(s) {
				err.Possible = append(err.Possible, string(m.event))
			}
		}
		return control.State{}, err
	}
	s = s.Clone()
	s.Phase = moves[i].to
	switch ev {
	case evSwitch, evUndo:
		s.Epoch++
	case evSwitched:
		s.Authority = s.Authority.Other()
	}
	return s, nil
}

func (m move) applies(s control.State) bool {
	return m.from == s.Phase && (m.authority == "" || m.authority == s.Authority)
}
