package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// scan visits everything and counts how often each key came, and from where.
func scan(t testing.TB, src, dst store.Store, opts backfill.Options) (sides map[string]string, unlisted bool) {
	t.Helper()
	var mu sync.Mutex
	sides = map[string]string{}
	opts.Sleep = noSleep
	err := backfill.Scan(context.Background(), src, dst, opts, func(f backfill.Found) bool {
		mu.Lock()
		defer mu.Unlock()
		if f.Source != nil {
			sides[f.Key()] += "s"
		}
		if f.Target != nil {
			sides[f.Key()] += "d"
		}
		unlisted = unlisted || f.Unlisted
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return sides, unlisted
}

// In however many ranges it is listed, each key comes once, with both sides.
func TestScanInRanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := map[string]string{}
	for i := range 3000 {
		key := fmt.Sprintf("one/prefix//shared/%04d", i)
		if i%40 == 0 {
			key = fmt.Sprintf("%c%d\U0001f600", rune('~'-i/40), i)
		}
		if i%3 != 0 {
			w.put(w.src, key, "")
			want[key] += "s"
		}
		if i%7 != 0 {
			w.put(w.dst, key, "")
			want[key] += "d"
		}
		if want[key] == "" {
			delete(want, key)
		}
	}
	for _, ranges := range []int{0, 1, 3, 16} {
		got, unlisted := scan(t, w.src, w.dst, backfill.Options{Ranges: ranges})
		if unlisted || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%d ranges: %d keys, want %d", ranges, len(got), len(want))
		}
	}
	filter, err := backfill.NewFilter([]string{"one/**"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := scan(t, w.src, w.dst, backfill.Options{Ranges: 4, After: "one/prefix//shared/1000", Until: "one/prefix//shared/2500", Filter: filter})
	for key, sides := range want {
		chosen := key > "one/prefix//shared/1000" && key <= "one/prefix//shared/2500" && filter.Match(key)
		if chosen != (got[key] != "") || chosen && got[key] != sides {
			t.Errorf("%q came as %q, want %q", key, got[key], sides)
		}
	}
	// A side that lists in an order of its own is gone through by itself.
	scrambled := &manner{Store: w.dst, scrambled: true}
	got, unlisted := scan(t, w.src, scrambled, backfill.Options{Ranges: 4})
	for key, sides := range want {
		for _, side := range sides {
			if !unlisted || !slices.Contains([]rune(got[key]), side) {
				t.Fatalf("%q came as %q, want %q", key, got[key], sides)
			}
		}
	}
}

func TestScanEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 3000 {
		w.put(w.src, fmt.Sprintf("%04d", i), "")
	}
	opts := backfill.Options{Ranges: 8, Sleep: noSleep}
	err := backfill.Scan(t.Context(), w.src, w.dst, opts, func(f backfill.Found) bool { return f.Key() < "1500" })
	if !errors.Is(err, backfill.ErrInterrupted) {
		t.Errorf("a visitor that has enough: %v", err)
	}
	broken := &manner{Store: w.src, fail: &store.Error{Op: "list", Kind: store.Denied}, failAfter: 2000}
	if err := backfill.Scan(t.Context(), broken, w.dst, opts, func(backfill.Found) bool { return true }); store.KindOf(err) != store.Denied {
		t.Errorf("a listing that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := backfill.Scan(ctx, w.src, w.dst, opts, func(backfill.Found) bool { return true }); err == nil {
		t.Error("a context that has ended")
	}
}

// Verify in ranges says what it says without.
func TestVerifyInRanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 2500 {
		w.put(w.src, fmt.Sprintf("%04d", i), fmt.Sprint(i))
	}
	w.mustRun(backfill.Options{})
	for n, ranges := range []int{2, 5, 16} {
		key := fmt.Sprintf("%04d", 1100*n)
		old := w.dst.Bucket().Get(key)
		w.remove(w.dst, key)
		r, err := w.verify(w.src, w.dst, false, backfill.Options{Ranges: ranges})
		if err != nil || r.Equal != 2499 || !slices.Equal(r.Keys[backfill.Missing], []string{key}) {
			t.Fatalf("%d ranges: %+v, %v", ranges, r, err)
		}
		if _, err := w.dst.Bucket().Put(old, origin, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// Listed settles by stamps what a source without attributes lists; without it
// each such object is asked for.
func TestVerifyListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 20 {
		w.put(w.src, fmt.Sprint("k", i), "x")
	}
	w.mustRun(backfill.Options{})
	w.put(w.src, "k3", "y")
	src := &manner{Store: w.src, partial: true}
	for _, listed := range []bool{false, true} {
		asked := 0
		var mu sync.Mutex
		w.src.SetIntercept(func(_ context.Context, op memstore.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if op.Name == "head" && op.Stage == memstore.Before {
				asked++
			}
			return nil
		})
		rep := w.replicator(src, w.dst, replicate.Policy{})
		r, err := backfill.Verify(t.Context(), src, w.dst, rep, backfill.VerifyOptions{Options: backfill.Options{Sleep: noSleep}, Listed: listed})
		if err != nil || r.Equal != 19 || !slices.Equal(r.Keys[backfill.Different], []string{"k3"}) {
			t.Errorf("listed %v: %+v, %v", listed, r, err)
		}
		if listed != (asked < 5) {
			t.Errorf("listed %v: %d objects were asked for", listed, asked)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, k := range []string{"equal", "missing", "stale", "extra"} {
		w.put(w.src, k, "v1")
	}
	w.mustRun(backfill.Options{})
	w.put(w.src, "stale", "v2")
	w.remove(w.src, "extra")
	w.remove(w.dst, "missing")
	w.put(w.dst, "foreign", "x")
	rep := w.replicator(w.src, w.dst, replicate.Policy{})
	for key, want := range map[string]backfill.Class{
		"equal": backfill.Equal, "missing": backfill.Missing, "stale": backfill.Different,
		"extra": backfill.Extra, "foreign": backfill.Foreign, "nowhere": backfill.Equal,
	} {
		src, err := w.src.Head(t.Context(), key)
		if err != nil && store.KindOf(err) != store.NotFound {
			t.Fatal(err)
		}
		dst, err := w.dst.Head(t.Context(), key)
		if err != nil && store.KindOf(err) != store.NotFound {
			t.Fatal(err)
		}
		if got, reason := backfill.Compare(src, dst, rep); got != want {
			t.Errorf("%s: %s (%s)", key, got, reason)
		}
	}
}
