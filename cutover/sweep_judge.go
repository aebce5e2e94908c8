package cutover

import (
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// sweepAct is what the sweep does about a key.
type sweepAct uint8

const (
	sweepLeave      sweepAct = iota
	sweepCount               // nothing, but an event came so late that it looks like a straggler
	sweepPut                 // the old side's object is put on the authority, where nothing is
	sweepKeepLate            // the old side's object is kept for resolve: it was written late
	sweepKeepUntold          // the same: it was written in time, and no event told of it
	sweepKeepDelete          // that it was deleted on the old side is kept for resolve
	sweepRestore             // the old side's object replaces a straggler's
	sweepRemove              // a straggler's copy is deleted
	sweepKeepRemove          // the old side's object is kept, and the straggler's copy deleted
)

// sweepFacts is what a judgement goes by besides the objects.
type sweepFacts struct {
	turn   control.Turn
	oldID  string // of the side that was the authority
	authID string // of the one that is

	deletes bool // the migration carries deletions
}

// sweepSeen is what the freeze has seen of a key.
type sweepSeen struct {
	old, auth bool // what is there is just what was found equal
	absent    bool // the authority was found not to have the key
	known     bool // the key was looked at
}

func seenIn(v control.Verified, to control.Side, key string, old, auth *store.Object) sweepSeen {
	version, known := v.Of(to, key)
	return sweepSeen{
		old: old != nil && v.Is(to.Other(), old), auth: auth != nil && v.Is(to, auth),
		absent: known && version == "", known: known,
	}
}

// judgeSweep decides about one key after a turn. It is pure. Neither object may be
// Partial; nil is none. Times are compared in whole seconds.
//
// It touches the authority in three ways only: it puts an object where nothing
// is; and it replaces or deletes one that is an unchanged copy from the old side
// which was written after the turn and not compared in the freeze. Only an
// invocation that had begun before the turn can have written such a copy.
func judgeSweep(old, auth *store.Object, seen sweepSeen, f sweepFacts) (sweepAct, string) {
	if f.straggler(auth, seen) {
		return judgeStraggler(old, auth, seen, f)
	}
	if old == nil {
		return judgeGone(auth, f)
	}
	switch {
	case f.carriedBack(old):
		return sweepLeave, "copied from the authority"
	case seen.old:
		return sweepLeave, "compared in the freeze"
	case auth != nil && f.same(old, auth):
		return sweepLeave, "the same on both sides"
	case !seconds(old.ModTime).Before(seconds(f.turn.Cut)):
		return sweepKeepLate, "written late"
	case auth != nil && f.copiedOver(auth):
		// Whatever its time says: on GCS a change of attributes leaves that. It
		// shows where both listings carry attributes.
		return sweepKeepUntold, "no event told of it, and the authority has an older copy"
	case f.beforeComparison(old):
		return sweepLeave, "compared before the freeze"
	case auth == nil && (!seen.known || seen.absent):
		return sweepPut, "no event told of it"
	case auth == nil:
		return sweepLeave, "deleted on the authority since"
	default:
		return sweepLeave, "written on the authority since"
	}
}

// judgeStraggler decides about a copy that was written after the turn. Its stamp
// says whether it was put where nothing was.
func judgeStraggler(old, auth *store.Object, seen sweepSeen, f sweepFacts) (sweepAct, string) {
	if stamp, _ := replicate.CopiedFrom(auth, f.oldID); !stamp.Created {
		return judgeReplacement(old, auth, seen, f)
	}
	const removed = "an old copy came back after the application had deleted it"
	switch {
	case old == nil:
		return sweepRemove, removed
	case f.carriedBack(old) && !seconds(old.ModTime).Before(seconds(f.turn.Cut)):
		return sweepRemove, removed // the application has written the key since, and deleted it again
	case f.carriedBack(old) || f.beforeComparison(old) || seen.old:
		// As far as can be told it was deleted by the application, and the other
		// direction took the straggler's copy for the object that was there.
		return sweepKeepRemove, removed
	case isCopy(auth, old, f.oldID):
		return sweepCount, "its event came late, and was carried"
	case !seconds(old.ModTime).Before(seconds(f.turn.Cut)):
		return sweepKeepRemove, removed
	default:
		return sweepKeepUntold, "no event told of it, and the authority has an older copy"
	}
}

// judgeReplacement decides about a copy that was written after the turn in the
// place of another object, which had the version of one from before: so it does
// only where versions recur with the bytes. It is not deleted, for there was
// something.
func judgeReplacement(old, auth *store.Object, seen sweepSeen, f sweepFacts) (sweepAct, string) {
	switch {
	case old == nil && !f.deletes:
		return sweepLeave, "deletes are off"
	case old == nil:
		return sweepKeepDelete, "deleted on the old side, and no event told of it"
	case f.carriedBack(old) || f.beforeComparison(old) || seen.old:
		return sweepRestore, "an old copy was written over what was there"
	case isCopy(auth, old, f.oldID):
		return sweepCount, "its event came late, and was carried"
	case !seconds(old.ModTime).Before(seconds(f.turn.Cut)):
		return sweepKeepLate, "written late"
	default:
		return sweepKeepUntold, "no event told of it, and the authority has an older copy"
	}
}

// judgeGone decides where the old side has nothing.
func judgeGone(auth *store.Object, f sweepFacts) (sweepAct, string) {
	switch {
	case auth == nil:
		return sweepLeave, "on neither side"
	case !f.copiedOver(auth):
		return sweepLeave, "the authority's own"
	case !f.deletes:
		return sweepLeave, "deletes are off"
	default:
		return sweepKeepDelete, "deleted on the old side, and no event told of it"
	}
}

// straggler reports whether auth was written by an invocation that had begun
// before the turn: it is an unchanged copy from the old side, and no older than
// the turn.
func (f sweepFacts) straggler(auth *store.Object, seen sweepSeen) bool {
	return auth != nil && !seen.auth && f.copiedOver(auth) && !seconds(auth.ModTime).Before(seconds(f.turn.Born))
}

// copiedOver reports whether auth is an unchanged copy from the old side.
func (f sweepFacts) copiedOver(auth *store.Object) bool {
	_, ok := replicate.CopiedFrom(auth, f.oldID)
	return ok
}

// carriedBack reports whether old was copied from the authority.
func (f sweepFacts) carriedBack(old *store.Object) bool {
	stamp, _ := replicate.CopiedFrom(old, f.authID)
	return stamp.From == f.authID
}

// beforeComparison reports whether old is so old that the last comparison of
// everything has seen it.
func (f sweepFacts) beforeComparison(old *store.Object) bool {
	return seconds(old.ModTime).Before(seconds(f.turn.Since).Add(-time.Second))
}

// same reports whether both are provably of the same bytes and attributes, by
// what the stores know or what the stamp on auth says.
func (f sweepFacts) same(old, auth *store.Object) bool {
	if isCopy(auth, old, f.oldID) {
		return true
	}
	sums := auth.Checksums
	if stamp, ok := replicate.CopiedFrom(auth, f.oldID); ok && !sums.Comparable(old.Checksums) {
		sums = stamp.Sums
	}
	return old.Size == auth.Size && (old.Size == 0 || sums.Comparable(old.Checksums)) && sums.Differ(old.Checksums) == "" &&
		replicate.SameAttrs(old.Attrs, auth.Attrs)
}

func seconds(t time.Time) time.Time { return t.Truncate(time.Second) }

// settledByListing reports whether what was listed of a key shows that nothing is
// to be done: for most keys no request is made.
func settledByListing(old, auth *store.Object, unlisted bool, seen sweepSeen, f sweepFacts) bool {
	oldDone := old == nil || f.beforeComparison(old)
	switch {
	case unlisted && auth == nil:
		return oldDone // the authority's object, if any, comes by itself
	case unlisted:
		return !auth.Partial && !f.copiedOver(auth)
	case auth == nil:
		return oldDone
	case auth.Partial && seconds(auth.ModTime).Before(seconds(f.turn.Born)):
		return old != nil && oldDone
	case auth.Partial || old != nil && old.Partial && !oldDone:
		return false
	case old != nil && old.Partial: // old enough, whatever it is
		return !f.straggler(auth, seen)
	default:
		act, _ := judgeSweep(old, auth, seen, f)
		return act == sweepLeave
	}
}
