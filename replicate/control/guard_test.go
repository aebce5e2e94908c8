package control_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

func announced(s *control.State) {
	s.Phase, s.Run = control.Announced, &control.Run{ID: "run-1"}
}

// While it is steady the state is read once a Lease, else before each write.
func TestGuardRequests(t *testing.T) {
	t.Parallel()
	st, c := memstore.Fresh(), &clock{t: begun}
	d, _ := created(t, st, following())
	g := control.NewGuard(d, control.Forward, c.now, 0)
	reads := counting(st)
	check := func(n int) {
		t.Helper()
		for range n {
			if err := g.Check(t.Context(), "put", "k"); err != nil {
				t.Fatal(err)
			}
		}
	}
	check(5)
	c.advance(control.Lease - 1)
	check(5)
	if n := reads("open"); n != 1 {
		t.Errorf("%d reads within a lease", n)
	}
	c.advance(1)
	check(5)
	if n := reads("open"); n != 1 {
		t.Errorf("%d reads in the next", n)
	}
	swap(t, d, announced)
	c.advance(control.Lease)
	reads("open")
	check(5)
	if n := reads("open"); n != 5 {
		t.Errorf("%d reads for 5 writes once announced", n)
	}
	for range 3 {
		if s, err := g.Recent(t.Context()); err != nil || s.Phase != control.Announced {
			t.Errorf("%+v, %v", s, err)
		}
	}
	if n := reads("open"); n != 0 {
		t.Errorf("%d reads for a plan", n)
	}
	c.advance(control.Lease)
	if _, err := g.Recent(t.Context()); err != nil || reads("open") != 1 {
		t.Errorf("%v, or not one read after a lease", err)
	}
}

