package cutover

import (
	"context"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// lateWorld has one late write, one late delete, and one that would overwrite
// what the application wrote since; all kept by the sweep.
func lateWorld(t *testing.T) *sides {
	t.Helper()
	s := newSides(t)
	for _, key := range []string{"over", "deleted"} {
		s.put(s.src, key, "v1")
		s.carry(control.Forward, key)
	}
	s.turned(nil)
	s.put(s.dst, "over", "the application's")
	s.put(s.src, "over", "late")
	s.put(s.src, "fresh", "late")
	s.remove(s.src, "deleted")
	if _, err := s.e.Sweep(t.Context()); err != nil || len(s.late()) != 3 {
		t.Fatalf("%v, %+v", err, s.late())
	}
	return s
}

func TestResolveApply(t *testing.T) {
	t.Parallel()
	s, ctx := lateWorld(t), t.Context()
	late := s.late()
	for key, want := range map[string]string{"over": "late", "fresh": "late", "deleted": ""} {
		before, _ := s.body(s.dst, key)
		r, err := s.e.Resolve(ctx, late[key].ID, Apply)
		if err != nil || r.Late.Key != key || (r.Before == nil) != (before == "") || (r.After == nil) != (want == "") || r.Authority != control.Target {
			t.Errorf("%s: %+v, %v", key, r, err)
		}
		if r.Before != nil && r.Before.Size != int64(len(before)) {
			t.Errorf("%s: before it there were %d bytes, not %d", key, r.Before.Size, len(before))
		}
		if b, o := s.body(s.dst, key); b != want || o != nil && len(o.Metadata) != 0 {
			t.Errorf("%s: the authority has %q", key, b)
		}
	}
	s.wantSame("over", "fresh", "deleted")
	if len(s.late()) != 0 {
		t.Errorf("still kept: %+v", s.late())
	}
	if _, err := s.e.Resolve(ctx, late["over"].ID, Apply); err == nil || !strings.Contains(err.Error(), "crossfade resolve") {
		t.Errorf("twice: %v", err)
	}
}

func TestResolveDrop(t *testing.T) {
	t.Parallel()
	s, ctx := lateWorld(t), t.Context()
	for key, l := range s.late() {
		if r, err := s.e.Resolve(ctx, l.ID, Drop); err != nil || r.Action != Drop {
			t.Errorf("%s: %+v, %v", key, r, err)
		}
	}
	for key, want := range map[string]string{"over": "the application's", "fresh": "", "deleted": "v1"} {
		if b, _ := s.body(s.dst, key); b != want {
			t.Errorf("%s: the authority has %q, want %q", key, b, want)
		}
	}
	s.wantSame("over", "fresh", "deleted")
	if len(s.late()) != 0 {
		t.Errorf("still kept: %+v", s.late())
	}
}

// The application writes between the look and the act: nothing is done, and what
// is kept stays.
func TestResolveIsBoundToWhatItSaw(t *testing.T) {
	t.Parallel()
	s := lateWorld(t)
	late, raced := s.late(), map[string]bool{}
	s.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if (op.Name == "put" || op.Name == "delete") && op.Stage == memstore.Before && !raced[op.Key] {
			raced[op.Key] = true
			s.put(s.dst, op.Key, "faster")
		}
		return nil
	})
	for key := range late {
		_, err := s.e.Resolve(t.Context(), late[key].ID, Apply)
		if store.KindOf(err) != store.Precondition || !strings.Contains(err.Error(), "meanwhile") {
			t.Errorf("%s: %v", key, err)
		}
		if b, _ := s.body(s.dst, key); b != "faster" {
			t.Errorf("%s: %q", key, b)
		}
	}
	if len(s.late()) != 3 {
		t.Errorf("kept: %+v", s.late())
	}
}

// Another write has come late since the one that is resolved: it stays, for the
// functions to keep it as well.
func TestResolveSparesALaterOne(t *testing.T) {
	t.Parallel()
	s := lateWorld(t)
	s.put(s.src, "over", "later still")
	if _, err := s.e.Resolve(t.Context(), s.late()["over"].ID, Drop); err != nil {
		t.Fatal(err)
	}
	if b, _ := s.body(s.src, "over"); b != "later still" {
		t.Errorf("%q", b)
	}
}

func TestResolveRefusals(t *testing.T) {
	t.Parallel()
	s, ctx := lateWorld(t), t.Context()
	id := s.late()["over"].ID
	if _, err := s.e.Resolve(ctx, id, "keep"); err == nil {
		t.Error("an unknown action")
	}
	held, err := s.docs.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	st := held.State
	st.Phase, st.Run = control.Frozen, &control.Run{ID: "run2"}
	s.state(st)
	if _, err := s.e.Resolve(ctx, id, Apply); err == nil || !strings.Contains(err.Error(), "frozen") {
		t.Error(err)
	}
	if len(s.late()) != 3 {
		t.Errorf("kept: %+v", s.late())
	}
}
