package replicate_test

import (
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// A copy that came from the target is not put back there on a guess: the target
// is read, and what is gone there is reported. Bound to that it is restored, by
// the very same Replicator under another policy.
func TestGoneOriginal(t *testing.T) {
	t.Parallel()
	cut := time.Now().Add(time.Hour)
	policy := replicate.Policy{Deletes: true, Inherited: cut, Born: cut}
	w := newWorld(t, func(o *replicate.Options) { o.Policy = policy })
	w.put(w.dst, "moved", nil)
	back, err := replicate.New(uniqueSpy{w.dst}, uniqueSpy{w.src}, replicate.Options{SourceID: "gs://dst/", TargetID: "s3://src/"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := back.Sync(t.Context(), key, replicate.HintNew); err != nil {
		t.Fatal(err)
	}
	if res := w.sync(replicate.HintNew); res.Action != replicate.Skip {
		t.Errorf("with its original there: %v (%s)", res.Action, res.Reason)
	}
	w.remove(w.dst)
	w.reset()
	res := w.sync(replicate.HintNew)
	if body, _ := w.read(w.dst); res.Action != replicate.Conflict || body != "(absent)" {
		t.Errorf("%v (%s), target has %q after %s", res.Action, res.Reason, body, w.requests())
	}
	policy.Kept = store.IfAbsent()
	if res, err = w.r.With(policy).Sync(t.Context(), key, replicate.HintNone); err != nil || res.Action != replicate.Copy {
		t.Errorf("restored: %v (%s), %v", res.Action, res.Reason, err)
	}
	w.wantEqual()
	if res := w.sync(replicate.HintNew); res.Action != replicate.Skip {
		t.Errorf("once restored: %v (%s)", res.Action, res.Reason)
	}
}

// Only the version that was kept is replaced.
func TestKeptVersion(t *testing.T) {
	t.Parallel()
	cut := time.Unix(1, 0)
	w := newWorld(t, func(o *replicate.Options) { o.Policy = replicate.Policy{Deletes: true, Inherited: cut, Born: cut} })
	w.write("the authority's")
	w.put(w.dst, "late", nil)
	if res := w.sync(replicate.HintNone); res.Action != replicate.Conflict {
		t.Fatalf("%v (%s)", res.Action, res.Reason)
	}
	_, late := w.read(w.dst)
	r := w.r.With(replicate.Policy{Deletes: true, Inherited: cut, Born: cut, Kept: store.IfMatch(late.Version)})
	// Another late write comes between the reading of the target and the write.
	w.dst.before = func(op string, n int) error {
		if op == "put" && n == 1 {
			w.put(w.dst, "later", nil)
		}
		return nil
	}
	w.reset()
	res, err := r.Sync(t.Context(), key, replicate.HintNone)
	if body, _ := w.read(w.dst); err != nil || res.Action != replicate.Conflict || body != "later" {
		t.Errorf("%v (%s), %v: target has %q", res.Action, res.Reason, err, body)
	}
}
