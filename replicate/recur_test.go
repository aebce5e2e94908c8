package replicate_test

import (
	"context"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// timeless is a source whose versions recur, as on S3: an object that is deleted
// and written again within a second cannot be told from what it was.
type timeless struct{ store.Store }

func (s timeless) Head(ctx context.Context, key string) (*store.Object, error) {
	o, err := s.Store.Head(ctx, key)
	if o != nil {
		o.Version, o.ModTime = "etag", time.Unix(1, 0)
	}
	return o, err
}

func (s timeless) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	opts.Version = ""
	r, err := s.Store.Open(ctx, key, opts)
	if r != nil {
		r.Version, r.ModTime = "etag", time.Unix(1, 0)
	}
	return r, err
}

// A delete is confirmed also where only the versions of the source recur:
// another handler may have taken what is about to be deleted for a copy of what
// was written again, and have been acknowledged.
func TestDeleteIsConfirmedWhereVersionsOfTheSourceRecur(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r, err := replicate.New(timeless{w.src}, uniqueSpy{w.dst}, replicate.Options{
		SourceID: "s3://src/", TargetID: "gs://dst/", Policy: replicate.Policy{Deletes: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.r = r
	w.write("x")
	w.sync(replicate.HintNew)
	w.remove(w.src)
	again := false
	w.dst.before = func(op string, _ int) error {
		if op == "delete" && !again {
			again = true
			w.write("x")
			if res := w.sync(replicate.HintNone); res.Action != replicate.Skip {
				t.Errorf("the other handler: %+v", res)
			}
		}
		return nil
	}
	if res := w.sync(replicate.HintRemoved); res.Action != replicate.Copy || !again {
		t.Errorf("%+v", res)
	}
	w.wantEqual()
}
