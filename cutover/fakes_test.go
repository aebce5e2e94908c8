package cutover

import (
	"context"
	"iter"

	"github.com/crossfade-io/crossfade/store"
)

// partialLists is a store whose listings carry no attributes, as S3's.
type partialLists struct{ store.Store }

func (p partialLists) Unwrap() store.Store { return p.Store }

func (p partialLists) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		for o, err := range p.Store.List(ctx, opts) {
			if o != nil {
				o.Attrs, o.Checksums, o.Partial = store.Attrs{}, store.Checksums{}, true
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// sumless is a store that knows no checksums.
type sumless struct{ store.Store }

func (s sumless) Unwrap() store.Store { return s.Store }

func (s sumless) Head(ctx context.Context, key string) (*store.Object, error) {
	o, err := s.Store.Head(ctx, key)
	if err == nil {
		o.Checksums = store.Checksums{}
	}
	return o, err
}

func (s sumless) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	r, err := s.Store.Open(ctx, key, opts)
	if err == nil {
		r.Checksums = store.Checksums{}
	}
	return r, err
}

func (s sumless) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		for o, err := range s.Store.List(ctx, opts) {
			if o != nil {
				o.Checksums = store.Checksums{}
			}
			if !yield(o, err) {
				return
			}
		}
	}
}
