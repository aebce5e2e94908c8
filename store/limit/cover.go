package limit

import (
	"context"
	"iter"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// Cover has the optional capabilities wait for a place too; see store.Coverer.
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
	return do(ctx, c.s, "update", key, func() (*store.Object, error) {
		return c.inner.(store.MetadataUpdater).UpdateMetadata(ctx, key, attrs, cond)
	})
}

func (c covered) Check(ctx context.Context) error {
	_, err := do(ctx, c.s, "check", "", func() (struct{}, error) {
		return struct{}{}, c.inner.(store.Checker).Check(ctx)
	})
	return err
}

func (c covered) UploadClock(ctx context.Context) (time.Time, error) {
	return do(ctx, c.s, "upload clock", "", func() (time.Time, error) {
		return c.inner.(store.UploadAborter).UploadClock(ctx)
	})
}

func (c covered) Uploads(ctx context.Context) iter.Seq2[store.Upload, error] {
	return observed(c.s.l, func() iter.Seq2[store.Upload, error] { return c.inner.(store.UploadAborter).Uploads(ctx) })
}

func (c covered) AbortUpload(ctx context.Context, u store.Upload) error {
	_, err := do(ctx, c.s, "abort upload", u.Key, func() (struct{}, error) {
		return struct{}{}, c.inner.(store.UploadAborter).AbortUpload(ctx, u)
	})
	return err
}

func (c covered) DenyWrites(ctx context.Context, id string, except []string) error {
	_, err := do(ctx, c.s, "deny writes", "", func() (struct{}, error) {
		return struct{}{}, c.inner.(store.WriteDenier).DenyWrites(ctx, id, except)
	})
	return err
}

func (c covered) AllowWrites(ctx context.Context, id string) error {
	_, err := do(ctx, c.s, "allow writes", "", func() (struct{}, error) {
		return struct{}{}, c.inner.(store.WriteDenier).AllowWrites(ctx, id)
	})
	return err
}
