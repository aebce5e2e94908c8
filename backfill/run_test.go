package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

func TestRunCopiesUpdatesAndSkips(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 250 {
		w.put(w.src, fmt.Sprintf("k/%03d", i), fmt.Sprint(i))
	}
	w.put(w.src, ".crossfade/m/phase", "the source's own")
	first := w.mustRun(backfill.Options{})
	want := backfill.Summary{Listed: 250, Copied: 250, Bytes: 10 + 180 + 450, Failures: []backfill.Failure{}}
	if !equalSummary(first, want) {
		t.Fatalf("first run %+v", first)
	}
	w.remove(w.src, ".crossfade/m/phase")
	w.wantEqual()

	w.put(w.src, "k/007", "changed")
	w.put(w.src, "new", "new")
	if _, err := w.src.UpdateMetadata(t.Context(), "k/008", store.Attrs{CacheControl: "no-store"}, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	second := w.mustRun(backfill.Options{})
	want = backfill.Summary{Listed: 251, Copied: 2, Updated: 1, Skipped: 248, Bytes: 10, Failures: []backfill.Failure{}}
	if !equalSummary(second, want) {
		t.Fatalf("second run %+v", second)
	}
	w.wantEqual()

	before := w.written()
	third := w.mustRun(backfill.Options{})
	if third.Skipped != 251 || third.Copied+third.Updated != 0 || w.written() != before {
		t.Fatalf("third run %+v, %d writes", third, w.written()-before)
	}
}

func equalSummary(a, b backfill.Summary) bool {
	return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b)
}

// Where listings tell all, keys in order cost no request of their own.
func TestRunSkipsByListings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 20 {
		w.put(w.src, fmt.Sprint("k", i), "x")
	}
	w.mustRun(backfill.Options{})
	var requests atomic.Int64
	count := func(_ context.Context, op memstore.Op) error {
		if op.Name != "list" {
			requests.Add(1)
		}
		return nil
	}
	w.src.SetIntercept(count)
	w.dst.SetIntercept(count)
	if sum := w.mustRun(backfill.Options{}); sum.Skipped != 20 || requests.Load() != 0 {
		t.Fatalf("%+v with %d requests", sum, requests.Load())
	}
}

