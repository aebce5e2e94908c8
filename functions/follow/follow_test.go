package follow_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/follow"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

var carrying = replicate.Policy{Deletes: true}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carrying)
	good := follow.Options{
		From: w.src, To: w.dst, Documents: w.docs, Guard: control.NewGuard(w.docs, control.Forward, time.Now, 0), Now: time.Now,
		Replicate: replicate.Options{SourceID: sourceID, TargetID: targetID},
	}
	for name, change := range map[string]func(*follow.Options){
		"no documents": func(o *follow.Options) { o.Documents = nil },
		"no guard":     func(o *follow.Options) { o.Guard = nil },
		"no clock":     func(o *follow.Options) { o.Now = nil },
		"no source":    func(o *follow.Options) { o.From = nil },
		"no ids":       func(o *follow.Options) { o.Replicate = replicate.Options{} },
	} {
		opts := good
		change(&opts)
		if _, err := follow.New(opts); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := follow.New(good); err != nil {
		t.Error(err)
	}
}

// What the two directions do with an event in each phase.
func TestPhases(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		phase            control.Phase
		authority        control.Side
		forward, reverse string // what is said, or the kind of the error
	}{
		{control.Seeding, control.Source, "not on the target", "the source is the authority"},
		{control.Following, control.Source, "not on the target", "the source is the authority"},
		{control.Announced, control.Source, "not on the target", "the source is the authority"},
		{control.Frozen, control.Source, "not on the target", "the source is the authority"},
		{control.Switching, control.Source, "unavailable", "unavailable"},
		{control.Switched, control.Target, "the target is the authority", "not on the target"},
		{control.Reversed, control.Target, "the target is the authority", "not on the target"},
		{control.Announced, control.Target, "the target is the authority", "not on the target"},
		{control.Done, control.Target, "the migration is done", "the migration is done"},
		{control.Done, control.Source, "the migration is done", "the migration is done"},
	} {
		w := newWorld(t, carrying).begin()
		w.swap(func(s *control.State) { phase(c.phase)(s); s.Authority = c.authority })
		w.put(w.src, "a", "one")
		w.put(w.dst, "b", "two")
		for d, f := range map[control.Direction]*follow.Follower{control.Forward: w.forward, control.Reverse: w.reverse} {
			key, want := "a", c.forward
			if d == control.Reverse {
				key, want = "b", c.reverse
			}
			res, err := f.Sync(t.Context(), key, replicate.HintNew)
			got := res.Reason
			if err != nil {
				got = store.KindOf(err).String()
				if v := functions.Judge(res, err); v.Outcome != functions.Retry || v.After <= 0 || v.After > 5*time.Second {
					t.Errorf("%s: %s: %+v", c.phase, d, v)
				}
			}
			carried := w.body(w.side(d.To()), key) != ""
			if got != want || carried != (want == "not on the target") {
				t.Errorf("%s of the %s: %s: %q, carried %v, want %q", c.phase, c.authority, d, got, carried, want)
			}
		}
	}
}

// What the state costs: while the migration is steady nothing within a lease,
// and once announced a GET and a PUT an invocation and a GET a write.
func TestRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carrying).begin()
	invoke := func(f *follow.Follower, keys ...string) map[string]int {
		t.Helper()
		w.spent()
		if err := f.Begin(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if _, err := f.Sync(t.Context(), key, replicate.HintNew); err != nil {
				t.Fatal(err)
			}
		}
		return w.spent()
	}
	want := func(what string, got, want map[string]int) {
		t.Helper()
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		w.put(w.src, key, key)
	}
	w.clock.advance(control.Lease)
	want("first of a lease", invoke(w.forward, "a", "b"), map[string]int{"ctl open": 1, "src open": 2, "dst put": 2, "src head": 2})
	want("within it", invoke(w.forward, "c"), map[string]int{"src open": 1, "dst put": 1, "src head": 1})
	want("satisfied", invoke(w.forward, "c"), map[string]int{"dst head": 1, "src open": 1})
	invoke(w.reverse)
	want("the copy's own event", invoke(w.reverse, "c"), map[string]int{})
	w.swap(phase(control.Announced))
	want("announced", invoke(w.forward, "d", "e"), map[string]int{"ctl open": 3, "ctl put": 1, "src open": 2, "dst put": 2, "src head": 2})
	want("announced, satisfied", invoke(w.forward, "d"), map[string]int{"ctl open": 1, "ctl put": 1, "dst head": 1, "src open": 1})
	want("announced, the copy's own event", invoke(w.reverse, "d"), map[string]int{"ctl open": 2})

	w.turn(control.Target)
	w.put(w.dst, "f", "newer")
	invoke(w.forward)
	invoke(w.reverse, "f")
	w.want("f", "newer", "newer")
	want("turned, the copy's own event", invoke(w.forward, "f"), map[string]int{"src head": 1})
	w.put(w.dst, "f", "newest")
	want("turned", invoke(w.reverse, "f"), map[string]int{"src head": 1, "dst open": 1, "src put": 1, "dst head": 1})
	if kept := w.kept(); len(kept) > 0 {
		t.Errorf("kept %q", kept)
	}
}

