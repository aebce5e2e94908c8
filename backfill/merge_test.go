package backfill

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/store"
)

// listing yields keys in the order given, and then fail, if any.
func listing(fail error, keys ...string) objects {
	return func(yield func(*store.Object, error) bool) {
		for _, k := range keys {
			if !yield(&store.Object{Key: k}, nil) {
				return
			}
		}
		if fail != nil {
			yield(nil, fail)
		}
	}
}

// gather runs a merge to its end and notes for each key which sides had it.
func gather(src, dst objects) (got map[string]string, order []string, err error) {
	got = map[string]string{}
	for p, e := range merge(src, dst) {
		if e != nil {
			return got, order, e
		}
		sides := ""
		if p.src != nil {
			sides += "s"
		}
		if p.dst != nil {
			sides += "d"
		}
		got[p.key()] += sides
		order = append(order, p.key())
	}
	return got, order, nil
}

func expected(src, dst []string) map[string]string {
	want := map[string]string{}
	for _, k := range src {
		want[k] += "s"
	}
	for _, k := range dst {
		want[k] += "d"
	}
	return want
}

var someKey = rapid.StringMatching(`[ab/]{1,3}|[\x{0}\x{e9}\x{ff5e}\x{1f600}]`)

func sortedKeys(t *rapid.T, label string) []string {
	return slices.Sorted(slices.Values(rapid.SliceOfNDistinct(someKey, 0, 12, rapid.ID).Draw(t, label)))
}

func TestMergeIsTheUnionInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		src, dst := sortedKeys(t, "src"), sortedKeys(t, "dst")
		got, order, err := gather(listing(nil, src...), listing(nil, dst...))
		if err != nil {
			t.Fatal(err)
		}
		if want := expected(src, dst); !maps.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if !slices.IsSorted(order) || len(order) != len(got) {
			t.Fatalf("not ascending, or a key twice: %q", order)
		}
	})
}

// A listing that fails after n keys must not make any key look missing or
// extra: what was yielded is what would have been yielded without the failure.
func TestMergeFailsRatherThanGuess(t *testing.T) {
	t.Parallel()
	broken := &store.Error{Op: "list", Kind: store.Unavailable}
	rapid.Check(t, func(t *rapid.T) {
		src, dst := sortedKeys(t, "src"), sortedKeys(t, "dst")
		whole := expected(src, dst)
		onSource := rapid.Bool().Draw(t, "source fails")
		s, d := listing(nil, src...), listing(nil, dst...)
		if onSource {
			s = listing(broken, src[:rapid.IntRange(0, len(src)).Draw(t, "n")]...)
		} else {
			d = listing(broken, dst[:rapid.IntRange(0, len(dst)).Draw(t, "n")]...)
		}
		got, _, err := gather(s, d)
		e, ok := errors.AsType[*listingError](err)
		if !ok || store.KindOf(err) != store.Unavailable || (e.side == sourceSide) != onSource {
			t.Fatalf("error %v", err)
		}
		for k, sides := range got {
			if whole[k] != sides {
				t.Fatalf("key %q was taken as %q; it is %q", k, sides, whole[k])
			}
		}
	})
}

func TestMergeRefusesDisorder(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		src, dst []string
		side     side
	}{
		"source": {[]string{"a", "c", "b"}, []string{"a", "b", "c"}, sourceSide},
		"target": {[]string{"a", "b", "c"}, []string{"b", "a"}, targetSide},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := gather(listing(nil, tc.src...), listing(nil, tc.dst...))
			e, ok := unordered(err)
			if !ok || e.side != tc.side {
				t.Fatalf("error %v", err)
			}
		})
	}
}

func TestMergeCountsARepeatedKeyOnce(t *testing.T) {
	t.Parallel()
	_, order, err := gather(listing(nil, "a", "a", "b"), listing(nil, "b", "b"))
	if err != nil || !slices.Equal(order, []string{"a", "b"}) {
		t.Fatalf("%q, %v", order, err)
	}
}

// A listing cut short by its context must not look complete, even if the store
// ends it without a word.
func TestAheadNeverEndsSilently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		n := 0
		for _, err := range ahead(ctx, 2, func(ctx context.Context) objects {
			return func(yield func(*store.Object, error) bool) {
				for ctx.Err() == nil && yield(&store.Object{Key: "k"}, nil) {
				}
			}
		}) {
			if n++; n == 3 {
				cancel()
			}
			last = err
		}
		if !errors.Is(last, context.Canceled) {
			t.Fatalf("ended with %v", last)
		}
	})
}

// The reader may leave early: synctest fails if the goroutine stays behind.
func TestAheadLeavesNoGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, err := range ahead(t.Context(), 1, func(context.Context) objects { return listing(nil, "a", "b", "c", "d", "e") }) {
			if err != nil {
				t.Error(err)
			}
			break
		}
	})
}
