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

func testFacts(unique bool) sweepFacts {
	return sweepFacts{
		turn:  control.Turn{Run: "run1", To: control.Target, Since: at(begun), Cut: at(cut), Born: at(born)},
		oldID: oldName, authID: authName, deletes: true, unique: unique,
	}
}

func object(version string, sec int) *store.Object {
	return &store.Object{Key: "k", Size: 1, Version: store.Version(version), ModTime: at(sec), Checksums: store.ChecksumsOf([]byte(version[:1]), store.Checksums{})}
}

// copyOf is a copy of o, made by the direction that reads the side from.
func copyOf(o *store.Object, from string, version string, sec int) *store.Object {
	stamp, err := stampOfK()
	if err != nil {
		panic(err)
	}
	stamp.From, stamp.Version, stamp.ModTime, stamp.Sums = from, o.Version, o.ModTime, o.Checksums
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
		recurs    sweepAct // where versions recur, if it is another
	}{
		{"on neither side", none, none, sweepSeen{}, sweepLeave, 0},
		{"compared and copied", original, copyOf(original, oldName, "x1", longAgo), sweepSeen{}, sweepLeave, 0},
		{"compared and overwritten by the application", original, object("z9", latter), sweepSeen{}, sweepLeave, 0},
		{"compared and deleted by the application", original, none, sweepSeen{}, sweepLeave, 0},
		{"new from the application", none, object("z9", latter), sweepSeen{}, sweepLeave, 0},
		{"carried back", back, object("d4", latter), sweepSeen{}, sweepLeave, 0},
		{"carried back, deleted by the application", back, none, sweepSeen{}, sweepLeave, 0},

		{"changed and carried", newer, copyOf(newer, oldName, "x1", changed+1), sweepSeen{}, sweepLeave, 0},
		{"changed, carried and compared", newer, copyOf(newer, oldName, "x1", changed+1), sweepSeen{old: true, auth: true, known: true}, sweepLeave, 0},
		{"changed, compared, then overwritten", newer, object("z9", latter), sweepSeen{old: true, known: true}, sweepLeave, 0},
		{"changed, compared, then deleted", newer, none, sweepSeen{old: true, known: true}, sweepLeave, 0},
		{"synced in the freeze", newer, copyOf(newer, oldName, "x1", latter), sweepSeen{old: true, auth: true, known: true}, sweepLeave, 0},

		{"its event was dropped", newer, none, sweepSeen{}, sweepPut, 0},
		{"its event was dropped after it was seen gone", newer, none, sweepSeen{known: true, absent: true}, sweepPut, 0},
		{"its event was dropped, then the application deleted an older one", newer, none, sweepSeen{known: true}, sweepLeave, 0},
		{"its event was dropped, the authority has an older copy", newer, copyOf(original, oldName, "x1", longAgo), sweepSeen{}, sweepKeepUntold, 0},
		{"its event was dropped, then the application wrote", newer, object("z9", latter), sweepSeen{}, sweepLeave, 0},
		{"its event was dropped, the same is there", newer, object("b3", latter), sweepSeen{}, sweepLeave, 0},
		{"in the second of the cut", object("b2", cut), none, sweepSeen{}, sweepKeepLate, 0},

		{"written late", lateWrite, none, sweepSeen{}, sweepKeepLate, 0},
		{"written late over a copied one", lateWrite, copyOf(original, oldName, "x1", longAgo), sweepSeen{known: true}, sweepKeepLate, 0},
		{"written late, the application wrote too", lateWrite, object("z9", latter), sweepSeen{}, sweepKeepLate, 0},

		{"its delete was dropped", none, copyOf(original, oldName, "x1", longAgo), sweepSeen{}, sweepKeepDelete, 0},
		{"deleted late", none, copyOf(original, oldName, "x1", latter), sweepSeen{auth: true, known: true}, sweepKeepDelete, 0},

		{"a straggler after a delete that was carried", none, copyOf(original, oldName, "x1", latter), sweepSeen{}, sweepRemove, 0},
		{"a straggler before the delete was carried", original, copyOf(original, oldName, "x1", latter), sweepSeen{}, sweepKeepRemove, 0},
		{"a straggler with an older object", newer, copyOf(original, oldName, "x1", latter), sweepSeen{old: true, known: true}, sweepKeepRemove, 0},
		{"a straggler after a write and a delete", back, copyOf(original, oldName, "x1", latter), sweepSeen{}, sweepRemove, sweepRestore},
		{"a straggler, and a copy of an earlier time", stale, copyOf(original, oldName, "x1", latter), sweepSeen{}, sweepKeepRemove, 0},
		{"a straggler, and a late write", lateWrite, copyOf(original, oldName, "x1", latter), sweepSeen{}, sweepKeepRemove, 0},
		{"an event that came late", newer, copyOf(newer, oldName, "x1", latter), sweepSeen{}, sweepCount, 0},
		{"an event that came late, of the version before", newer, copyOf(original, oldName, "x1", latter), sweepSeen{}, sweepKeepUntold, 0},
		{"a straggler in the second of the turn", none, copyOf(original, oldName, "x1", born), sweepSeen{}, sweepRemove, 0},
	} {
		for _, unique := range []bool{true, false} {
			want := c.want
			if !unique && c.recurs != 0 {
				want = c.recurs
			}
			if got, why := judgeSweep(c.old, c.auth, c.seen, testFacts(unique)); got != want || why == "" {
				t.Errorf("%s (unique %v): %d (%s), want %d", c.name, unique, got, why, want)
			}
		}
	}
	// What the application has done to a copy makes it its own.
	edited := copyOf(original, oldName, "x1", latter)
	edited.CacheControl = "no-store"
	if got, why := judgeSweep(nil, edited, sweepSeen{}, testFacts(true)); got != sweepLeave {
		t.Errorf("a copy with other attributes: %d (%s)", got, why)
	}
	// A store whose times do not tell of changed attributes.
	touched := *original
	touched.Version, touched.CacheControl = "a2", "no-store"
	for auth, want := range map[*store.Object]sweepAct{
		copyOf(original, oldName, "x1", longAgo): sweepKeepUntold, object("z9", latter): sweepLeave, nil: sweepLeave,
	} {
		if got, why := judgeSweep(&touched, auth, sweepSeen{}, testFacts(true)); got != want {
			t.Errorf("attributes that were changed: %d (%s), want %d", got, why, want)
		}
	}
	// One whose versions change when nothing else does, and that has no checksum
	// in common with the other side: the stamp has one.
	moved := *original
	moved.Version = "a3"
	copied := copyOf(original, oldName, "x1", longAgo)
	copied.Checksums = store.Checksums{MD5: make([]byte, 16)}
	if got, why := judgeSweep(&moved, copied, sweepSeen{}, testFacts(true)); got != sweepLeave {
		t.Errorf("another version of the same: %d (%s)", got, why)
	}
	f := testFacts(true)
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
		o = copyOf(o, oldName, "x"+string(o.Version), rapid.SampledFrom([]int{longAgo, changed, cut, latter}).Draw(t, name+" copied"))
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
		f := testFacts(rapid.Bool().Draw(t, "unique"))
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
		case act == sweepRestore && (old == nil || !f.carriedBack(old)):
			t.Fatalf("restores what is not the application's: %v (%s)", old, why)
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
