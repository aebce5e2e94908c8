package control_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

func TestJournal(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), memstore.Fresh()
	d := documents(t, st)
	record := func(run string, at time.Duration, keys ...string) {
		t.Helper()
		if err := d.Record(ctx, run, keys, begun.Add(at)); err != nil {
			t.Fatal(err)
		}
	}
	odd := []string{"a b", "<&>", "é", "\u2028", "with\x01control", "\"quoted\"\\", strings.Repeat("k", 1024)}
	record("run-1", 0, odd...)
	record("run-1", 9*time.Second, "x")
	record("run-1", 10*time.Second, "y")
	record("run-1", 25*time.Second, "z")
	record("run-10", 0, "of another run")
	keys := func(entries func(func(string, error) bool)) (all []string) {
		t.Helper()
		for name, err := range entries {
			if err != nil {
				t.Fatal(err)
			}
			k, err := d.Keys(ctx, name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, k...)
		}
		return all
	}
	want := append(slices.Clone(odd), "x", "y", "z")
	if got := keys(d.Entries(ctx, "run-1", time.Time{})); !slices.Equal(got, want) {
		t.Errorf("all: %q, want %q", got, want)
	}
	if got := keys(d.Entries(ctx, "run-1", begun.Add(10*time.Second))); !slices.Equal(got, []string{"y", "z"}) {
		t.Errorf("from the second slot: %q", got)
	}
	slots := control.EntrySlots(begun.Add(time.Second), begun.Add(25*time.Second))
	var got []string
	for _, slot := range slots {
		got = append(got, keys(d.EntriesOf(ctx, "run-1", slot))...)
	}
	if len(slots) != 3 || !slices.Equal(got, want) {
		t.Errorf("by slots %v: %q, want %q", slots, got, want)
	}
	if n, err := d.DiscardJournals(ctx); n != 5 || err != nil || st.Bucket().Len() != 0 {
		t.Errorf("%d discarded, %v, %d objects left", n, err, st.Bucket().Len())
	}
}

