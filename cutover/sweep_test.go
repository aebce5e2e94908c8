package cutover

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

func TestSweep(t *testing.T) {
	t.Parallel()
	s, ctx := newSides(t), t.Context()
	for _, key := range []string{"calm", "deleted", "delete dropped", "older copy", "stalled", "raced", "rewritten", "edited", "late"} {
		s.put(s.src, key, "v1 of "+key)
		s.carry(control.Forward, key)
	}
	s.turned(func() {
		stamped := store.Attrs{ContentType: "text/plain", Metadata: map[string]string{replicate.StampName: "of another object"}}
		if _, err := s.src.Put(ctx, "dropped", store.Bytes("v1"), store.PutOptions{Attrs: stamped}); err != nil {
			t.Fatal(err)
		}
		s.put(s.src, "older copy", "v2, of which no event told")
		s.remove(s.src, "delete dropped")
		s.put(s.src, "seen", "v1")
		s.carry(control.Forward, "seen")
	}, "seen")
	// The application at the target, and the functions that carry it back.
	s.remove(s.dst, "deleted", "stalled", "raced", "seen")
	s.carry(control.Reverse, "stalled", "seen")
	s.put(s.dst, "rewritten", "v2")
	s.carry(control.Reverse, "rewritten")
	s.remove(s.dst, "rewritten")
	s.put(s.dst, "new", "v1")
	if _, err := s.dst.UpdateMetadata(ctx, "edited", attrsWith(t, s.dst, "edited", "text/html"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	// Writes that come late, and stragglers.
	s.put(s.src, "late", "late")
	s.straggle(control.Forward, "stalled", "v0")
	s.straggle(control.Forward, "raced", "v0")
	s.straggle(control.Forward, "rewritten", "v0")
	s.pass(time.Minute)

	got, err := s.e.Sweep(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got.Keys != 11 || got.Dropped != 3 || got.Repaired != 1 || got.Undone != 3 || got.Kept != 4 || got.Failed != 0 {
		t.Errorf("%+v", got)
	}
	for key, want := range map[string]string{
		"calm": "v1 of calm", "dropped": "v1", "older copy": "v1 of older copy", "delete dropped": "v1 of delete dropped",
		"deleted": "", "stalled": "", "raced": "", "rewritten": "", "seen": "", "new": "v1", "late": "v1 of late", "edited": "v1 of edited",
	} {
		if b, _ := s.body(s.dst, key); b != want {
			t.Errorf("the authority has %q under %q, want %q", b, key, want)
		}
	}
	if _, o := s.body(s.dst, "dropped"); len(o.Metadata) != 0 || o.ContentType != "text/plain" {
		t.Errorf("what was put carries %+v", o.Attrs)
	}
	late := s.late()
	if len(late) != 4 || late["late"].Size != 4 || late["raced"].Side != control.Source || !late["delete dropped"].Removed || late["older copy"].Size != 26 {
		t.Errorf("kept: %+v", late)
	}
	held, err := s.docs.Load(ctx)
	if err != nil || sweepDue(held.State) || held.Sweep.Stragglers != 3 || held.Sweep.Repaired != 1 || held.Sweep.Kept != 4 {
		t.Errorf("%+v, %v", held.Sweep, err)
	}
	// Once more: what was put is the application's, what is kept is kept once.
	again, err := s.e.Sweep(ctx)
	if err != nil || again.Repaired != 0 || again.Undone != 0 || again.Failed != 0 || len(s.late()) != 4 {
		t.Errorf("%+v, %v, %d kept", again, err, len(s.late()))
	}
}

func attrsWith(t *testing.T, st store.Store, key, contentType string) store.Attrs {
	t.Helper()
	o, err := st.Head(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	o.ContentType = contentType
	return o.Attrs
}

// What was compared long before the turn costs no request of its own, also where
// listings carry no attributes.
func TestSweepGoesByTheListings(t *testing.T) {
	t.Parallel()
	for _, partial := range []string{"", "source", "target", "both"} {
		s := newSides(t, func(o *Options) {
			if partial == "source" || partial == "both" {
				o.Source = partialLists{o.Source}
			}
			if partial == "target" || partial == "both" {
				o.Target = partialLists{o.Target}
			}
		})
		for i := range 50 {
			key := fmt.Sprint("k", i)
			s.put(s.src, key, "x")
			s.carry(control.Forward, key)
		}
		s.turned(nil)
		s.put(s.dst, "k7", "the application's")
		var heads int
		count := func(_ context.Context, op memstore.Op) error {
			if op.Stage == memstore.Before && op.Name != "list" {
				s.mu.Lock()
				defer s.mu.Unlock()
				heads++
			}
			return nil
		}
		s.src.SetIntercept(count)
		s.dst.SetIntercept(count)
		got, err := s.e.Sweep(t.Context())
		if err != nil || got.Keys != 50 || got.Undone+got.Kept+got.Repaired+got.Failed != 0 || heads > 2 {
			t.Errorf("partial %q: %+v, %v, %d requests", partial, got, err, heads)
		}
	}
}

// While the sweep waits for its second look, the application deletes what was
// about to be put, and writes what was about to be removed.
func TestSweepGivesWay(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	s.put(s.src, "written", "v1")
	s.carry(control.Forward, "written")
	s.turned(func() { s.put(s.src, "carried away", "v1") })
	s.remove(s.dst, "written")
	s.straggle(control.Forward, "written", "v0")
	once := false
	s.e.o.Sleep = func(ctx context.Context, d time.Duration) error {
		s.mu.Lock()
		first := !once
		once = true
		s.mu.Unlock()
		if first {
			s.put(s.dst, "written", "the application's")
			s.remove(s.src, "carried away") // by the function that carries its delete
		}
		s.pass(d)
		return ctx.Err()
	}
	got, err := s.e.Sweep(t.Context())
	if err != nil || got.Undone+got.Repaired+got.Failed != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if b, _ := s.body(s.dst, "written"); b != "the application's" {
		t.Errorf("written: %q", b)
	}
	if b, _ := s.body(s.dst, "carried away"); b != "" {
		t.Errorf("carried away: %q", b)
	}
}

// A key looks as if an event had been dropped only while the application's delete
// is on its way to the other side: two looks that do not agree call for another.
func TestSweepWaitsForTwoLooksThatAgree(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	s.put(s.src, "k", "v1")
	s.carry(control.Forward, "k")
	s.turned(func() { s.put(s.src, "k", "v2, of which no event told") })
	slept := 0
	s.e.o.Sleep = func(ctx context.Context, d time.Duration) error {
		s.mu.Lock()
		slept++
		now := slept
		s.mu.Unlock()
		switch now {
		case 1:
			s.remove(s.dst, "k")
		case 2:
			s.carry(control.Reverse, "k")
		}
		s.pass(d)
		return ctx.Err()
	}
	got, err := s.e.Sweep(t.Context())
	if err != nil || got.Repaired+got.Failed != 0 || s.dst.Bucket().Len() != 0 {
		t.Errorf("%+v, %v, %d objects", got, err, s.dst.Bucket().Len())
	}
}

// A write between the look and the act makes the condition fail, and is seen.
func TestSweepActsOnWhatItSaw(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	s.turned(func() { s.put(s.src, "dropped", "v1") })
	raced := false
	s.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "put" && op.Stage == memstore.Before && !raced {
			raced = true
			s.put(s.dst, "dropped", "the application's")
		}
		return nil
	})
	got, err := s.e.Sweep(t.Context())
	if err != nil || got.Failed != 0 || got.Repaired != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if b, _ := s.body(s.dst, "dropped"); b != "the application's" {
		t.Errorf("%q", b)
	}
}

func TestSweepRefusals(t *testing.T) {
	t.Parallel()
	s, ctx := newSides(t), t.Context()
	s.state(following())
	if _, err := s.e.Sweep(ctx); err == nil || !strings.Contains(err.Error(), "no change of the authority") {
		t.Errorf("before any turn: %v", err)
	}
	st := s.turned(nil)
	st.Turn.Run = "another"
	s.state(st)
	if _, err := s.e.Sweep(ctx); store.KindOf(err) != store.NotFound || !strings.Contains(err.Error(), "compared in the freeze") {
		t.Errorf("without the list: %v", err)
	}
	s = newSides(t)
	s.turned(nil)
	denied := &store.Error{Op: "list", Kind: store.Denied}
	s.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "list" {
			return denied
		}
		return nil
	})
	if _, err := s.e.Sweep(ctx); store.KindOf(err) != store.Denied {
		t.Errorf("a listing that fails: %v", err)
	}
	if held, err := s.docs.Load(ctx); err != nil || held.Sweep != nil {
		t.Errorf("noted as swept: %+v, %v", held.Sweep, err)
	}
}

// More stragglers than there can be are not undone.
func TestSweepStopsWhereItCannotBeStragglers(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	s.turned(nil)
	const n = maxUndone + 1
	for i := range n {
		s.put(s.src, fmt.Sprint(i), "x")
		s.carry(control.Forward, fmt.Sprint(i))
		s.remove(s.src, fmt.Sprint(i))
	}
	got, err := s.e.Sweep(t.Context())
	if err != nil || got.Undone != 0 || got.Failed != n || s.dst.Bucket().Len() != n {
		t.Errorf("%+v, %v", got, err)
	}
}