// The journal holds the keys of every invocation of the direction that writes,
// before it syncs, and of no other.
func TestJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carrying).begin()
	journal := func() (keys []string) {
		t.Helper()
		for name, err := range w.docs.Entries(t.Context(), "run-0", time.Time{}) {
			if err != nil {
				t.Fatal(err)
			}
			k, err := w.docs.Keys(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, k...)
		}
		return keys
	}
	begin := func(key string) {
		t.Helper()
		for f, name := range map[*follow.Follower]string{w.forward: "forward ", w.reverse: "reverse "} {
			if err := f.Begin(t.Context(), []string{name + key}); err != nil {
				t.Fatal(err)
			}
		}
	}
	begin("following")
	w.swap(phase(control.Announced))
	begin("announced")
	w.swap(phase(control.Frozen))
	begin("frozen")
	w.swap(phase(control.Switching))
	begin("switching")
	w.swap(func(s *control.State) { s.Phase, s.Authority = control.Announced, control.Target })
	begin("announced")
	if got, want := journal(), []string{"forward announced", "forward frozen", "reverse announced"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	w.ctl.SetIntercept(w.counting("ctl", func(_ context.Context, op memstore.Op) error {
		if op.Name == "put" {
			return &store.Error{Kind: store.NotFound, Err: errors.New("no bucket")}
		}
		return nil
	}))
	if err := w.reverse.Begin(t.Context(), []string{"k"}); functions.Judge(replicate.Result{}, err).Outcome != functions.Retry {
		t.Errorf("not noted: %v", err)
	}
}

