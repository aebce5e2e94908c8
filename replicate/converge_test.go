package replicate_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// Random histories on a few keys: the source changes between and within Syncs,
// events are doubled, delayed and out of order. Once each was delivered, target
// equals source, and nothing was acknowledged too early.
func TestConverges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		core := cloudsim.NewCore(nil)
		src := &spy{Store: memstore.New(core.CreateBucket("src", false))}
		ratchet := &ratchet{Store: memstore.New(core.CreateBucket("dst", false)), t: rt}
		dst := &spy{Store: ratchet}
		var target store.Store = dst
		if rapid.Bool().Draw(rt, "versions are unique") {
			target = uniqueSpy{dst}
		}
		r, err := replicate.New(src, target, replicate.Options{
			SourceID: "s3://src/", TargetID: "gs://dst/", Policy: replicate.Policy{Deletes: true},
			SmallBytes: rapid.SampledFrom([]int64{-1, 4, 100}).Draw(rt, "small"), Jitter: func() float64 { return 0 }, Attempts: 40,
		})
		if err != nil {
			rt.Fatal(err)
		}
		other, err := replicate.New(src.Store, ratchet, replicate.Options{SourceID: "s3://src/", TargetID: "gs://dst/", Policy: replicate.Policy{Deletes: true}})
		if err != nil {
			rt.Fatal(err)
		}
		keys := []string{"a", "b"}
		var events []string
		n := 0
		change := func(where string) {
			k := rapid.SampledFrom(keys).Draw(rt, where+" key")
			n++
			events = append(events, k)
			var err error
			switch rapid.SampledFrom([]string{"write", "rewrite", "attributes", "delete"}).Draw(rt, where+" change") {
			case "write":
				_, err = src.Store.Put(t.Context(), k, store.Bytes(fmt.Sprintf("body %d", n)), store.PutOptions{})
			case "rewrite":
				_, err = src.Store.Put(t.Context(), k, store.Bytes("always the same"), store.PutOptions{})
			case "attributes":
				_, err = src.Store.Put(t.Context(), k, store.Bytes("always the same"), store.PutOptions{Attrs: store.Attrs{CacheControl: fmt.Sprint(n)}})
			case "delete":
				err = src.Store.Delete(t.Context(), k, store.Condition{})
			}
			if err != nil {
				rt.Fatal(err)
			}
		}
		// The source may change, and another handler may run, at any request of
		// a Sync, a bounded number of times.
		meanwhile := rapid.IntRange(0, 12).Draw(rt, "changes within syncs")
		step := func(string, int) {
			if meanwhile > 0 && rapid.IntRange(0, 3).Draw(rt, "change now") == 0 {
				meanwhile--
				change("within")
				if k := events[len(events)-1]; rapid.Bool().Draw(rt, "synced elsewhere") {
					if _, err := other.Sync(t.Context(), k, replicate.HintNone); err != nil {
						rt.Fatal(err)
					}
				}
			}
		}
		src.after, dst.after = step, step

		deliver := func(i int) {
			k := events[i]
			hint := rapid.SampledFrom([]replicate.Hint{replicate.HintNone, replicate.HintNew, replicate.HintRemoved}).Draw(rt, "hint")
			if _, err := r.Sync(t.Context(), k, hint); err != nil {
				rt.Fatalf("sync %s: %v", k, err)
			}
			if rapid.IntRange(0, 4).Draw(rt, "double") > 0 {
				events = append(events[:i], events[i+1:]...)
			}
		}
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			if len(events) == 0 || rapid.Bool().Draw(rt, "write") {
				change("between")
			} else {
				deliver(rapid.IntRange(0, len(events)-1).Draw(rt, "event"))
			}
		}
		for i := 0; len(events) > 0; i++ {
			if i > 500 {
				meanwhile = 0
			}
			deliver(0)
		}
		for _, k := range keys {
			if s, d := contentOf(t, src, k), contentOf(t, dst, k); s != d {
				rt.Fatalf("%s: target has %s, source %s", k, d, s)
			}
		}
	})
}

// ratchet fails the test when a newer version is overwritten by an older one.
type ratchet struct {
	store.Store
	t *rapid.T
}

func (r *ratchet) Put(ctx context.Context, k string, c store.Content, opts store.PutOptions) (*store.Object, error) {
	old, _ := r.Head(ctx, k)
	o, err := r.Store.Put(ctx, k, c, opts)
	if err == nil && old != nil {
		if was, is := sourceTime(r.t, old.Attrs), sourceTime(r.t, opts.Attrs); is < was {
			r.t.Fatalf("%s went backwards, from version %d of the source to %d", k, was, is)
		}
	}
	return o, err
}

// sourceTime orders the versions of the in-memory source: they are
// "generation.metageneration", and generations grow.
func sourceTime(t *rapid.T, a store.Attrs) (generation int64) {
	stamp, err := replicate.ParseStamp(a.Metadata[replicate.StampName])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(stamp.Version), "%d.", &generation); err != nil {
		t.Fatal(err)
	}
	return generation
}

func contentOf(t *testing.T, s *spy, k string) string {
	r, err := s.Store.Open(t.Context(), k, store.ReadOptions{})
	if store.KindOf(err) == store.NotFound {
		return "nothing"
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s with cache control %q", b, r.CacheControl)
}
