package replicate

import (
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// CopiedFrom returns the stamp of an object that is a copy made from the end
// with this ID, if neither bytes nor attributes were changed since. Meaningless
// for Partial objects.
func CopiedFrom(o *store.Object, id string) (Stamp, bool) {
	stamp, ok := stampOf(o)
	return stamp, ok && stamp.From == id && stamp.Attrs == attrsDigest(o.Attrs)
}

// isEcho reports whether src is itself a copy made from the target, by the
// other direction. What happens to its original is the other direction's
// business; copying it back would bring a deleted one to life. Once the other
// direction has ended, a copy whose attributes were changed is none any more.
func isEcho(src *store.Object, ends Ends, policy Policy) bool {
	stamp, ok := stampOf(src)
	return ok && stamp.From == ends.Target && (policy.Inherited.IsZero() || stamp.Attrs == attrsDigest(src.Attrs))
}

// planEcho decides on a source object that is a copy from the target. While the
// target is the authority there is nothing to do. Afterwards the source's state
// counts, and an original that is not as it was copied has changed unseen: that
// is for the caller to keep before it is replaced.
func planEcho(src, dst *store.Object, ends Ends, policy Policy) Decision {
	echo := Decision{Skip, "came from the target"}
	if policy.Inherited.IsZero() || !secondsBefore(src.ModTime, policy.Born) {
		return echo
	}
	if dst == nil {
		if policy.Deletes && !policy.Kept.Absent {
			return Decision{Conflict, "gone from the target, where it came from"}
		}
		return Decision{Copy, "gone from the target, to be restored"}
	}
	original, _ := stampOf(src)
	if describes(original, dst) {
		return echo
	}
	if stamp, ok := stampOf(dst); ok && stamp.From == ends.Source {
		return planOurs(src, dst, stamp)
	}
	switch {
	case (sameBytes(src, dst, Stamp{}) || sameSums(original, dst)) && SameAttrs(src.Attrs, dst.Attrs):
		return Decision{Skip, "foreign but equal"}
	case policy.keeps(dst):
		return Decision{Copy, "changed on the target, to be overwritten"}
	default:
		return Decision{Conflict, "changed on the target, where it came from"}
	}
}

// sameSums reports whether a stamp proves that a copy's original has the same
// bytes as it had.
func sameSums(stamp Stamp, original *store.Object) bool {
	return stamp.Size == original.Size && stamp.Sums.Differ(original.Checksums) == "" && strong(stamp.Sums, original.Checksums)
}

// isOriginal reports whether listed objects are surely such that src is an
// unchanged copy of dst which planEcho passes over.
func isOriginal(src, dst *store.Object, ends Ends, policy Policy) bool {
	if src.Partial || policy.Inherited.IsZero() || !secondsBefore(src.ModTime, policy.Born) {
		return false
	}
	stamp, ok := CopiedFrom(src, ends.Target)
	return ok && stamp.Version.Covers(dst.Version) && sameTime(stamp.ModTime, dst.ModTime) && stamp.Size == dst.Size &&
		(dst.Partial || stamp.Attrs == attrsDigest(dst.Attrs))
}

// replaces reports whether the policy permits to replace a foreign object.
func (p Policy) replaces(dst *store.Object) bool {
	return p.Foreign == OverwriteForeign || secondsBefore(dst.ModTime, p.Inherited) || p.keeps(dst)
}

// keeps reports whether dst is what was kept.
func (p Policy) keeps(dst *store.Object) bool {
	return p.Kept.Match != "" && p.Kept.Match == dst.Version
}

// secondsBefore compares whole seconds, which is what S3 tells of a single
// object. Nothing is before the zero time.
func secondsBefore(t, limit time.Time) bool { return !limit.IsZero() && t.Unix() < limit.Unix() }