// Nothing is known of the migration: nothing is written, and every event comes
// again.
func TestControlFails(t *testing.T) {
	t.Parallel()
	damaged := func(doc string) func(*world) {
		return func(w *world) {
			if _, err := w.ctl.Put(t.Context(), control.StateKey("photos"), store.Bytes(doc), store.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		spoil func(*world)
		want  string
	}{
		"missing": {func(w *world) { w.remove(w.ctl, control.StateKey("photos")) }, "crossfade init"},
		"damaged": {damaged("{"), "is damaged"},
		"newer":   {damaged(`{"format":9}`), "use the newer one"},
		"denied": {func(w *world) {
			w.ctl.SetIntercept(func(context.Context, memstore.Op) error {
				return &store.Error{Kind: store.Denied, Err: errors.New("no")}
			})
		}, "denied"},
		"not there": {func(w *world) {
			w.ctl.SetIntercept(func(context.Context, memstore.Op) error {
				return &store.Error{Kind: store.Unavailable, Err: errors.New("gone fishing")}
			})
		}, "gone fishing"},
		"of other stores": {func(w *world) {
			w.swap(func(s *control.State) { s.Source = "s3://elsewhere/" })
		}, "copies forward from s3://elsewhere/ to gs://dst/, not from s3://src/ to gs://dst/"},
		"of the other direction": {func(w *world) {
			w.swap(func(s *control.State) { s.Source, s.Target = s.Target, s.Source })
		}, "correct the name of the migration, the stores or the direction"},
	} {
		w := newWorld(t, carrying).begin()
		w.put(w.src, "k", "body")
		c.spoil(w)
		w.clock.advance(control.Lease)
		_, _, serr := w.forward.Signal(t.Context(), control.SignalKey("photos", "s1"))
		_, err := w.forward.Sync(t.Context(), "k", replicate.HintNew)
		for what, err := range map[string]error{"sync": err, "begin": w.forward.Begin(t.Context(), []string{"k"}), "signal": serr} {
			v := functions.Judge(replicate.Result{}, err)
			if err == nil || !strings.Contains(err.Error(), c.want) || v.Outcome != functions.Retry {
				t.Errorf("%s: %s: %v, %+v, want %q", name, what, err, v, c.want)
			}
		}
		if n := w.dst.Bucket().Len(); n != 0 {
			t.Errorf("%s: %d objects were written", name, n)
		}
	}
}

// A write that was planned before the switch is refused after it, and the event
// is answered by what is true then.
func TestFencedInTheMiddle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		turn func(*world)
		want string // what is said, or the kind of the error
		kept int
	}{
		"switching":            {func(w *world) { w.swap(phase(control.Switching)) }, "unavailable", 0},
		"switched":             {func(w *world) { w.turn(control.Target) }, "written before the turn", 0},
		"switched, late":       {func(w *world) { w.turn(control.Target); w.clock.advance(time.Minute); w.put(w.src, "k", "late") }, "late write kept", 1},
		"done":                 {func(w *world) { w.swap(phase(control.Done)) }, "the migration is done", 0},
		"switched and back":    {func(w *world) { w.turn(control.Target); w.turn(control.Source) }, "not on the target", 0},
		"switched, equal late": {func(w *world) { w.turn(control.Target); w.put(w.dst, "k", "late"); w.put(w.src, "k", "late") }, "foreign but equal", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, carrying).begin()
			w.swap(phase(control.Announced))
			w.put(w.src, "k", "body")
			// The check comes just before the write: the state changes once the
			// source has been read.
			w.src.SetIntercept(func(_ context.Context, op memstore.Op) error {
				if op.Name == "read" && op.Stage == memstore.After {
					w.src.SetIntercept(nil)
					c.turn(w)
				}
				return nil
			})
			res, err := w.forward.Sync(t.Context(), "k", replicate.HintNew)
			got := res.Reason
			if err != nil {
				got = store.KindOf(err).String()
			}
			if got != c.want || len(w.kept()) != c.kept {
				t.Errorf("%q, %v, kept %q, want %q", got, err, w.kept(), c.want)
			}
			if body := w.body(w.dst, "k"); body == "body" && name != "switched and back" {
				t.Error("a write of the old epoch got through")
			}
		})
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carrying).begin()
	w.swap(phase(control.Frozen))
	send := func(st store.Store, id string) {
		t.Helper()
		if _, err := control.Send(t.Context(), st, "photos", control.Signal{ID: id, Kind: control.Barrier}); err != nil {
			t.Fatal(err)
		}
	}
	signal := func(f *follow.Follower, key, want string, wantHandled bool) {
		t.Helper()
		handled, reason, err := f.Signal(t.Context(), key)
		if err != nil || handled != wantHandled || reason != want {
			t.Errorf("%s: %v, %q, %v, want %v, %q", key, handled, reason, err, wantHandled, want)
		}
	}
	send(w.src, "b1")
	send(w.dst, "b2")
	signal(w.forward, control.SignalKey("photos", "b1"), "carried a barrier", true)
	s, _, err := control.Receive(t.Context(), w.dst, "photos", "b1")
	held, lerr := w.docs.Load(t.Context())
	if err != nil || lerr != nil || !s.Carried || s.Phase != control.Frozen || s.Revision != held.Revision || s.Tool != "v1" {
		t.Errorf("%+v, %v", s, err)
	}
	signal(w.reverse, control.SignalKey("photos", "b1"), "a signal against the direction", true)
	signal(w.reverse, control.SignalKey("photos", "b2"), "a signal against the direction", true)
	signal(w.forward, control.SignalKey("photos", "none"), "the signal is gone", true)
	signal(w.forward, control.SignalKey("music", "b1"), "", false)
	signal(w.forward, control.StateKey("photos"), "", false)
	if n := w.src.Bucket().Len(); n != 1 {
		t.Errorf("%d objects on the source", n)
	}
	// It cannot be carried when the switch came between the asking and the write.
	send(w.src, "b3")
	w.src.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "read" && op.Stage == memstore.After {
			w.swap(phase(control.Switching))
		}
		return nil
	})
	signal(w.forward, control.SignalKey("photos", "b3"), "a signal against the direction", true)
	if w.dst.Bucket().Get(control.SignalKey("photos", "b3")) != nil {
		t.Error("carried while switching")
	}
}
