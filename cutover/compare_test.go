package cutover

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

func (s *sides) comparer(st control.State) *comparer {
	s.t.Helper()
	c, err := newComparer(s.e, control.Away(st.Authority), st)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *sides) wantSame(keys ...string) {
	s.t.Helper()
	for _, key := range keys {
		a, _ := s.body(s.src, key)
		b, _ := s.body(s.dst, key)
		if a != b {
			s.t.Errorf("%s: %q on the source, %q on the target", key, a, b)
		}
	}
}

func TestFullRepairs(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	st := s.state(following())
	for i := range 30 {
		key := fmt.Sprintf("k%02d", i)
		s.put(s.src, key, "v1")
		s.carry(control.Forward, key)
	}
	s.put(s.src, "k01", "v2")
	s.put(s.src, "missing", "v1")
	s.remove(s.src, "k02")
	s.put(s.dst, "foreign", "someone else's")
	s.put(s.src, "foreign", "v1")
	look := s.comparer(st)
	look.onlyLook = true
	got, err := look.Full(t.Context())
	if err != nil || got.Keys != 32 || got.Equal != 28 || got.Missing != 1 || got.Different != 1 || got.Extra != 1 || got.Foreign != 1 || got.Repaired != 0 {
		t.Errorf("only to look: %+v, %v", got, err)
	}
	got, err = s.comparer(st).Full(t.Context())
	if err != nil || got.Kind != report.CompareFull || got.Keys != 32 || got.Equal != 31 || got.Repaired != 3 || got.Foreign != 1 || wrong(got) != 1 || !slices.Equal(got.Examples, []string{"foreign"}) {
		t.Errorf("%+v, %v", got, err)
	}
	s.wantSame("k01", "k02", "missing")
	if b, _ := s.body(s.dst, "foreign"); b != "someone else's" {
		t.Errorf("foreign: %q", b)
	}
}

// What is gone from the authority stays where deletes are off, and is not wrong.
func TestFullWithoutDeletes(t *testing.T) {
	t.Parallel()
	s := newSides(t, func(o *Options) { o.Migration.Deletes = false })
	st := s.state(following())
	s.put(s.src, "gone", "v1")
	s.carry(control.Forward, "gone")
	s.remove(s.src, "gone")
	if got, err := s.comparer(st).Full(t.Context()); err != nil || wrong(got) != 0 || got.Keys != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if b, _ := s.body(s.dst, "gone"); b != "v1" {
		t.Errorf("gone: %q", b)
	}
}

// After a turn each side has originals, and copies of the other's. They are equal
// by their stamps where the stores know no common checksum, never because a
// direction would pass a copy by.
func TestFullKnowsCopiesOfBothDirections(t *testing.T) {
	t.Parallel()
	for _, blind := range []bool{false, true} {
		s := newSides(t, func(o *Options) {
			if blind {
				o.Source, o.Target = sumless{o.Source}, partialLists{sumless{o.Target}}
			}
		})
		for _, key := range []string{"calm", "rewritten", "lost", "gone", "swapped"} {
			s.put(s.src, key, "v1")
			s.carry(control.Forward, key)
		}
		s.turned(nil)
		s.put(s.dst, "rewritten", "v2")
		s.put(s.dst, "new", "v1")
		s.carry(control.Reverse, "rewritten", "new")
		s.remove(s.src, "lost")                                                 // behind everyone's back
		s.remove(s.dst, "gone")                                                 // an event that never came
		if _, err := s.e.Sweep(t.Context()); err != nil || len(s.late()) != 1 { // "lost", for someone to decide
			t.Fatalf("%v, %+v", err, s.late())
		}
		s.put(s.src, "swapped", "v9") // and after the sweep
		held, err := s.docs.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		st := held.State
		look := s.comparer(st)
		look.onlyLook = true
		if got, err := look.Full(t.Context()); err != nil || got.Equal != 3 || got.Missing != 1 || got.Different+got.Foreign != 1 || got.Extra != 1 {
			t.Errorf("blind %v: %+v, %v", blind, got, err)
		}
		got, err := s.comparer(st).Full(t.Context())
		if err != nil || wrong(got) != 0 || got.Repaired != 3 || got.Equal != 6 {
			t.Errorf("blind %v: %+v, %v", blind, got, err)
		}
		s.wantSame("calm", "rewritten", "lost", "gone", "swapped", "new")
		if l := s.late()["swapped"]; l.Size != 2 || l.Side != control.Source {
			t.Errorf("what was there against the authority was not kept: %+v", s.late())
		}
	}
}

