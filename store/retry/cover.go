package retry

import (
	"context"
	"iter"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// Cover has the optional capabilities tried again too; see store.Coverer.
func (s *Store) Cover(capability any) any { return covered{s, capability} }

// covered has every capability by name; store.As hands out only those that the
// decorated store has.
type covered struct {
	s     *Store
	inner any
}

var (
	_ store.MetadataUpdater = covered{}
	_ store.Checker         = covered{}
	_ store.UploadAborter   = covered{}
	_ store.WriteDenier     = covered{}
)

func (c covered) UpdateMetadata(ctx context.Context, key string, attrs store.Attrs, cond store.Condition) (*store.Object, error) {
	return do(ctx, attempts{s: c.s, op: "update", key: key, safe: writeSafety(cond)}, func() (*store.Object, error) {
		return c.inner.(store.MetadataUpdater).UpdateMetadata(ctx, key, attrs, cond)
	})
}

func (c covered) Check(ctx context.Context) error {
	_, err := do(ctx, attempts{s: c.s, op: "check"}, func() (struct{}, error) {
		return struct{}{}, c.inner.(store.Checker).Check(ctx)
	})
	return err
}

func (c covered) UploadClock(ctx context.Context) (time.Time, error) {
	return do(ctx, attempts{s: c.s, op: "upload clock"}, func() (time.Time, error) {
		return c.inner.(store.UploadAborter).UploadClock(ctx)
	})
}

// Uploads come in no order: only a listing that yielded none begins again.
func (c covered) Uploads(ctx context.Context) iter.Seq2[store.Upload, error] {
	return func(yield func(store.Upload, error) bool) {
		list(ctx, attempts{s: c.s, op: "list uploads"}, func() iter.Seq2[store.Upload, error] {
			return c.inner.(store.UploadAborter).Uploads(ctx)
		}, func(store.Upload) bool { return false }, yield)
	}
}

// AbortUpload may be repeated: the ID of an upload is never another's.
func (c covered) AbortUpload(ctx context.Context, u store.Upload) error {
	_, err := do(ctx, attempts{s: c.s, op: "abort upload", key: u.Key}, func() (struct{}, error) {
		return struct{}{}, c.inner.(store.UploadAborter).AbortUpload(ctx, u)
	})
	return err
}

// DenyWrites may be repeated: it begins with what is there.
func (c covered) DenyWrites(ctx context.Context, id string, except []string) error {
	_, err := do(ctx, attempts{s: c.s, op: "deny writes"}, func() (struct{}, error) {
		return struct{}{}, c.inner.(store.WriteDenier).DenyWrites(ctx, id, except)
	})
	return err
}

// AllowWrites may be repeated, as DenyWrites.
func (c covered) AllowWrites(ctx context.Context, id string) error {
	_, err := do(ctx, attempts{s: c.s, op: "allow writes"}, func() (struct{}, error) {
		return struct{}{}, c.inner.(store.WriteDenier).AllowWrites(ctx, id)
	})
	return err
}
