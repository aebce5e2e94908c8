package replicate

import (
	"bytes"
	"fmt"
	"time"

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

var actionNames = [...]string{"skip", "copy", "update", "delete", "conflict"}

func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return fmt.Sprintf("Action(%d)", a)
}

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

// Policy is what the user permits, and what is known of a target that was the
// authority before.
type Policy struct {
	Deletes bool // an object that is gone from the source may be deleted on the target
	Foreign Foreign

	// Inherited, where set, is when the target ceased to be the authority, by its
	// own clock. What was last modified there in a second before it was compared
	// then, and counts as ours: Plan treats it as OverwriteForeign does.
	Inherited time.Time

	// Born goes with Inherited: a moment of the same change, by the source's
	// clock. A copy from the target that was there before is the source's own now,
	// and Conflict says where its original is gone or differs from it. A copy
	// that is not older may be a straggler's: it is passed over.
	Born time.Time

	// Kept, where set, is just that state of the target which may be replaced
	// whatever it is, for what it holds is kept elsewhere.
	Kept store.Condition
}

// Ends names the two stores as stamps do, by config.Location.ID.
type Ends struct {
	Source string
	Target string
}

// Decision is the outcome of Plan, with the reason in a few words.
type Decision struct {
	Action Action
	Reason string
}

// Plan decides what makes the target right for one key. It is pure. src and
// dst are the objects as read, dst first, and nil where the store said
// definitely that there is none; neither may be Partial.
func Plan(src, dst *store.Object, ends Ends, policy Policy) Decision {
	switch {
	case src == nil && dst == nil:
		return Decision{Skip, "on neither side"}
	case src == nil:
		return planAbsent(dst, ends, policy)
	case isEcho(src, ends, policy):
		return planEcho(src, dst, ends, policy)
	case dst == nil:
		return Decision{Copy, "not on the target"}
	}
	stamp, ok := stampOf(dst)
	if !ok || stamp.From != ends.Source {
		return planForeign(src, dst, policy)
	}
	return planOurs(src, dst, stamp)
}

func planOurs(src, dst *store.Object, stamp Stamp) Decision {
	switch {
	case describes(stamp, src):
		return Decision{Skip, "up to date"}
	case sameBytes(src, dst, stamp):
		return Decision{UpdateMetadata, "same bytes, other attributes or version"}
	default:
		return Decision{Copy, "changed on the source"}
	}
}

func planAbsent(dst *store.Object, ends Ends, policy Policy) Decision {
	stamp, ok := stampOf(dst)
	ours := ok && stamp.From == ends.Source
	switch {
	case !ours && !policy.replaces(dst):
		return Decision{Conflict, "not on the source, foreign on the target"}
	case !policy.Deletes:
		return Decision{Skip, "gone from the source, deletes are off"}
	default:
		return Decision{Delete, "gone from the source"}
	}
}

func planForeign(src, dst *store.Object, policy Policy) Decision {
	same := sameBytes(src, dst, Stamp{})
	switch {
	case same && (policy.Foreign == AdoptForeign || policy.replaces(dst)):
		return Decision{UpdateMetadata, "foreign with the same bytes"}
	case same && SameAttrs(src.Attrs, dst.Attrs):
		return Decision{Skip, "foreign but equal"}
	case policy.replaces(dst):
		return Decision{Copy, "foreign, to be overwritten"}
	default:
		return Decision{Conflict, "foreign on the target"}
	}
}

// describes reports whether stamp was made for just this state of src. The
// version alone is not enough: an ETag on S3 recurs with the bytes.
func describes(stamp Stamp, src *store.Object) bool {
	return stamp.Version == src.Version && sameTime(stamp.ModTime, src.ModTime) &&
		stamp.Size == src.Size && stamp.Attrs == attrsDigest(src.Attrs)
}

// sameBytes reports whether both bodies are provably equal. What the target
// knows of its own bytes goes before what the stamp says of them.
func sameBytes(src, dst *store.Object, stamp Stamp) bool {
	if src.Size != dst.Size || src.Checksums.Differ(dst.Checksums) != "" || src.Checksums.Differ(stamp.Sums) != "" {
		return false
	}
	return strong(src.Checksums, dst.Checksums) || strong(src.Checksums, stamp.Sums) ||
		src.Size == 0
}

// strong reports whether a checksum that both know is equal.
func strong(a, b store.Checksums) bool {
	eq := func(x, y []byte) bool { return x != nil && bytes.Equal(x, y) }
	return eq(a.CRC32C, b.CRC32C) || eq(a.MD5, b.MD5) || eq(a.CRC64NVME, b.CRC64NVME)
}