// Whatever both sides hold, in whatever manner they list: afterwards the target
// equals the source but for what is foreign or filtered out, and the counts say
// what happened. A dry run before it says the same and writes nothing.
func TestRunAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		key := rapid.SampledFrom([]string{"a", "a/b", "a//b", "b", "c", "tmp/x", "tmp/y", "\u00e9", "z"})
		foreign, ours := map[string]string{}, map[string]string{}
		for k, v := range rapid.MapOfN(key, rapid.SampledFrom([]string{"", "1", "22"}), 0, 9).Draw(rt, "old source") {
			w.put(w.src, k, v)
		}
		w.mustRun(backfill.Options{})
		for k, v := range w.bodies(w.dst) {
			ours[k] = v
		}
		for _, k := range rapid.SliceOfNDistinct(key, 0, 9, rapid.ID).Draw(rt, "gone") {
			w.remove(w.src, k)
		}
		for k, v := range rapid.MapOfN(key, rapid.SampledFrom([]string{"", "1", "333"}), 0, 5).Draw(rt, "new source") {
			w.put(w.src, k, v)
		}
		for _, k := range rapid.SliceOfNDistinct(key, 0, 3, rapid.ID).Draw(rt, "foreign") {
			foreign[k] = "somebody else's"
			w.put(w.dst, k, foreign[k])
			delete(ours, k)
		}
		opts := backfill.Options{Concurrency: 3, Delete: rapid.Bool().Draw(rt, "delete"), MaxDelete: 9}
		if rapid.Bool().Draw(rt, "filtered") {
			f, err := backfill.NewFilter(nil, []string{"tmp/**"})
			if err != nil {
				rt.Fatal(err)
			}
			opts.Filter = f
		}
		src := &manner{Store: w.src, partial: rapid.Bool().Draw(rt, "source lists partly")}
		dst := &manner{Store: w.dst, partial: rapid.Bool().Draw(rt, "target lists partly")}

		source, before := w.bodies(w.src), w.bodies(w.dst)
		want := maps.Clone(before)
		var counts backfill.Summary
		for k, v := range source {
			if !opts.Filter.Match(k) {
				counts.Excluded++
				continue
			}
			counts.Listed++
			switch {
			case foreign[k] != "":
				counts.Failed++
				counts.Conflicts++
			default:
				want[k] = v
			}
		}
		for k := range before {
			if _, on := source[k]; on || !opts.Filter.Match(k) {
				continue
			}
			if _, mine := ours[k]; mine && opts.Delete {
				delete(want, k)
				counts.Deleted++
			} else {
				counts.Extra++
			}
		}

		opts.DryRun = true
		writes := w.written()
		dry, err := w.run(t.Context(), src, dst, opts)
		if err != nil || w.written() != writes || !maps.Equal(w.bodies(w.dst), before) {
			rt.Fatalf("dry run: %v, %d writes", err, w.written()-writes)
		}
		opts.DryRun = false
		sum, err := w.run(t.Context(), src, dst, opts)
		if err != nil {
			rt.Fatal(err)
		}
		if got := w.bodies(w.dst); !maps.Equal(got, want) {
			rt.Fatalf("target %q, want %q", got, want)
		}
		for name, n := range map[string][3]int64{
			"listed":    {sum.Listed, counts.Listed, dry.Listed},
			"failed":    {sum.Failed, counts.Failed, dry.Failed},
			"conflicts": {sum.Conflicts, counts.Conflicts, dry.Conflicts},
			"deleted":   {sum.Deleted, counts.Deleted, dry.Deleted},
			"extra":     {sum.Extra, counts.Extra, dry.Extra},
			"excluded":  {sum.Excluded, counts.Excluded, dry.Excluded},
			"sum":       {sum.Copied + sum.Updated + sum.Skipped + sum.Failed, counts.Listed, dry.Copied + dry.Updated + dry.Skipped + dry.Failed},
			"copied":    {sum.Copied, sum.Copied, dry.Copied},
			"bytes":     {sum.Bytes, sum.Bytes, dry.Bytes},
		} {
			if n[0] != n[1] || n[2] != n[1] {
				rt.Fatalf("%s: %d, want %d; the dry run said %d\n%+v\n%+v", name, n[0], n[1], n[2], sum, dry)
			}
		}
		again, err := w.run(t.Context(), src, dst, opts)
		if err != nil || again.Copied+again.Updated+again.Deleted != 0 {
			rt.Fatalf("run again: %+v, %v", again, err)
		}
	})
}

func TestRunNamesFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, k := range []string{"bad", "good", "worse"} {
		w.put(w.src, k, k)
	}
	w.put(w.dst, "good", "foreign")
	dst := &manner{Store: w.dst}
	w.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "put" && op.Stage == memstore.Before && op.Key != "good" {
			return &store.Error{Op: "put", Store: "mem://target", Key: op.Key, Kind: store.Denied, Err: errors.New("not\nyours")}
		}
		return nil
	})
	sum, err := w.run(t.Context(), w.src, dst, backfill.Options{Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, f := range sum.Failures {
		reasons[f.Key] = f.Reason
	}
	if sum.Failed != 3 || sum.Conflicts != 1 || len(reasons) != 3 || sum.Copied != 0 {
		t.Fatalf("%+v", sum)
	}
	if !strings.Contains(reasons["good"], "foreign") || !strings.Contains(reasons["bad"], "denied: not yours") {
		t.Fatalf("%q", reasons)
	}
}

func TestRunBoundsTheNamedFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 1100 {
		w.put(w.src, fmt.Sprint(i), "x")
	}
	w.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "put" {
			return &store.Error{Kind: store.TooLarge}
		}
		return nil
	})
	sum := w.mustRun(backfill.Options{})
	if sum.Failed != 1100 || len(sum.Failures) != 1000 || !sum.Truncated {
		t.Fatalf("%d failed, %d named, truncated %v", sum.Failed, len(sum.Failures), sum.Truncated)
	}
}

