package backfill

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/crossfade-io/crossfade/store"
)

// Meter wraps the source of a run, so that Snapshot.Read grows while large
// objects are under way.
func (p *Progress) Meter(s store.Store) store.Store { return &metered{s, &p.read} }

type metered struct {
	store.Store
	n *atomic.Int64
}

// Unwrap lets store.As find what the store can do.
func (m *metered) Unwrap() store.Store { return m.Store }

func (m *metered) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	r, err := m.Store.Open(ctx, key, opts)
	if err != nil {
		return nil, err
	}
	r.Body = &meteredBody{r.Body, m.n}
	return r, nil
}

type meteredBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}
