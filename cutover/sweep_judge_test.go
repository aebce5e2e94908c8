package cutover

import (
	"context"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// The times of a turn, and one between each two of them.
const (
	longAgo  = 10  // before the comparison of everything
	begun    = 100 // it began
	changed  = 150
	cut      = 200
	born     = 200
	latter   = 300
	oldName  = "s3://old"
	authName = "gs://new"
)

func at(sec int) time.Time { return time.Unix(int64(sec), 0) }

func testFacts() sweepFacts {
	return sweepFacts{
		turn:  control.Turn{Run: "run1", To: control.Target, Since: at(begun), Cut: at(cut), Born: at(born)},
		oldID: oldName, authID: authName, deletes: true,
	}
}

func object(version string, sec int) *store.Object {
	return &store.Object{Key: "k", Size: 1, Version: store.Version(version), ModTime: at(sec), Checksums: store.ChecksumsOf([]byte(version[:1]), store.Checksums{})}
}

// copyOf is a copy of o, made by the direction that reads the side from where
// nothing was.
func copyOf(o *store.Object, from string, version string, sec int) *store.Object {
	return stamped(o, from, version, sec, true)
}

// replacing is a straggler's copy of o over something.
func replacing(o *store.Object) *store.Object { return stamped(o, oldName, "x1", latter, false) }

func stamped(o *store.Object, from string, version string, sec int, created bool) *store.Object {
	stamp, err := stampOfK()
	if err != nil {
		panic(err)
	}
	stamp.From, stamp.Version, stamp.ModTime, stamp.Sums, stamp.Created = from, o.Version, o.ModTime, o.Checksums, created
	c := *o
	c.Version, c.ModTime = store.Version(version), at(sec)
	c.Metadata = map[string]string{replicate.StampName: stamp.String()}
	return &c
}

func TestJudgeSweep(t *testing.T) {
	t.Parallel()
	var none *store.Object
	original := object("a1", longAgo) // on the old side, compared
	newer := object("b2", changed)    // on the old side, after the comparison began
	lateWrite := object("c3", latter) // on the old side, after the turn
	back := copyOf(object("d4", latter), authName, "e5", latter+1)
	stale := copyOf(object("d4", longAgo), authName, "e5", longAgo+1) // of an earlier time
	for _, c := range []struct {
		name      string
		old, auth *store.Object
		seen      sweepSeen
		want      sweepAct
	}{
		{"on neither side", none, none, sweepSeen{}, sweepLeave},
		{"compared and copied", original, copyOf(original, oldName, "x1", longAgo), sweepSeen{}, sweepLeave},
		{"compared and overwritten by the application", original, object("z9", latter), sweepSeen{}, sweepLeave},
		{"compared and deleted by the application", original, none, sweepSeen{}, sweepLeave},
		{"new from the application", none, object("z9", latter), sweepSeen{}, sweepLeave},
		{"carried back", back, object("d4", latter), sweepSeen{}, sweepLeave},
		{"carried back, deleted by the application", back, none, sweepSeen{}, sweepLeave},

		{"changed and carried", newer, copyOf(newer, oldName, "x1", changed+1), sweepSeen{}, sweepLeave},
		{"changed, carried and compared", newer, copyOf(newer, oldName, "x1", changed+1), sweepSeen{old: true, auth: true, known: true}, sweepLeave},
		{"changed, compared, then overwritten", newer, object("z9", latter), sweepSeen{old: true, known: true}, sweepLeave},
		{"changed, compared, then deleted", newer, none, sweepSeen{old: true, known: true}, sweepLeave},
		{"synced in the freeze", newer, copyOf(newer, oldName, "x1", latter), sweepSeen{old: true, auth: true, known: true}, sweepLeave},

		{"its event was dropped", newer, none, sweepSeen{}, sweepPut},
		{"its event was dropped after it was seen gone", newer, none, sweepSeen{known: true, absent: true}, sweepPut},
		{"its event was dropped, then the application deleted an older one", newer, none, sweepSeen{known: true}, sweepLeave},
		{"its event was dropped, the authority has an older copy", newer, copyOf(original, oldName, "x1", longAgo), sweepSeen{}, sweepKeepUntold},
		{"its event was dropped, then the application wrote", newer, object("z9", latter), sweepSeen{}, sweepLeave},
		{"its event was dropped, the same is there", newer, object("b3", latter), sweepSeen{}, sweepLeave},
		{"in the second of the cut", object("b2", cut), none, sweepSeen{}, sweepKeepLate},

		{"written late", lateWrite, none, sweepSeen{}, sweepKeepLate},
		{"written late over a copied one", lateWrite, copyOf(original, oldName, "x1", longAgo), sweepSeen{known: true}, sweepKeepLate},
		{"written late, the application wrote too", lateWrite, object("z9", latter), sweepSeen{}, sweepKeepLate},

		{"its delete was dropped", none, copyOf(original, oldName, "x1", longAgo), sweepSeen{}, sweepKeepDelete},
		{"deleted late", none, copyOf(original, oldName, "x1", latter), sweepSeen{auth: true, known: true}, sweepKeepDelete},

		{"a straggler after a delete that was carried", none, copyOf(original, oldName, "x1", latter), sweepSeen{}, sweepRemove},
		{"a straggler before the delete was carried", original, copyOf(original, oldName, "x1", latter), sweepSeen{}, sweepKeepRemove},
		{"a straggler with an older object", newer, copyOf(original, oldName, "x1", latter), sweepSeen{old: true, known: true}, sweepKeepRemove},
		{"a straggler after a write and a delete", back, copyOf(original, oldName, "x1", latter), sweepSeen{}, sweepRemove},
		{"a straggler, and a copy of an earlier time", stale, copyOf(original, oldName, "x1", latter), sweepSeen{}, sweepKeepRemove},
		{"a straggler, and a late write", lateWrite, copyOf(original, oldName, "x1", latter), sweepSeen{}, sweepKeepRemove},
		{"an event that came late", newer, copyOf(newer, oldName, "x1", latter), sweepSeen{}, sweepCount},
		{"an event that came late, of the version before", newer, copyOf(original, oldName, "x1", latter), sweepSeen{}, sweepKeepUntold},
		{"a straggler over what the application wrote", back, replacing(original), sweepSeen{}, sweepRestore},
		{"a straggler over what was compared", original, replacing(original), sweepSeen{known: true}, sweepRestore},
		{"a straggler with an older object over what was compared", newer, replacing(original), sweepSeen{old: true, known: true}, sweepRestore},
		{"a straggler over what was compared, and a late write", lateWrite, replacing(original), sweepSeen{known: true}, sweepKeepLate},
		{"a straggler over what was compared, and a late delete", none, replacing(original), sweepSeen{known: true}, sweepKeepDelete},
		{"an event that came late, over an older copy", newer, replacing(newer), sweepSeen{}, sweepCount},
		{"an event that came late, of the version before, over an older copy", newer, replacing(original), sweepSeen{}, sweepKeepUntold},
		{"a straggler in the second of the turn", none, copyOf(original, oldName, "x1", born), sweepSeen{}, sweepRemove},
	} {
		if got, why := judgeSweep(c.old, c.auth, c.seen, testFacts()); got != c.want || why == "" {
			t.Errorf("%s: %d (%s), want %d", c.name, got, why, c.want)
		}
	}
	// What the application has done to a copy makes it its own.
	edited := copyOf(original, oldName, "x1", latter)
	edited.CacheControl = "no-store"
	if got, why := judgeSweep(nil, edited, sweepSeen{}, testFacts()); got != sweepLeave {
		t.Errorf("a copy with other attributes: %d (%s)", got, why)
	}
	// A store whose times do not tell of changed attributes.
	touched := *original
	touched.Version, touched.CacheControl = "a2", "no-store"
	for auth, want := range map[*store.Object]sweepAct{
		copyOf(original, oldName, "x1", longAgo): sweepKeepUntold, object("z9", latter): sweepLeave, nil: sweepLeave,
	} {
		if got, why := judgeSweep(&touched, auth, sweepSeen{}, testFacts()); got != want {
			t.Errorf("attributes that were changed: %d (%s), want %d", got, why, want)
		}
	}
	// One whose versions change when nothing else does, and that has no checksum
	// in common with the other side: the stamp has one.
	moved := *original
	moved.Version = "a3"
	copied := copyOf(original, oldName, "x1", longAgo)
	copied.Checksums = store.Checksums{MD5: make([]byte, 16)}
	if got, why := judgeSweep(&moved, copied, sweepSeen{}, testFacts()); got != sweepLeave {
		t.Errorf("another version of the same: %d (%s)", got, why)
	}
	f := testFacts()
	f.deletes = false
	if got, why := judgeSweep(nil, copyOf(original, oldName, "x1", longAgo), sweepSeen{}, f); got != sweepLeave {
		t.Errorf("deletes are off: %d (%s)", got, why)
	}
}

// anyObject draws an object of either side, or none.
func anyObject(t *rapid.T, name string) *store.Object {
	o := object(rapid.SampledFrom([]string{"a1", "a2", "b1"}).Draw(t, name+" version"), rapid.SampledFrom([]int{longAgo, begun - 1, begun, changed, cut, latter}).Draw(t, name+" time"))
	switch rapid.IntRange(0, 5).Draw(t, name+" kind") {
	case 0:
		return nil
	case 1, 2:
		o = stamped(o, oldName, "x"+string(o.Version), rapid.SampledFrom([]int{longAgo, changed, cut, latter}).Draw(t, name+" copied"), rapid.Bool().Draw(t, name+" created"))
	case 3:
		o = copyOf(o, authName, "y"+string(o.Version), rapid.SampledFrom([]int{longAgo, changed, cut, latter}).Draw(t, name+" copied"))
	}
	if rapid.IntRange(0, 4).Draw(t, name+" edited") == 0 {
		o.ContentType = "text/html"
	}
	return o
}

func anySeen(t *rapid.T, old, auth *store.Object) sweepSeen {
	s := sweepSeen{known: rapid.Bool().Draw(t, "known")}
	if s.known {
		s.old = old != nil && rapid.Bool().Draw(t, "old seen")
		s.auth = auth != nil && rapid.Bool().Draw(t, "auth seen")
		s.absent = !s.auth && rapid.Bool().Draw(t, "auth seen absent")
	}
	return s
}

// Whatever there is: nothing is written where something is, nothing of the
// application's is touched, and what a straggler's copy hides is kept.
func TestJudgeSweepNeverHarms(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := testFacts()
		old, auth := anyObject(t, "old"), anyObject(t, "auth")
		seen := anySeen(t, old, auth)
		act, why := judgeSweep(old, auth, seen, f)
		undo, keep, _ := act.kinds()
		straggler := auth != nil && !seen.auth && auth.ModTime.Unix() >= born
		if straggler {
			_, straggler = replicate.CopiedFrom(auth, oldName)
		}
		switch {
		case act == sweepPut && (auth != nil || old == nil):
			t.Fatalf("puts %v over %v (%s)", old, auth, why)
		case undo && !straggler:
			t.Fatalf("touches what is no straggler's: %v (%s)", auth, why)
		case act == sweepRestore && (old == nil || created(auth)):
			t.Fatalf("restores %v over what came back: %v (%s)", old, auth, why)
		case (act == sweepRemove || act == sweepKeepRemove) && !created(auth):
			t.Fatalf("removes what replaced something: %v (%s)", auth, why)
		case keep && act != sweepKeepDelete && old == nil, act == sweepKeepDelete && old != nil:
			t.Fatalf("keeps nothing: %v (%s)", old, why)
		case act == sweepRemove && old != nil && !f.carriedBack(old):
			t.Fatalf("removes where the old side has something of its own that is not kept: %v (%s)", old, why)
		}
		// What the listings settle needs nothing, whoever hides its attributes.
		for _, hidden := range []struct{ old, auth bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
			lo, la := listedAs(old, hidden.old), listedAs(auth, hidden.auth)
			ls := seen
			ls.auth = ls.auth && !hidden.auth // a listing may name another version
			if (hidden.old || hidden.auth) && old != nil && f.beforeComparison(old) && act == sweepKeepUntold {
				continue // a change that no time tells of shows only where both list attributes
			}
			if (lo != nil || la != nil) && settledByListing(lo, la, false, ls, f) && act != sweepLeave {
				t.Fatalf("settled by listings %+v, though: %d (%s)", hidden, act, why)
			}
		}
	})
}

func created(o *store.Object) bool {
	stamp, _ := replicate.CopiedFrom(o, oldName)
	return stamp.Created
}

func listedAs(o *store.Object, partial bool) *store.Object {
	if o == nil || !partial {
		return o
	}
	c := *o
	c.Attrs, c.Checksums, c.Partial = store.Attrs{}, store.Checksums{}, true
	return &c
}

// stampOfK is a stamp for an object without attributes under the key k, as
// package replicate makes it.
var stampOfK = sync.OnceValues(func() (replicate.Stamp, error) {
	src, dst := memstore.Fresh(), memstore.Fresh()
	r, err := replicate.New(src, dst, replicate.Options{SourceID: oldName, TargetID: authName})
	if err != nil {
		return replicate.Stamp{}, err
	}
	ctx := context.Background()
	if _, err := src.Put(ctx, "k", store.Bytes("a"), store.PutOptions{}); err != nil {
		return replicate.Stamp{}, err
	}
	if _, err := r.Sync(ctx, "k", replicate.HintNew); err != nil {
		return replicate.Stamp{}, err
	}
	o, err := dst.Head(ctx, "k")
	if err != nil {
		return replicate.Stamp{}, err
	}
	return replicate.ParseStamp(o.Metadata[replicate.StampName])
})