// Errors that may pass are tried again, others are not.
func TestRunTriesAgain(t *testing.T) {
	t.Parallel()
	for kind, want := range map[store.Kind]int64{store.Throttled: 4, store.Unavailable: 4, store.Unknown: 4, store.Denied: 1, store.Invalid: 1, store.Archived: 1} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put(w.src, "k", "v")
			var tries atomic.Int64
			w.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
				if op.Name == "put" && op.Stage == memstore.Before && tries.Add(1) < 4 {
					return &store.Error{Kind: kind}
				}
				return nil
			})
			sum := w.mustRun(backfill.Options{})
			if tries.Load() != want || sum.Copied+sum.Failed != 1 || (sum.Copied == 1) != (want == 4) {
				t.Fatalf("%d tries, %+v", tries.Load(), sum)
			}
		})
	}
}

func TestRunRange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, k := range []string{"a", "b", "c", "d"} {
		w.put(w.src, k, k)
	}
	w.put(w.dst, "aa", "outside of nobody's business")
	sum := w.mustRun(backfill.Options{After: "a", Until: "c"})
	if got := slices.Sorted(maps.Keys(w.bodies(w.dst))); sum.Copied != 2 || !slices.Equal(got, []string{"aa", "b", "c"}) {
		t.Fatalf("%+v: %q", sum, got)
	}
}

// A store that does not list in byte order gets a Sync for each key instead of
// a merge; each key is dealt with once.
func TestRunWithoutByteOrder(t *testing.T) {
	t.Parallel()
	// By length "b", "c", "aa", …: the listing breaks off behind "c".
	keys := []string{"aa", "b", "ba", "c", "ddd", "e", "aaaa"}
	for _, which := range []string{"source", "target", "both"} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, k := range keys {
				w.put(w.src, k, k)
			}
			for _, k := range []string{"b", "extra", "x"} {
				w.put(w.dst, k, "foreign")
			}
			src := &manner{Store: w.src, scrambled: which != "target"}
			dst := &manner{Store: w.dst, scrambled: which != "source"}
			dry, err := w.run(t.Context(), src, dst, backfill.Options{DryRun: true})
			if err != nil || dry.Listed != 7 || dry.Copied != 6 || dry.Conflicts != 1 || dry.Extra != 0 {
				t.Fatalf("dry run %+v, %v", dry, err)
			}
			sum, err := w.run(t.Context(), src, dst, backfill.Options{})
			if err != nil || sum.Listed != 7 || sum.Copied != 6 || sum.Conflicts != 1 || sum.Extra != 0 {
				t.Fatalf("%+v, %v", sum, err)
			}
			if again, err := w.run(t.Context(), src, dst, backfill.Options{}); err != nil || again.Skipped != 6 || again.Copied != 0 {
				t.Fatalf("again %+v, %v", again, err)
			}
			before := w.bodies(w.dst)
			_, err = w.run(t.Context(), src, dst, backfill.Options{Delete: true, MaxDelete: 10})
			if store.KindOf(err) != store.Invalid || !strings.Contains(err.Error(), "deleting needs both listings in byte order") {
				t.Fatalf("delete: %v", err)
			}
			if !maps.Equal(before, w.bodies(w.dst)) {
				t.Fatal("something was deleted")
			}
		})
	}
}

// A foreign object under a key that goes while it is looked at is no failure.
func TestRunKeyGoneMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(w.src, "k", "v")
	w.put(w.dst, "k", "foreign")
	w.src.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "list" && op.Stage == memstore.After {
			w.src.Bucket().DeleteGeneration("k", w.src.Bucket().Get("k").Generation, origin)
		}
		return nil
	})
	sum, err := w.run(t.Context(), w.src, w.dst, backfill.Options{})
	if err != nil || sum.Failed != 0 || sum.Extra != 1 || w.bodies(w.dst)["k"] != "foreign" {
		t.Fatalf("%+v, %v", sum, err)
	}
}

func TestRunOverwritesForeignOnRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(w.src, "k", "v")
	w.put(w.dst, "k", "foreign")
	w.put(w.dst, "other", "foreign as well")
	opts := backfill.Options{Delete: true, MaxDelete: 1, Policy: replicate.Policy{Foreign: replicate.OverwriteForeign}}
	if sum := w.mustRun(opts); sum.Copied != 1 || sum.Deleted != 1 || sum.Failed != 0 {
		t.Fatalf("%+v", sum)
	}
	w.wantEqual()
}
