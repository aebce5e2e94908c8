package paced_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/limit"
	"github.com/crossfade-io/crossfade/store/retry"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// TestSyncOverRetries: writes whose answers are lost and that are repeated, with
// others writing between the two: a Sync that ends without an error leaves the
// target as the source is.
func TestSyncOverRetries(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		core := cloudsim.NewCore(nil)
		source, target := core.CreateBucket("src", false), core.CreateBucket("dst", false)
		write := func(b *cloudsim.Bucket, body string) {
			if _, err := b.Put(cloudsim.NewObject("k", []byte(body)), cloudsim.Origin{}, nil, nil); err != nil {
				rt.Fatal(err)
			}
		}
		remove := func(b *cloudsim.Bucket) {
			if _, _, err := b.Delete("k", cloudsim.Origin{}, false, nil); err != nil {
				rt.Fatal(err)
			}
		}
		write(source, "first")
		n, wrote := 0, 0
		// fault decides at each side of each operation what goes wrong there.
		fault := func(kinds ...store.Kind) memstore.Intercept {
			return func(_ context.Context, op memstore.Op) error {
				event := 9
				if n++; n <= 60 && op.Name != "read" && (op.Stage == memstore.Before || op.Err == nil) {
					event = rapid.IntRange(0, 9).Draw(rt, "event")
				}
				switch event {
				case 0, 1:
					if op.Stage == memstore.After { // it was carried out
						return &store.Error{Kind: rapid.SampledFrom(kinds).Draw(rt, "kind"), Err: errors.New("lost")}
					}
					return &store.Error{Kind: store.Throttled, RetryAfter: time.Second, Err: errors.New("slow down")}
				case 2:
					wrote++
					write(source, fmt.Sprint("body ", wrote))
				case 3:
					remove(source)
				}
				return nil
			}
		}
		src, dst := memstore.New(source), memstore.New(target)
		src.SetIntercept(fault(store.Unavailable, store.Unknown))
		dst.SetIntercept(fault(store.Unavailable, store.Unknown))
		atOnce := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
		decorated := func(s store.Store) store.Store {
			return retry.New(limit.New(s, time.Now, limit.Options{Sleep: atOnce}), time.Now, retry.Options{Sleep: atOnce})
		}
		r, err := replicate.New(decorated(src), decorated(dst), replicate.Options{
			SourceID: "s3://src/", TargetID: "gs://dst/", Policy: replicate.Policy{Deletes: true}, Sleep: atOnce,
		})
		if err != nil {
			rt.Fatal(err)
		}
		hint := rapid.SampledFrom([]replicate.Hint{replicate.HintNone, replicate.HintNew, replicate.HintRemoved}).Draw(rt, "hint")
		for range rapid.IntRange(1, 3).Draw(rt, "deliveries") {
			if _, err := r.Sync(t.Context(), "k", hint); err != nil && !store.KindOf(err).Retryable() {
				rt.Fatalf("ends in %v", err)
			}
		}
		// Redelivered until it is acknowledged, with nobody writing any more.
		n = 1000
		if _, err := r.Sync(t.Context(), "k", hint); err != nil {
			rt.Fatal(err)
		}
		want, got := source.Get("k"), target.Get("k")
		if (want == nil) != (got == nil) || want != nil && string(want.Body) != string(got.Body) {
			rt.Fatalf("the target has %v, the source %v", got, want)
		}
	})
}
