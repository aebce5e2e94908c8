package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

var origin = cloudsim.Origin{Operation: "test"}

// orphans returns a world with one key on both sides and n copies on the target
// whose originals are gone, and one foreign object.
func orphans(t *testing.T, n int) *world {
	w := newWorld(t)
	w.put(w.src, "stays", "x")
	for i := range n {
		w.put(w.src, fmt.Sprintf("gone/%03d", i), "x")
	}
	w.mustRun(backfill.Options{})
	for i := range n {
		w.remove(w.src, fmt.Sprintf("gone/%03d", i))
	}
	w.put(w.dst, "foreign", "y")
	return w
}

func TestDelete(t *testing.T) {
	t.Parallel()
	for _, partial := range []bool{false, true} {
		t.Run(fmt.Sprintf("partial=%v", partial), func(t *testing.T) {
			t.Parallel()
			w := orphans(t, 5)
			w.put(w.dst, ".crossfade/m/phase", "ours")
			dst := &manner{Store: w.dst, partial: partial}
			if sum, err := w.run(t.Context(), w.src, dst, backfill.Options{}); err != nil || sum.Deleted != 0 || sum.Extra != 6 {
				t.Fatalf("without delete: %+v, %v", sum, err)
			}
			sum, err := w.run(t.Context(), w.src, dst, backfill.Options{Delete: true, MaxDelete: 5})
			if err != nil || sum.Deleted != 5 || sum.Extra != 1 || sum.Failed != 0 {
				t.Fatalf("%+v, %v", sum, err)
			}
			want := map[string]string{"stays": "x", "foreign": "y", ".crossfade/m/phase": "ours"}
			if got := w.bodies(w.dst); !maps.Equal(got, want) {
				t.Fatalf("%q", got)
			}
		})
	}
}

func TestMaxDelete(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ maxDelete, deleted int }{{5, 5}, {6, 5}, {4, 0}, {0, 0}} {
		for _, dry := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d dry=%v", tc.maxDelete, dry), func(t *testing.T) {
				t.Parallel()
				w := orphans(t, 5)
				w.put(w.src, "new", "copied all the same")
				sum, err := w.run(t.Context(), w.src, w.dst, backfill.Options{Delete: true, MaxDelete: tc.maxDelete, DryRun: dry})
				if over := tc.deleted == 0; errors.Is(err, backfill.ErrTooManyDeletes) != over || !over && err != nil {
					t.Fatalf("error %v", err)
				}
				if sum.Deleted != int64(tc.deleted) || sum.Copied != 1 {
					t.Fatalf("%+v", sum)
				}
				left := 0
				for k := range w.bodies(w.dst) {
					if strings.HasPrefix(k, "gone/") {
						left++
					}
				}
				if dry && left != 5 || !dry && left != 5-tc.deleted {
					t.Fatalf("%d are left", left)
				}
			})
		}
	}
}

// A listing that fails, on whatever page of whatever side, deletes nothing, and
// the run says so.
func TestFailedListingDeletesNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range []store.Kind{store.Denied, store.Unavailable, store.NotFound} {
		for _, after := range []int{0, 1, 3, 6} {
			for _, onSource := range []bool{true, false} {
				t.Run(fmt.Sprintf("%v after %d source=%v", kind, after, onSource), func(t *testing.T) {
					t.Parallel()
					w := orphans(t, 5)
					broken := &manner{failAfter: after, fail: &store.Error{Op: "list", Store: "mem://", Kind: kind}}
					src, dst := store.Store(w.src), store.Store(w.dst)
					if onSource {
						broken.Store, src = src, broken
					} else {
						broken.Store, dst = dst, broken
					}
					before := w.bodies(w.dst)
					sum, err := w.run(t.Context(), src, dst, backfill.Options{Delete: true, MaxDelete: 100})
					if err == nil || store.KindOf(err) != kind || sum.Deleted != 0 {
						t.Fatalf("%+v, %v", sum, err)
					}
					if !maps.Equal(before, w.bodies(w.dst)) {
						t.Fatal("something was deleted")
					}
				})
			}
		}
	}
}

// A listing that fails in passing is taken up where it was.
func TestListingGoesOn(t *testing.T) {
	t.Parallel()
	w := orphans(t, 5)
	src := &manner{Store: w.src, fail: &store.Error{Kind: store.Unavailable}, failAfter: 1, fails: 2}
	dst := &manner{Store: w.dst, fail: &store.Error{Kind: store.Throttled}, failAfter: 2, fails: 3}
	sum, err := w.run(t.Context(), src, dst, backfill.Options{Delete: true, MaxDelete: 5})
	if err != nil || sum.Deleted != 5 || sum.Listed != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
}

// What the source cannot say for certain is not deleted.
func TestDeleteNeedsADefiniteAnswer(t *testing.T) {
	t.Parallel()
	for _, kind := range []store.Kind{store.Unknown, store.Denied, store.Throttled, store.Archived, store.Unavailable} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			w := orphans(t, 1)
			w.src.SetIntercept(func(_ context.Context, op memstore.Op) error {
				if op.Name != "list" && strings.HasPrefix(op.Key, "gone/") {
					return &store.Error{Kind: kind}
				}
				return nil
			})
			sum, err := w.run(t.Context(), w.src, w.dst, backfill.Options{Delete: true, MaxDelete: 1})
			if err != nil || sum.Deleted != 0 || sum.Failed != 1 || w.bodies(w.dst)["gone/000"] != "x" {
				t.Fatalf("%+v, %v", sum, err)
			}
		})
	}
}

// A key that comes back before its delete is copied, not deleted.
func TestDeleteAsksOnceMore(t *testing.T) {
	t.Parallel()
	w := orphans(t, 1)
	var back atomic.Bool
	w.src.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name != "list" && strings.HasPrefix(op.Key, "gone/") && back.CompareAndSwap(false, true) {
			w.src.Bucket().Put(cloudsim.NewObject("gone/000", []byte("back")), origin, nil, nil) //nolint:errcheck // unconditional
		}
		return nil
	})
	sum, err := w.run(t.Context(), w.src, w.dst, backfill.Options{Delete: true, MaxDelete: 1})
	if err != nil || sum.Deleted != 0 || w.bodies(w.dst)["gone/000"] != "back" {
		t.Fatalf("%+v, %v", sum, err)
	}
}

// An object on the target that cannot be looked at is a failure, not an orphan.
func TestDeleteUnreadable(t *testing.T) {
	t.Parallel()
	w := orphans(t, 2)
	dst := &manner{Store: w.dst, partial: true, headFails: func(key string) bool { return key == "gone/001" }}
	sum, err := w.run(t.Context(), w.src, dst, backfill.Options{Delete: true, MaxDelete: 2})
	if err != nil || sum.Deleted != 1 || sum.Failed != 1 || sum.Failures[0].Key != "gone/001" || !strings.HasPrefix(sum.Failures[0].Reason, "not deleted: ") {
		t.Fatalf("%+v, %v", sum, err)
	}
}
