package replicate_test

import (
	"context"
	"testing"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// With deletes off a Sync takes back only what is still its own: not what
// another has made of it since.
func TestDeletesOffLeavesWhatAnotherWrote(t *testing.T) {
	t.Parallel()
	src, dst := memstore.Fresh(), memstore.Fresh()
	opts := replicate.Options{SourceID: "s3://src/", TargetID: "gs://dst/"}
	handler := func() *replicate.Replicator {
		r, err := replicate.New(src, dst, opts)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first, second := handler(), handler()
	ctx := t.Context()
	put := func(body string) {
		if _, err := src.Put(ctx, "k", store.Bytes(body), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put("one")
	busy := false
	dst.SetIntercept(func(ctx context.Context, op memstore.Op) error {
		if op.Name != "put" || op.Stage != memstore.After || busy {
			return nil
		}
		// Before the first handler confirms, the object is overwritten, copied
		// by the second handler, and deleted.
		busy = true
		put("two")
		if _, err := second.Sync(ctx, "k", replicate.HintNone); err != nil {
			return err
		}
		return src.Delete(ctx, "k", store.Condition{})
	})
	if _, err := first.Sync(ctx, "k", replicate.HintNew); err != nil {
		t.Fatal(err)
	}
	if o := dst.Bucket().Get("k"); o == nil || string(o.Body) != "two" {
		t.Fatalf("the target has %+v", o)
	}
}
