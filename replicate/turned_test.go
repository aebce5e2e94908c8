package replicate

import (
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// After a change of the authority: what was on the target before it counts as
// ours, what was written later does not, and copies that once came from the
// target are the source's own.
func TestPlanAfterTurn(t *testing.T) {
	t.Parallel()
	cut := time.Unix(1_700_000_100, 500)
	at := func(o *store.Object, seconds int) *store.Object {
		return with(o, func(o *store.Object) { o.ModTime = time.Unix(cut.Unix()+int64(seconds), 999_000_000) })
	}
	version := func(o *store.Object, v store.Version) *store.Object {
		return with(o, func(o *store.Object) { o.Version = v })
	}
	mine := object("k", "the authority's", "v9")
	foreign := object("k", "other", "t1")
	equal := version(mine, "t1")
	noSums := func(o *store.Object) { o.Checksums = store.Checksums{} }

	original := at(object("k", "moved", "t1"), -50)
	echo := at(copyOf(testEnds.Target, original), -40)
	patched := with(echo, func(o *store.Object) { o.CacheControl = "no-store" })
	rewritten := at(object("k", "MOVED", "t2"), 5)
	restored := copyOf(testEnds.Source, echo)

	kept := func(v store.Version) store.Condition { return store.IfMatch(v) }
	none := store.Condition{}
	for _, row := range []struct {
		name     string
		src, dst *store.Object
		kept     store.Condition
		want     Action
	}{
		{"foreign, before the cut", mine, at(foreign, -1), none, Copy},
		{"foreign, in its second", mine, at(foreign, 0), none, Conflict},
		{"foreign, later", mine, at(foreign, 1), none, Conflict},
		{"foreign, later, kept", mine, at(foreign, 1), kept("t1"), Copy},
		{"foreign, later, another version kept", mine, at(foreign, 1), kept("t0"), Conflict},
		{"foreign, later, absence kept", mine, at(foreign, 1), store.IfAbsent(), Conflict},
		{"equal, before the cut", mine, at(equal, -1), none, UpdateMetadata},
		{"equal, later", mine, at(equal, 1), none, Skip},
		{"equal but for attributes, later", mine, at(with(equal, func(o *store.Object) { o.CacheControl = "no-store" }), 1), none, Conflict},
		{"another migration's, before the cut", mine, at(copyOf("s3://elsewhere/", foreign), -1), none, Copy},
		{"gone, before the cut", nil, at(foreign, -1), none, Delete},
		{"gone, later", nil, at(foreign, 0), none, Conflict},
		{"gone, later, kept", nil, at(foreign, 0), kept("t1"), Delete},
		{"gone, ours, later", nil, at(copyOf(testEnds.Source, mine), 5), none, Delete},
		{"ours", mine, at(copyOf(testEnds.Source, mine), 5), none, Skip},
		{"new", mine, nil, none, Copy},

		{"a copy and its original", echo, original, none, Skip},
		{"a copy whose original tells no checksums", echo, with(original, noSums), none, Skip},
		{"a copy whose original is gone", echo, nil, none, Conflict},
		{"a copy whose original is gone, kept", echo, nil, store.IfAbsent(), Copy},
		{"a straggler's copy whose original is gone", at(echo, 0), nil, none, Skip},
		{"a straggler's copy of what was rewritten", at(echo, 7), rewritten, none, Skip},
		{"a copy whose original was rewritten", echo, rewritten, none, Conflict},
		{"a copy whose original was rewritten, kept", echo, rewritten, kept("t2"), Copy},
		{"a copy whose original was rewritten before the cut, unseen", echo, at(rewritten, -5), none, Conflict},
		{"a copy whose original was rewritten as it was", echo, at(version(original, "t2"), 5), none, Skip},
		{"a copy whose original was rewritten as it was, source tells no checksums", with(echo, noSums), at(version(original, "t2"), 5), none, Skip},
		{"a copy whose original was rewritten, who can say", echo, with(at(version(original, "t2"), 5), noSums), none, Conflict},
		{"a copy whose original was restored", echo, restored, none, Skip},
		{"a changed copy and its original", patched, original, none, UpdateMetadata},
		{"a changed copy whose original is gone", patched, nil, none, Copy},
		{"a changed copy that looks late", at(patched, 7), original, none, UpdateMetadata},
		{"a changed copy whose original was rewritten", patched, rewritten, none, Conflict},
	} {
		policy := Policy{Deletes: true, Inherited: cut, Born: cut, Kept: row.kept}
		if got := Plan(row.src, row.dst, testEnds, policy); got.Action != row.want || got.Reason == "" {
			t.Errorf("%s: %v (%s), want %v", row.name, got.Action, got.Reason, row.want)
		}
	}
	// Where deletes are not carried a gone original is restored.
	if got := Plan(echo, nil, testEnds, Policy{Inherited: cut, Born: cut}); got.Action != Copy {
		t.Errorf("a copy whose original is gone, deletes are off: %v (%s)", got.Action, got.Reason)
	}
	// Before any turn, and without Born, copies of the target's are passed over.
	for _, policy := range []Policy{{Deletes: true}, {Deletes: true, Born: cut}, {Deletes: true, Inherited: cut}} {
		for _, dst := range []*store.Object{nil, original, rewritten} {
			if got := Plan(echo, dst, testEnds, policy); got.Action != Skip {
				t.Errorf("a copy of the target's under %+v: %v (%s)", policy, got.Action, got.Reason)
			}
		}
	}
}

func TestInSyncAfterTurn(t *testing.T) {
	t.Parallel()
	cut := time.Unix(1_700_000_100, 0)
	original := object("k", "moved", "etag@version")
	echo := copyOf(testEnds.Target, original)
	listed := with(original, func(o *store.Object) {
		o.Version, o.Partial, o.Attrs, o.Checksums = "etag", true, store.Attrs{}, store.Checksums{}
	})
	r := &Replicator{ends: testEnds, opts: Options{Policy: Policy{Inherited: cut, Born: cut}}}
	for _, c := range []struct {
		name     string
		src, dst *store.Object
		want     bool
	}{
		{"a copy and its original", echo, original, true},
		{"a copy and its original as S3 lists it", echo, listed, true},
		{"another version", echo, with(listed, func(o *store.Object) { o.Version = "other" }), false},
		{"another time", echo, with(listed, func(o *store.Object) { o.ModTime = cut }), false},
		{"another size", echo, with(listed, func(o *store.Object) { o.Size++ }), false},
		{"other attributes on the original", echo, with(original, func(o *store.Object) { o.CacheControl = "no-store" }), false},
		{"other attributes on the copy", with(echo, func(o *store.Object) { o.CacheControl = "no-store" }), listed, false},
		{"a straggler's copy", with(echo, func(o *store.Object) { o.ModTime = cut }), listed, false},
		{"the source lists no attributes", with(echo, func(o *store.Object) { o.Partial = true }), listed, false},
	} {
		if got := r.InSync(c.src, c.dst); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if r.With(Policy{}).InSync(echo, listed) {
		t.Error("in sync before any turn")
	}
}