// A machine that slept knows it by its other clock, and one whose clock was set
// back relies on nothing.
func TestGuardSleeps(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]time.Duration{"slept": time.Hour, "set back": -time.Hour} {
		st := memstore.Fresh()
		d, _ := created(t, st, following())
		start := time.Now()
		now := start
		g := control.NewGuard(d, control.Forward, func() time.Time { return now }, 0)
		if _, err := g.State(t.Context()); err != nil {
			t.Fatal(err)
		}
		swap(t, d, func(s *control.State) { s.Phase, s.Authority = control.Reversed, control.Target })
		now = start.Round(0).Add(jump) // without the monotonic reading both differences are the wall's
		if err := g.Check(t.Context(), "put", "k"); !control.IsFenced(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Of reads that overlap the later revision counts; one that began later counts
// whatever its revision, for the migration may have been begun anew.
func TestGuardReadsOverlap(t *testing.T) {
	t.Parallel()
	st, c := memstore.Fresh(), &clock{t: begun}
	d, _ := created(t, st, following())
	g := control.NewGuard(d, control.Forward, c.now, 0)
	st.SetIntercept(func(ctx context.Context, op memstore.Op) error {
		if op.Name != "read" || op.Stage != memstore.After {
			return nil
		}
		// This read has the old state in its hands while another begins and ends.
		st.SetIntercept(nil)
		swap(t, d, announced)
		swap(t, d, func(s *control.State) { s.Phase = control.Frozen })
		if s, err := g.State(ctx); err != nil || s.Phase != control.Frozen {
			t.Errorf("%+v, %v", s, err)
		}
		return nil
	})
	if s, err := g.State(t.Context()); err != nil || s.Phase != control.Frozen {
		t.Errorf("went back to %s, %v", s.Phase, err)
	}
	if err := st.Delete(t.Context(), control.StateKey("photos"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	created(t, st, following())
	if s, err := g.State(t.Context()); err != nil || s.Phase != control.Following {
		t.Errorf("begun anew: %s, %v", s.Phase, err)
	}
}

// large is a content that is not in memory.
type large struct{ store.Bytes }

func (l large) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	return l.Bytes.Open(ctx, offset, length)
}

// No write passes that the state does not permit; reads do, and what is not
// known is not permitted.
func TestGuarded(t *testing.T) {
	t.Parallel()
	ctx, st, target := t.Context(), memstore.Fresh(), memstore.Fresh()
	d, _ := created(t, st, following())
	c := &clock{t: begun}
	guarded := control.NewGuard(d, control.Forward, c.now, 0).Guarded(target)
	o, err := guarded.Put(ctx, "k", store.Bytes("one"), store.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	updater, ok := store.As[store.MetadataUpdater](guarded)
	if !ok {
		t.Fatal("the update of metadata is hidden")
	}
	if _, ok := store.As[store.UniqueVersions](guarded); !ok {
		t.Error("the mark of unique versions is hidden")
	}
	writes := map[string]func() error{
		"put": func() error { _, err := guarded.Put(ctx, "k", store.Bytes("two"), store.PutOptions{}); return err },
		"put large": func() error {
			_, err := guarded.Put(ctx, "k", large{store.Bytes("two")}, store.PutOptions{})
			return err
		},
		"delete": func() error { return guarded.Delete(ctx, "k", store.Condition{}) },
		"update": func() error {
			_, err := updater.UpdateMetadata(ctx, "k", store.Attrs{ContentType: "x/y"}, store.Condition{})
			return err
		},
	}
	refused := func(why string, kind store.Kind, fenced bool) {
		t.Helper()
		c.advance(control.Lease)
		for name, write := range writes {
			if err := write(); store.KindOf(err) != kind || control.IsFenced(err) != fenced {
				t.Errorf("%s: %s: %v", why, name, err)
			}
		}
		if now, err := guarded.Head(ctx, "k"); err != nil || now.Version != o.Version {
			t.Errorf("%s: %+v, %v", why, now, err)
		}
	}
	swap(t, d, func(s *control.State) { announced(s); s.Phase = control.Switching })
	refused("switching", store.Denied, true)
	swap(t, d, func(s *control.State) { s.Phase, s.Authority = control.Switched, control.Target })
	refused("switched", store.Denied, true)

	for kind, want := range map[store.Kind]store.Kind{
		store.Unavailable: store.Unavailable, store.Throttled: store.Unavailable, store.Unknown: store.Unavailable,
		store.Denied: store.Denied, store.Corrupt: store.Denied,
	} {
		st.SetIntercept(func(context.Context, memstore.Op) error { return &store.Error{Kind: kind, Err: errors.New("no")} })
		refused("unreadable: "+kind.String(), want, false)
	}
	st.SetIntercept(nil)
	if _, err := st.Put(ctx, control.StateKey("photos"), store.Bytes("{"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	refused("damaged", store.Denied, false)
	if err := st.Delete(ctx, control.StateKey("photos"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	refused("missing", store.Denied, false)
	created(t, st, following())
	c.advance(control.Lease)
	for _, name := range []string{"put", "put large", "update", "delete"} {
		if err := writes[name](); err != nil {
			t.Errorf("permitted again: %s: %v", name, err)
		}
	}
}

// A long upload that loses its right in the middle ends without a trace.
func TestGuardedLargeUpload(t *testing.T) {
	t.Parallel()
	st, target := memstore.Fresh(), memstore.Fresh()
	d, _ := created(t, st, following())
	swap(t, d, announced)
	guarded := control.NewGuard(d, control.Forward, time.Now, 0).Guarded(target)
	var reads atomic.Int64
	st.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "open" && op.Stage == memstore.Before && reads.Add(1) == 4 {
			st.SetIntercept(nil)
			swap(t, d, func(s *control.State) { s.Phase = control.Switching })
		}
		return nil
	})
	_, err := guarded.Put(t.Context(), "k", large{make(store.Bytes, 4<<20)}, store.PutOptions{})
	if !control.IsFenced(err) || target.Bucket().Len() != 0 {
		t.Errorf("%v, %d objects", err, target.Bucket().Len())
	}
}

func TestWithheld(t *testing.T) {
	t.Parallel()
	cause := &store.Error{Op: "open", Kind: store.Throttled, RetryAfter: time.Minute, Err: errors.New("slow down")}
	err := control.Withheld("put", "k", cause)
	if e, ok := errors.AsType[*store.Error](err); !ok || e.Kind != store.Unavailable || e.RetryAfter != time.Minute || !strings.Contains(err.Error(), "slow down") {
		t.Errorf("%+v", err)
	}
	if err := control.Withheld("put", "k", context.DeadlineExceeded); !errors.Is(err, context.DeadlineExceeded) || store.KindOf(err) != store.Unavailable {
		t.Errorf("%v", err)
	}
}
