package replicate_test

import (
	"context"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// silent hides checksums, as a source does for multipart objects on S3.
type silent struct{ store.Store }

func (s silent) Head(ctx context.Context, key string) (*store.Object, error) {
	o, err := s.Store.Head(ctx, key)
	if o != nil {
		o.Checksums = store.Checksums{}
	}
	return o, err
}

func (s silent) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	r, err := s.Store.Open(ctx, key, opts)
	if r != nil {
		r.Checksums = store.Checksums{}
	}
	return r, err
}

// halves reads large content in two ranges, as a multipart upload does, with a
// step in between.
type halves struct {
	store.Store
	between func()
}

func (h halves) Put(ctx context.Context, key string, c store.Content, opts store.PutOptions) (*store.Object, error) {
	body := make([]byte, c.Size())
	half := len(body) / 2
	if err := store.ReadContent(ctx, c, 0, body[:half]); err != nil {
		return nil, err
	}
	h.between()
	if err := store.ReadContent(ctx, c, int64(half), body[half:]); err != nil {
		return nil, err
	}
	return h.Store.Put(ctx, key, store.Bytes(body), opts)
}

// The ranges of a large object are of one version, though no checksum would
// tell: what is written first on the target is no mixture.
func TestLargeReadsArePinned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	first, second := strings.Repeat("1", 100), strings.Repeat("2", 100)
	w.write(first)
	overwritten := false
	target := halves{w.dst, func() {
		if !overwritten {
			overwritten = true
			w.write(second)
		}
	}}
	w.dst.after = func(op string, _ int) {
		if body, _ := w.read(w.dst); op == "put" && body != first && body != second {
			t.Errorf("a mixture was written: %s", body)
		}
	}
	r, err := replicate.New(silent{w.src}, target, replicate.Options{SourceID: "s3://src/", TargetID: "gs://dst/", SmallBytes: 10})
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.Sync(t.Context(), key, replicate.HintNew)
	if err != nil || !overwritten || res.Bytes != 100 {
		t.Fatalf("%+v, %v, overwritten %v", res, err, overwritten)
	}
	w.wantEqual()
}

// coy does not tell Cache-Control when it is opened, as GCS's XML API does not
// for a value that is also its default.
type coy struct{ store.Store }

func (c coy) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	r, err := c.Store.Open(ctx, key, opts)
	if r != nil {
		r.CacheControl = ""
	}
	return r, err
}

func TestAttributesThatOnlyHeadTells(t *testing.T) {
	t.Parallel()
	for _, hint := range []replicate.Hint{replicate.HintNone, replicate.HintNew} {
		for _, small := range []int64{1 << 20, -1} {
			for _, updates := range []bool{false, true} {
				w := newWorld(t, nil)
				var target store.Store = uniqueSpy{w.dst}
				if updates {
					target = updatingSpy{uniqueSpy{w.dst}}
				}
				r, err := replicate.New(coy{w.src}, target, replicate.Options{SourceID: "gs://src/", TargetID: "s3://dst/", SmallBytes: small})
				if err != nil {
					t.Fatal(err)
				}
				for _, body := range []string{"first", "second"} {
					w.write(body)
					if res, err := r.Sync(t.Context(), key, hint); err != nil || res.Attempts > 2 {
						t.Fatalf("hint %d, small %d, updates %v, %s: %+v, %v", hint, small, updates, body, res, err)
					}
					w.wantEqual()
				}
			}
		}
	}
}
