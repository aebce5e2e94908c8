package follow_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// Events of the side that is not the authority any more: nothing is written to
// either side, and what nobody else has is kept.
func TestStraggling(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		policy replicate.Policy
		before func(w *world) // and a Sync of k
		after  func(w *world) // once the target is the authority
		want   string
		kept   []string
	}{
		{"an object of before", carrying, func(w *world) { w.put(w.src, "k", "one") }, nil, "written before the turn", nil},
		{"nothing there", carrying, nil, nil, "on neither side", nil},
		{"written late", carrying, func(w *world) { w.put(w.src, "k", "one") }, func(w *world) { w.put(w.src, "k", "late") }, "late write kept", []string{"source k late"}},
		{"a new one written late", carrying, nil, func(w *world) { w.put(w.src, "k", "late") }, "late write kept", []string{"source k late"}},
		{
			"written late, and by the application too", carrying, func(w *world) { w.put(w.src, "k", "one") },
			func(w *world) { w.put(w.src, "k", "late"); w.put(w.dst, "k", "two") }, "late write kept",
			[]string{"source k late"},
		},
		{"written late, the same", carrying, func(w *world) { w.put(w.src, "k", "one") }, func(w *world) { w.put(w.src, "k", "one") }, "the same on both sides", nil},
		{"written late, the same as the application", carrying, nil, func(w *world) { w.put(w.src, "k", "two"); w.put(w.dst, "k", "two") }, "foreign but equal", nil},
		{
			"late, other attributes", carrying, func(w *world) { w.put(w.src, "k", "one") },
			func(w *world) {
				if _, err := w.src.Put(context.Background(), "k", store.Bytes("one"), store.PutOptions{Attrs: store.Attrs{ContentType: "x/y"}}); err != nil {
					w.t.Fatal(err)
				}
			}, "late write kept",
			[]string{"source k one"},
		},
		{
			"a copy from the other side", carrying, func(w *world) { w.put(w.src, "k", "one") },
			func(w *world) { w.put(w.dst, "k", "two"); w.sync(w.reverse, "k") }, "came from the target", nil,
		},
		{
			"a delete from the other side", carrying, func(w *world) { w.put(w.src, "k", "one") },
			func(w *world) { w.remove(w.dst, "k"); w.sync(w.reverse, "k") }, "on neither side", nil,
		},
		{"deleted late", carrying, func(w *world) { w.put(w.src, "k", "one") }, func(w *world) { w.remove(w.src, "k") }, "late delete kept", []string{"source k (removed)"}},
		{"deleted late, deletes are off", replicate.Policy{}, func(w *world) { w.put(w.src, "k", "one") }, func(w *world) { w.remove(w.src, "k") }, "gone, deletes are off", nil},
		{
			"deleted late, but the application wrote", carrying, func(w *world) { w.put(w.src, "k", "one") },
			func(w *world) { w.remove(w.src, "k"); w.clock.advance(-2 * time.Minute); w.put(w.dst, "k", "two") }, "the other side's own", nil,
		},
		{
			"deleted late, but a straggler wrote", carrying, func(w *world) { w.put(w.src, "k", "one"); w.put(w.src, "copied", "x"); w.sync(w.forward, "copied") },
			func(w *world) {
				o, err := w.dst.Head(context.Background(), "k")
				if err != nil {
					w.t.Fatal(err)
				}
				w.remove(w.src, "k")
				if _, err := w.dst.Put(context.Background(), "k", store.Bytes("one"), store.PutOptions{Attrs: o.Attrs}); err != nil {
					w.t.Fatal(err)
				}
			}, "copied over since the turn", nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.policy).begin()
			if c.before != nil {
				c.before(w)
				w.sync(w.forward, "k")
			}
			w.turn(control.Target)
			if c.after != nil {
				c.after(w)
			}
			src, dst := w.version(w.src, "k"), w.version(w.dst, "k")
			for range 2 { // events come twice
				res := w.sync(w.forward, "k")
				if res.Reason != c.want || (res.Action == replicate.Conflict) != (c.kept != nil) {
					t.Errorf("%v (%s), want %q", res.Action, res.Reason, c.want)
				}
			}
			if got := w.kept(); !slices.Equal(got, c.kept) {
				t.Errorf("kept %q, want %q", got, c.kept)
			}
			if w.version(w.src, "k") != src || w.version(w.dst, "k") != dst {
				t.Error("a side was written to")
			}
		})
	}
}

