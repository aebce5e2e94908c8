package control

// Direction is which way a process copies.
type Direction string

// The directions.
const (
	Forward Direction = "forward" // from the source to the target
	Reverse Direction = "reverse" // from the target to the source
)

// From is the side that is read.
func (d Direction) From() Side {
	if d == Reverse {
		return Target
	}
	return Source
}

// To is the side that is written.
func (d Direction) To() Side { return d.From().Other() }

// Away is the direction in which changes of an authority flow.
func Away(authority Side) Direction {
	if authority == Target {
		return Reverse
	}
	return Forward
}

// MayWrite reports whether d may write in state s. Only what the authority
// holds flows, and nothing does while the authority changes.
func (s State) MayWrite(d Direction) bool {
	return d.From() == s.Authority && s.Phase != Switching && s.Phase != Done
}

// Ends names what d reads and what it writes, as stamps do.
func (s State) Ends(d Direction) (from, to string) {
	if d == Reverse {
		return s.Target, s.Source
	}
	return s.Source, s.Target
}

// Turned returns the last change of the authority if it made d the direction
// that leads away from it, else nil.
func (s State) Turned(d Direction) *Turn {
	if s.Turn == nil || s.Turn.To != s.Authority || d.From() != s.Authority {
		return nil
	}
	return s.Turn
}

// Steady reports whether s is such that a writer may rely on it for a while
// (Lease) without asking again. Whatever ends a steady phase is followed by an
// announcement, and a wait of at least a Lease and the longest invocation.
func (s State) Steady() bool {
	switch s.Phase {
	case Seeding, Following, Reversed, Done:
		return true
	default:
		return false
	}
}

// Journals reports whether writers note the keys that they are about to sync.
func (s State) Journals() bool { return s.Phase == Announced || s.Phase == Frozen }
