package store_test

import (
	"context"
	"io"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// One version of an object is a content in ranges, until another is there.
func TestObjectContent(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), memstore.Fresh()
	o, err := st.Put(ctx, "k", store.Bytes("0123456789"), store.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	opens := 0
	st.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "open" && op.Stage == memstore.Before {
			opens++
		}
		return nil
	})
	c := store.NewObjectContent(st, o)
	if c.Size() != 10 {
		t.Errorf("size %d", c.Size())
	}
	for _, r := range []struct {
		offset, length int64
		want           string
	}{{0, 10, "0123456789"}, {3, 4, "3456"}, {9, 1, "9"}} {
		buf := make([]byte, r.length)
		if err := store.ReadContent(ctx, c, r.offset, buf); err != nil || string(buf) != r.want {
			t.Errorf("%d+%d: %q, %v", r.offset, r.length, buf, err)
		}
	}
	// A length of 0 is nothing, where a store reads to the end.
	opens = 0
	body, err := c.Open(ctx, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(body); len(b) > 0 || err != nil || opens > 0 {
		t.Errorf("%q, %v, after %d requests", b, err, opens)
	}
	if _, err := st.Put(ctx, "k", store.Bytes("abcdefghij"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(ctx, 0, 10); store.KindOf(err) != store.Precondition {
		t.Errorf("another version is there: %v", err)
	}
}
