package backfill_test

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/backfill"
)

func shard(index, of int) backfill.Shard { return backfill.Shard{Index: index, Of: of} }

func TestParseShard(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]backfill.Shard{"0/4": shard(0, 4), "3/4": shard(3, 4), "0/1": shard(0, 1), "9999/10000": shard(9999, 10000)} {
		if got, err := backfill.ParseShard(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "4", "4/4", "-1/4", "0/0", "0/10001", "a/4", "0/4/4", " 0/4", "0/", "/4"} {
		if got, err := backfill.ParseShard(s); err == nil {
			t.Errorf("%q: %v", s, got)
		}
	}
	if shard(0, 0).String() != "" || shard(0, 1).String() != "" || shard(2, 3).String() != "2/3" {
		t.Error("String")
	}
}

// Every key is in one shard, whatever it is.
func TestShardsShareKeys(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 50).Draw(t, "shards")
		key := rapid.String().Draw(t, "key")
		in := 0
		for i := range n {
			if shard(i, n).Has(key) {
				in++
			}
		}
		if in != 1 {
			t.Fatalf("%q is in %d of %d shards", key, in, n)
		}
	})
}

// Which one it is must never change: tasks of two versions may share a job.
func TestShardOfAKey(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int{"": 1, "a": 1, "photos/2026/11/a b.jpg": 2, "héllo": 5} {
		for i := range 7 {
			if shard(i, 7).Has(key) && i != want {
				t.Errorf("%q is in shard %d of 7, was in %d", key, i, want)
			}
		}
	}
}

// Shards of similar keys are about as large as each other.
func TestShardsAreEven(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 3, 16} {
		for _, format := range []string{"%d", "img/%08d.jpg", "%08d/thumbnail", "2026/11/%d/x/y/z"} {
			counts := make([]int, n)
			const each = 500
			for k := range n * each {
				for i := range n {
					if shard(i, n).Has(fmt.Sprintf(format, k)) {
						counts[i]++
					}
				}
			}
			for i, c := range counts {
				if c < each*4/5 || c > each*6/5 {
					t.Errorf("%s: shard %d/%d has %d keys of %d", format, i, n, c, n*each)
				}
			}
		}
	}
}

// Tasks that run their shards, one after the other or all at once, do together what
// one run does, deletions included, and none does what is another's.
func TestRunShards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 300 {
		w.put(w.src, fmt.Sprintf("k/%03d", i), "old")
	}
	w.mustRun(backfill.Options{})
	for i := range 100 {
		w.remove(w.src, fmt.Sprintf("k/%03d", i))
		w.put(w.src, fmt.Sprintf("k/%03d", i+100), "changed")
		w.put(w.src, fmt.Sprintf("new/%03d", i), "new")
	}
	var total backfill.Summary
	for i := range 4 {
		sum := w.mustRun(backfill.Options{Shard: shard(i, 4), Delete: true, MaxDelete: 100})
		if sum.Listed == 0 || sum.Copied == 0 || sum.Deleted == 0 || sum.Excluded != 0 {
			t.Errorf("shard %d: %+v", i, sum)
		}
		total.Listed += sum.Listed
		total.Copied += sum.Copied
		total.Skipped += sum.Skipped
		total.Deleted += sum.Deleted
	}
	if total.Listed != 300 || total.Copied != 200 || total.Skipped != 100 || total.Deleted != 100 {
		t.Errorf("together %+v", total)
	}
	w.wantEqual()
}

// A shard that happens to have no key on the source is not an empty source.
func TestEmptyShardIsNoEmptySource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(w.src, "gone", "")
	w.mustRun(backfill.Options{})
	w.remove(w.src, "gone")
	all := backfill.Options{Delete: true, MaxDelete: 9, NeverEmpty: true}
	for i := range 2 {
		all.Shard = shard(i, 2)
		if !all.Shard.Has("gone") {
			continue
		}
		if _, err := w.run(t.Context(), w.src, w.dst, all); err == nil || errors.Is(err, backfill.ErrInterrupted) {
			t.Errorf("an empty source: %v", err)
		}
		other := "k"
		for all.Shard.Has(other) {
			other += "k"
		}
		w.put(w.src, other, "in the other shard")
		if sum, err := w.run(t.Context(), w.src, w.dst, all); err != nil || sum.Deleted != 1 {
			t.Errorf("%+v, %v", sum, err)
		}
	}
}