// What was written in the very second of the turn is told from late writes by
// the list of what was compared.
func TestSameSecond(t *testing.T) {
	t.Parallel()
	for _, listed := range []bool{true, false} {
		w := newWorld(t, carrying).begin()
		w.put(w.src, "k", "last")
		w.put(w.src, "j", "last")
		w.sync(w.forward, "k")
		w.sync(w.forward, "j")
		w.swap(phase(control.Frozen))
		// The application's clock and the barrier's are one: the turn comes in the
		// same second, though the steps of it take longer.
		w.put(w.src, "k", "last of all")
		w.sync(w.forward, "k")
		verified := []string{}
		if listed {
			verified = append(verified, "k")
		}
		w.turn(control.Target, verified...)
		w.swap(func(s *control.State) {
			o, err := w.src.Head(t.Context(), "k")
			if err != nil {
				t.Fatal(err)
			}
			s.Turn.Cut = o.ModTime.Truncate(time.Second)
		})
		w.put(w.dst, "k", "two")
		w.remove(w.dst, "j")
		for range 2 {
			w.sync(w.forward, "k")
		}
		if got := w.kept(); (len(got) == 0) != listed {
			t.Errorf("listed %v: kept %q", listed, got)
		}
		w.sync(w.reverse, "k")
		w.want("k", "two", "two")
		if got := w.kept(); listed && len(got) > 0 || !listed && !slices.Equal(got, []string{"source k last of all"}) {
			t.Errorf("listed %v: kept %q", listed, got)
		}
	}
}

// So it is with a delete of what was copied in the second of the turn.
func TestDeletedInSameSecond(t *testing.T) {
	t.Parallel()
	for _, listed := range []bool{true, false} {
		w := newWorld(t, carrying).begin()
		w.put(w.src, "k", "last")
		w.sync(w.forward, "k")
		var verified []string
		if listed {
			verified = append(verified, "k")
		}
		w.turn(control.Target, verified...)
		w.swap(func(s *control.State) {
			o, err := w.dst.Head(t.Context(), "k")
			if err != nil {
				t.Fatal(err)
			}
			s.Turn.Born = o.ModTime.Truncate(time.Second)
		})
		w.remove(w.src, "k")
		w.sync(w.forward, "k")
		if got := w.kept(); listed != slices.Equal(got, []string{"source k (removed)"}) || !listed && len(got) > 0 {
			t.Errorf("listed %v: kept %q", listed, got)
		}
	}
}

// Changes of the authority reach the other side, over what was there before and
// over what was written there late, which is kept.
func TestReplacing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		foreign replicate.Foreign
		after   func(w *world)
		body    string // on both sides
		kept    []string
	}{
		{"overwritten", replicate.KeepForeign, func(w *world) { w.put(w.dst, "k", "two") }, "two", nil},
		{"deleted", replicate.KeepForeign, func(w *world) { w.remove(w.dst, "k") }, "", nil},
		{"overwritten, late write", replicate.KeepForeign, func(w *world) { w.put(w.src, "k", "late"); w.put(w.dst, "k", "two") }, "two", []string{"source k late"}},
		{"overwritten, late write, foreign objects may be overwritten", replicate.OverwriteForeign, func(w *world) { w.put(w.src, "k", "late"); w.put(w.dst, "k", "two") }, "two", []string{"source k late"}},
		{"deleted, late write", replicate.AdoptForeign, func(w *world) { w.put(w.src, "k", "late"); w.remove(w.dst, "k") }, "", []string{"source k late"}},
		{"untouched, late write", replicate.KeepForeign, func(w *world) { w.put(w.src, "k", "late") }, "one", []string{"source k late"}},
		{"untouched, late delete", replicate.KeepForeign, func(w *world) { w.remove(w.src, "k") }, "one", []string{"source k (removed)"}},
		{"untouched", replicate.KeepForeign, func(*world) {}, "one", nil},
		{"overwritten, late delete", replicate.KeepForeign, func(w *world) { w.remove(w.src, "k"); w.put(w.dst, "k", "two") }, "two", nil},
		{"large, late write", replicate.KeepForeign, func(w *world) { w.put(w.src, "k", string(make([]byte, 9<<20))); w.put(w.dst, "k", "two") }, "two", []string{"source k " + string(make([]byte, 9<<20))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, replicate.Policy{Deletes: true, Foreign: c.foreign}).begin()
			w.put(w.src, "k", "one")
			w.sync(w.forward, "k")
			w.turn(control.Target)
			c.after(w)
			for range 2 {
				if _, err := w.reverse.Sync(t.Context(), "k", replicate.HintNew); err != nil {
					t.Fatal(err)
				}
			}
			w.want("k", c.body, c.body)
			if got := w.kept(); !slices.Equal(got, c.kept) {
				t.Errorf("kept %d: %.80q, want %.80q", len(got), got, c.kept)
			}
			if res := w.sync(w.forward, "k"); res.Action == replicate.Conflict {
				t.Errorf("once replaced: %s", res.Reason)
			}
		})
	}
}

// Late writes that come while one is being kept and replaced are kept as well.
func TestReplacingRaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carrying).begin()
	w.put(w.src, "k", "one")
	w.sync(w.forward, "k")
	w.turn(control.Target)
	w.put(w.dst, "k", "two")
	w.put(w.src, "k", "late 1")
	again, busy := map[string]string{"open": "late 2", "put": "late 3"}, false
	w.src.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if body, ok := again[op.Name]; ok && op.Stage == memstore.Before && !busy {
			delete(again, op.Name)
			busy = true
			w.put(w.src, "k", body)
			busy = false
		}
		return nil
	})
	w.sync(w.reverse, "k")
	w.src.SetIntercept(nil)
	w.want("k", "two", "two")
	// The first was gone before it could be read.
	got := w.kept()
	slices.Sort(got)
	if want := []string{"source k late 2", "source k late 3"}; !slices.Equal(got, want) || len(again) > 0 {
		t.Errorf("kept %q, want %q", got, want)
	}
}

