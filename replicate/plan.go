package replicate

import (
	"fmt"

	"github.com/crossfade-io/crossfade/store"
)

// Action is what a Sync does to the target.
type Action uint8

// The actions.
const (
	Skip Action = iota
	Copy
	UpdateMetadata
	Delete
	Conflict // left alone and reported: the object on the target is foreign
)

func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return fmt.Sprintf("Action(%d)", a)
}

var actionNames = [...]string{"skip", "copy", "update", "delete", "conflict"}

// Foreign says what may be done to foreign objects: those on the target that
// carry no stamp of this migration, or whose bytes changed after they were
// stamped.
type Foreign uint8

// The policies for foreign objects.
const (
	KeepForeign      Foreign = iota // never touched; reported as a conflict
	AdoptForeign                    // stamped if bytes are provably equal, else kept
	OverwriteForeign                // treated as ours
)

var foreignNames = [...]string{"keep", "adopt", "overwrite"}

func (f Foreign) String() string {
	if int(f) < len(foreignNames) {
		return foreignNames[f]
	}
	return fmt.Sprintf("Foreign(%d)", f)
}

// ParseForeign reads a policy by its name.
func ParseForeign(s string) (Foreign, error) {
	for i, n := range foreignNames {
		if s == n {
			return Foreign(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not a policy for foreign objects: use keep, adopt or overwrite", s)
}

// Policy is what the user permits.
type Policy struct {
	Deletes bool // an object that is gone from the source may be deleted on the target
	Foreign Foreign
}

// Decision is the outcome of Plan, with the reason in a few words.
type Decision struct {
	Action Action
	Reason string
}

var _ = store.ControlPrefix