// With a target whose listing tells the stamps, nothing is asked for key by key,
// though the source lists no attributes.
func TestFullGoesByTheListings(t *testing.T) {
	t.Parallel()
	s := newSides(t, func(o *Options) { o.Source = partialLists{sumless{o.Source}} })
	st := s.state(following())
	for i := range 50 {
		s.put(s.src, fmt.Sprint(i), "x")
		s.carry(control.Forward, fmt.Sprint(i))
	}
	o, err := s.dst.Head(t.Context(), "7")
	if err != nil {
		t.Fatal(err)
	}
	o.CacheControl = "no-store" // which its stamp does not say
	if _, err := s.dst.UpdateMetadata(t.Context(), "7", o.Attrs, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	count := func(_ context.Context, op memstore.Op) error {
		if op.Stage == memstore.Before && op.Name != "list" {
			asked.Add(1)
		}
		return nil
	}
	s.src.SetIntercept(count)
	s.dst.SetIntercept(count)
	c := s.comparer(st)
	c.onlyLook = true
	if got, err := c.Full(t.Context()); err != nil || got.Equal != 49 || got.Different != 1 || asked.Load() > 12 {
		t.Errorf("%+v, %v with %d requests", got, err, asked.Load())
	}
}

// The engine's own Syncs go through a guard: another authority, and nothing is
// written.
func TestFullIsFenced(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	st := s.state(following())
	c := s.comparer(st)
	s.put(s.src, "k", "v1")
	st.Authority, st.Phase = control.Target, control.Reversed
	s.state(st)
	if got, err := c.Full(t.Context()); err != nil || got.Missing != 1 || s.dst.Bucket().Len() != 0 {
		t.Errorf("%+v, %v, %d objects", got, err, s.dst.Bucket().Len())
	}
}

func TestStrictTellsWhatItSynced(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	st := s.state(control.State{Phase: control.Frozen, Authority: control.Source, Run: &control.Run{ID: "run1"}})
	s.put(s.src, "same", "v1")
	s.carry(control.Forward, "same")
	s.put(s.src, "dropped", "v1")
	v, got, err := s.comparer(st).Strict(t.Context())
	if err != nil || got.Kind != report.CompareStrict || got.Equal != 2 || got.Repaired != 1 || len(v.Keys) != 1 || v.Run != "run1" {
		t.Fatalf("%+v, %+v, %v", v, got, err)
	}
	_, from := s.body(s.src, "dropped")
	_, to := s.body(s.dst, "dropped")
	if !v.Is(control.Source, from) || !v.Is(control.Target, to) {
		t.Errorf("%+v is not %v and %v", v.Keys, from, to)
	}
	s.pass(time.Second)
	again := s.put(s.dst, "dropped", "v1")
	if again.Version = to.Version; v.Is(control.Target, again) { // as an ETag would recur
		t.Error("a version that recurs later is taken for the one that was verified")
	}
}

// A failed listing is no outcome.
func TestFullFails(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	st := s.state(following())
	s.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "list" {
			return &store.Error{Op: "list", Kind: store.Denied}
		}
		return nil
	})
	if _, err := s.comparer(st).Full(t.Context()); store.KindOf(err) != store.Denied {
		t.Error(err)
	}
	// A key that cannot be read is named.
	s.put(s.src, "k", "v1")
	s.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "head" {
			return &store.Error{Op: "head", Kind: store.Denied}
		}
		return nil
	})
	got, err := s.comparer(st).Full(t.Context())
	if err != nil || got.Failed != 1 || strings.Join(got.Examples, "") != "k" {
		t.Errorf("%+v, %v", got, err)
	}
}