// What one invocation notes is cut into entries that can be read again.
func TestJournalOfManyKeys(t *testing.T) {
	t.Parallel()
	d := documents(t, memstore.Fresh())
	keys := make([]string, 5000)
	want := map[string]bool{}
	for i := range keys {
		keys[i] = fmt.Sprint(i)
		want[keys[i]] = true
	}
	if err := d.Record(t.Context(), "run-1", keys, begun); err != nil {
		t.Fatal(err)
	}
	entries := 0
	for name, err := range d.Entries(t.Context(), "run-1", time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Keys(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		entries++
		for _, k := range got {
			delete(want, k)
		}
	}
	if entries != 2 || len(want) > 0 {
		t.Errorf("%d entries, %d of 5000 keys are missing", entries, len(want))
	}
}

func TestJournalFails(t *testing.T) {
	t.Parallel()
	st := memstore.Fresh()
	d := documents(t, st)
	if err := d.Record(t.Context(), "run-1", []string{"k"}, begun); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Put(t.Context(), "bad", store.Bytes("{"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Keys(t.Context(), "bad"); store.KindOf(err) != store.Invalid {
		t.Errorf("a damaged entry: %v", err)
	}
	st.SetIntercept(func(context.Context, memstore.Op) error { return errors.New("no") })
	if err := d.Record(t.Context(), "run-1", []string{"k"}, begun); err == nil {
		t.Error("noted nowhere, and no error")
	}
	for _, err := range d.Entries(t.Context(), "run-1", time.Time{}) {
		if err == nil {
			t.Error("a listing that fails yields an entry")
		}
	}
}

func TestVerified(t *testing.T) {
	t.Parallel()
	st := memstore.Fresh()
	d := documents(t, st)
	if _, err := d.Verified(t.Context(), "run-1"); store.KindOf(err) != store.NotFound {
		t.Errorf("before it is there: %v", err)
	}
	want := control.Verified{Run: "run-1", Keys: map[string]control.EndPair{"a<b": {Source: `"e"@v`, Target: "1.2"}, "gone": {}}}
	if err := d.PutVerified(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, err := d.Verified(t.Context(), "run-1")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, c := range []struct {
		side control.Side
		key  string
		want store.Version
		ok   bool
	}{{control.Source, "a<b", `"e"@v`, true}, {control.Target, "a<b", "1.2", true}, {control.Target, "gone", "", true}, {control.Source, "other", "", false}} {
		if v, ok := got.Of(c.side, c.key); v != c.want || ok != c.ok {
			t.Errorf("%+v: %q, %v", c, v, ok)
		}
	}
	at := control.Verified{Keys: map[string]control.EndPair{
		"k":      {Source: "e", Target: "1", SourceAt: begun.Unix()},
		"absent": {Target: "1"},
	}}
	for _, c := range []struct {
		side    control.Side
		key     string
		version store.Version
		after   time.Duration
		want    bool
	}{
		{control.Source, "k", "e", 900 * time.Millisecond, true},
		{control.Source, "k", "e", time.Second, false}, // the version has recurred
		{control.Source, "k", "f", 0, false},
		{control.Target, "k", "1", time.Hour, true},
		{control.Target, "k", "e", 0, false},
		{control.Source, "absent", "", 0, false},
		{control.Source, "other", "e", 0, false},
	} {
		if got := at.Is(c.side, &store.Object{Key: c.key, Version: c.version, ModTime: begun.Add(c.after)}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	for o, err := range st.List(t.Context(), store.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.Put(t.Context(), o.Key, store.Bytes(`{"run":"run-2"}`), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Verified(t.Context(), "run-1"); store.KindOf(err) != store.Invalid {
		t.Errorf("another run's: %v", err)
	}
}

func TestBackfills(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), memstore.Fresh()
	d := documents(t, st)
	open := func(at time.Duration) (ids []string) {
		t.Helper()
		fs, err := d.Backfills(ctx, begun.Add(at))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fs {
			ids = append(ids, f.ID)
		}
		return ids
	}
	for _, id := range []string{"a", "b"} {
		if err := d.PutBackfill(ctx, control.Backfill{ID: id, Operator: "ann@host", Begun: begun, Renewed: begun}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.PutBackfill(ctx, control.Backfill{ID: "b", Operator: "ann@host", Begun: begun, Renewed: begun.Add(control.BackfillRenew)}); err != nil {
		t.Fatal(err)
	}
	if got := open(control.BackfillStale - 1); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%q", got)
	}
	if got := open(control.BackfillStale); !slices.Equal(got, []string{"b"}) {
		t.Errorf("one has died: %q", got)
	}
	if err := d.EndBackfill(ctx, "b"); err != nil || open(0) == nil || slices.Contains(open(0), "b") {
		t.Errorf("ended: %v, %q", err, open(0))
	}
	if _, err := st.Put(ctx, control.Prefix("photos")+"backfill/a", store.Bytes("{"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Backfills(ctx, begun); store.KindOf(err) != store.Invalid {
		t.Errorf("a damaged note: %v", err)
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	ctx, from, to := t.Context(), memstore.Fresh(), memstore.Fresh()
	seen := control.State{Migration: "photos", Phase: control.Frozen, Revision: 5}
	relay := func(want string) {
		t.Helper()
		if got, err := control.Relay(ctx, from, to, "b1", seen, "v1"); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	relay("the signal is gone")
	sent, err := control.Send(ctx, from, "photos", control.Signal{ID: "b1", Kind: control.Barrier, Sent: begun})
	if err != nil || sent.ModTime.IsZero() {
		t.Fatalf("%+v, %v", sent, err)
	}
	if _, _, err := control.Receive(ctx, to, "photos", "b1"); store.KindOf(err) != store.NotFound {
		t.Errorf("received before it was carried: %v", err)
	}
	relay("carried a barrier")
	got, o, err := control.Receive(ctx, to, "photos", "b1")
	want := control.Signal{ID: "b1", Kind: control.Barrier, Sent: begun, Carried: true, Phase: control.Frozen, Revision: 5, Tool: "v1"}
	if err != nil || got != want || o.Key != control.SignalKey("photos", "b1") {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	from, to = to, from
	relay("a signal that was carried here")
	if err := control.Clear(ctx, from, "photos", "b1"); err != nil {
		t.Fatal(err)
	}
	relay("the signal is gone")
	if _, err := from.Put(ctx, control.SignalKey("photos", "b1"), store.Bytes(`{"id":"other","kind":"barrier"}`), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	relay("no signal")
	if _, err := control.Send(ctx, from, "photos", control.Signal{ID: "../state.json"}); err == nil {
		t.Error("sent outside of its directory")
	}
	from.SetIntercept(func(context.Context, memstore.Op) error { return errors.New("no") })
	if _, err := control.Relay(ctx, from, to, "b1", seen, "v1"); err == nil {
		t.Error("could not be read, and no error")
	}
}

func TestSignalOf(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		".crossfade/photos/signal/b1":   "b1",
		".crossfade/photos/signal/":     "",
		".crossfade/photos/signal/a/b":  "",
		".crossfade/photos/signal/..":   "",
		".crossfade/photos/state.json":  "",
		".crossfade/music/signal/b1":    "",
		".crossfade/photos2/signal/b1":  "",
		"x/.crossfade/photos/signal/b1": "",
	} {
		if id, ok := control.SignalOf("photos", key); ok != (want != "") || ok && id != want {
			t.Errorf("%q: %q, %v", key, id, ok)
		}
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte(`{"id":"s","kind":"barrier","sent":"2026-03-01T12:00:00Z"}`))
	f.Add([]byte(`{"id":"s","kind":"canary","carried":true,"phase":"frozen","revision":3}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		st := memstore.Fresh()
		if _, err := st.Put(t.Context(), control.SignalKey("photos", "s"), store.Bytes(b), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		s, _, err := control.Receive(t.Context(), st, "photos", "s")
		if err != nil {
			if store.KindOf(err) != store.Invalid {
				t.Fatalf("%v", err)
			}
			return
		}
		if s.ID != "s" || s.Kind != control.Barrier && s.Kind != control.Canary {
			t.Fatalf("%+v", s)
		}
	})
}

// body reads a content whole.
func body(t *testing.T, c store.Content) string {
	t.Helper()
	r, err := c.Open(t.Context(), 0, c.Size())
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
