package replicate_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// A key that is deleted while its first copy is in flight must not stay on the
// target, also where deletes are off: whoever handled the delete found nothing
// there and was acknowledged. An object that was there before stays.
func TestDeletesOffStillTakesBackItsOwn(t *testing.T) {
	t.Parallel()
	for _, hint := range []replicate.Hint{replicate.HintNew, replicate.HintNone} {
		for _, before := range []bool{false, true} {
			t.Run(fmt.Sprintf("hint %d, there before %v", hint, before), func(t *testing.T) {
				t.Parallel()
				src, dst := memstore.Fresh(), memstore.Fresh()
				r, err := replicate.New(src, dst, replicate.Options{SourceID: "s3://src/", TargetID: "gs://dst/"})
				if err != nil {
					t.Fatal(err)
				}
				put := func(body string) {
					if _, err := src.Put(t.Context(), "k", store.Bytes(body), store.PutOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				put("old")
				if before {
					if _, err := r.Sync(t.Context(), "k", hint); err != nil {
						t.Fatal(err)
					}
					put("new")
				}
				var once sync.Once
				dst.SetIntercept(func(ctx context.Context, op memstore.Op) (err error) {
					if op.Name == "put" && op.Stage == memstore.Before {
						once.Do(func() { err = src.Delete(ctx, "k", store.Condition{}) })
					}
					return err
				})
				if _, err := r.Sync(t.Context(), "k", hint); err != nil {
					t.Fatal(err)
				}
				if there := dst.Bucket().Get("k") != nil; there != before {
					t.Fatalf("on the target: %v", there)
				}
			})
		}
	}
}