// A late write that is gone by the time it would be kept is none, nor is that a
// late delete.
func TestReplacingWhatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carrying).begin()
	w.turn(control.Target)
	w.put(w.dst, "k", "two")
	w.put(w.src, "k", "late")
	heads := 0
	w.src.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "head" && op.Stage == memstore.Before {
			if heads++; heads == 2 {
				w.remove(w.src, "k")
			}
		}
		return nil
	})
	w.sync(w.reverse, "k")
	w.want("k", "two", "two")
	if got := w.kept(); len(got) > 0 || heads < 2 {
		t.Errorf("kept %q after %d looks", got, heads)
	}
}

// That a key is not there is believed only of a store that said so for sure.
func TestAbsenceInDoubt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carrying).begin()
	w.put(w.src, "k", "one")
	w.sync(w.forward, "k")
	w.turn(control.Target)
	// A HEAD on S3 says the same of a missing bucket.
	w.src.SetIntercept(func(_ context.Context, op memstore.Op) error {
		switch {
		case op.Stage != memstore.Before:
			return nil
		case op.Name == "head":
			return &store.Error{Kind: store.NotFound, Err: errors.New("not found")}
		default:
			return &store.Error{Kind: store.Unavailable, Err: errors.New("no such bucket")}
		}
	})
	for name, f := range map[string]functions.Syncer{"forward": w.forward, "reverse": w.reverse} {
		if res, err := f.Sync(t.Context(), "k", replicate.HintNone); store.KindOf(err) != store.Unavailable {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
	}
	if got := w.kept(); len(got) > 0 {
		t.Errorf("kept %q", got)
	}
}

// A turn that was undone has made nothing late.
func TestTurnUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carrying).begin()
	w.turn(control.Target)
	w.swap(func(s *control.State) { phase(control.Frozen)(s); s.Authority = control.Source })
	w.put(w.dst, "k", "somebody's")
	if res := w.sync(w.reverse, "k"); res.Reason != "the source is the authority" || len(w.kept()) > 0 {
		t.Errorf("%s, kept %q", res.Reason, w.kept())
	}
	w.put(w.src, "k", "one")
	if res := w.sync(w.forward, "k"); res.Action != replicate.Conflict || len(w.kept()) > 0 {
		t.Errorf("%v (%s), kept %q", res.Action, res.Reason, w.kept())
	}
}

// A conflict that is one only by a state of some seconds ago is looked at by
// that of now: here it is a late write.
func TestConflictOfBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carrying).begin()
	w.swap(phase(control.Announced))
	w.put(w.src, "k", "one")
	w.sync(w.forward, "k")
	w.pace = 0
	w.turn(control.Target)
	w.put(w.dst, "k", "two")
	w.put(w.src, "k", "late")
	if res := w.sync(w.forward, "k"); res.Reason != "late write kept" || !slices.Equal(w.kept(), []string{"source k late"}) {
		t.Errorf("%v (%s), kept %q", res.Action, res.Reason, w.kept())
	}
	w.want("k", "late", "two")
}

// What cannot be kept is not replaced.
func TestNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carrying).begin()
	w.put(w.src, "k", "one")
	w.sync(w.forward, "k")
	w.turn(control.Target)
	w.put(w.dst, "k", "two")
	w.put(w.src, "k", "late")
	w.ctl.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "put" {
			return &store.Error{Kind: store.Unavailable, Err: errors.New("no")}
		}
		return nil
	})
	for _, f := range []functions.Syncer{w.forward, w.reverse} {
		res, err := f.Sync(t.Context(), "k", replicate.HintNone)
		if v := functions.Judge(res, err); v.Outcome != functions.Retry {
			t.Errorf("%+v", v)
		}
	}
	w.want("k", "late", "two")
	w.ctl.SetIntercept(nil)
	w.sync(w.reverse, "k")
	w.want("k", "two", "two")
	if got := w.kept(); !slices.Equal(got, []string{"source k late"}) {
		t.Errorf("kept %q", got)
	}
}

// Before any turn foreign objects are the user's affair, as without a migration.
func TestForeignBeforeTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carrying).begin()
	w.put(w.src, "k", "one")
	w.put(w.dst, "k", "somebody's")
	if res := w.sync(w.forward, "k"); res.Action != replicate.Conflict {
		t.Errorf("%v (%s)", res.Action, res.Reason)
	}
	w.want("k", "one", "somebody's")
	if res := w.sync(w.reverse, "k"); res.Action != replicate.Skip {
		t.Errorf("%v (%s)", res.Action, res.Reason)
	}
	if got := w.kept(); len(got) > 0 {
		t.Errorf("kept %q", got)
	}
}
