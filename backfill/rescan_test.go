package backfill_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// A source that lists nothing may be a disk that is not mounted.
func TestNeverEmpty(t *testing.T) {
	t.Parallel()
	src, dst := memstore.Fresh(), memstore.Fresh()
	rep, err := replicate.New(src, dst, replicate.Options{SourceID: "mem://s", TargetID: "mem://t", Policy: replicate.Policy{Deletes: true}})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		if _, err := src.Put(t.Context(), key, store.Bytes(key), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := rep.Sync(t.Context(), key, replicate.HintNone); err != nil {
			t.Fatal(err)
		}
	}
	rescan := func(never bool) error {
		return backfill.Rescan(src, dst, rep, backfill.Options{Delete: true, MaxDelete: 10, NeverEmpty: never})(t.Context(), rep.Sync)
	}
	left := func() (n int) {
		for _, err := range dst.List(t.Context(), store.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if err := src.Delete(t.Context(), "a", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := rescan(true); err != nil || left() != 1 {
		t.Errorf("one of two gone: %v, %d left", err, left())
	}
	if err := src.Delete(t.Context(), "b", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := rescan(true); err == nil || left() != 1 || !strings.Contains(err.Error(), "not mounted") {
		t.Errorf("all gone: %v, %d left", err, left())
	}
	if err := rescan(false); err != nil || left() != 0 {
		t.Errorf("allowed: %v, %d left", err, left())
	}
}

// A rescan hands on the keys that differ, and only those, as often as it is
// called; of those that fail it names one.
func TestRescan(t *testing.T) {
	t.Parallel()
	src, dst := memstore.Fresh(), memstore.Fresh()
	rep, err := replicate.New(src, dst, replicate.Options{SourceID: "mem://s", TargetID: "mem://t", Policy: replicate.Policy{Deletes: true}})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"equal", "gone", "missing"} {
		if _, err := src.Put(t.Context(), key, store.Bytes([]byte(key)), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := rep.Sync(t.Context(), key, replicate.HintNone); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{src.Delete(t.Context(), "gone", store.Condition{}), dst.Delete(t.Context(), "missing", store.Condition{})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	rescan := backfill.Rescan(src, dst, rep, backfill.Options{Delete: true, MaxDelete: 1, Attempts: 1})
	for _, broken := range []bool{true, false} {
		var mu sync.Mutex
		var keys []string
		err := rescan(t.Context(), func(ctx context.Context, key string, hint replicate.Hint) (replicate.Result, error) {
			mu.Lock()
			keys = append(keys, key)
			mu.Unlock()
			if broken && key == "missing" {
				return replicate.Result{}, errors.New("it broke")
			}
			return rep.Sync(ctx, key, hint)
		})
		slices.Sort(keys)
		want := []string{"gone", "missing"}
		if !broken {
			want = want[1:] // the other is done
		}
		if !slices.Equal(keys, want) {
			t.Errorf("handed on %q, want %q", keys, want)
		}
		if broken != (err != nil) || broken && !strings.Contains(err.Error(), `1 of 2 objects are not in order, such as "missing": it broke`) {
			t.Errorf("error %v", err)
		}
	}
}
