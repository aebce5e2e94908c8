package retry

import (
	"context"
	"io"
	"iter"
	"sync/atomic"

	"github.com/crossfade-io/crossfade/store"
)

// do makes a call until it needs no other attempt.
func do[T any](ctx context.Context, a attempts, call func() (T, error)) (T, error) {
	for {
		v, err := call()
		if !a.again(ctx, err) {
			return v, err
		}
	}
}

// Head returns the object under key.
func (s *Store) Head(ctx context.Context, key string) (*store.Object, error) {
	return do(ctx, attempts{s: s, op: "head", key: key}, func() (*store.Object, error) {
		return s.Store.Head(ctx, key)
	})
}

// Open returns the object opened. Reading it is not repeated.
func (s *Store) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	return do(ctx, attempts{s: s, op: "open", key: key}, func() (*store.Reader, error) {
		return s.Store.Open(ctx, key, opts)
	})
}

// Put stores content under key.
func (s *Store) Put(ctx context.Context, key string, content store.Content, opts store.PutOptions) (*store.Object, error) {
	a := attempts{s: s, op: "put", key: key, safe: writeSafety(opts.If)}
	if _, inMemory := content.(store.Bytes); !inMemory {
		t := &touched{Content: content}
		content, a.spent = t, t.opened.Load
	}
	return do(ctx, a, func() (*store.Object, error) {
		return s.Store.Put(ctx, key, content, opts)
	})
}

// touched is a Content that knows whether it was opened.
type touched struct {
	store.Content
	opened atomic.Bool
}

func (t *touched) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	t.opened.Store(true)
	return t.Content.Open(ctx, offset, length)
}

// Delete removes the current object.
func (s *Store) Delete(ctx context.Context, key string, cond store.Condition) error {
	_, err := do(ctx, attempts{s: s, op: "delete", key: key, safe: writeSafety(cond)}, func() (struct{}, error) {
		return struct{}{}, s.Store.Delete(ctx, key, cond)
	})
	return err
}

// List yields the objects in (opts.After, opts.Until].
func (s *Store) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		left := opts // what is still to be listed
		list(ctx, attempts{s: s, op: "list"}, func() iter.Seq2[*store.Object, error] {
			return s.Store.List(ctx, left)
		}, func(o *store.Object) (resumable bool) {
			left.After = o.Key
			return !opts.AnyOrder
		}, yield)
	}
}

// list yields what from does. After an error it begins again; passed, called for
// each element that was yielded, says whether from will then go on behind it.
func list[T any](ctx context.Context, a attempts, from func() iter.Seq2[T, error], passed func(T) (resumable bool), yield func(T, error) bool) {
	for stuck := false; ; {
		var failed error
		for v, err := range from() {
			if failed = err; err != nil {
				break
			}
			if !yield(v, nil) {
				return
			}
			stuck = !passed(v)
			a.failed = 0
		}
		if stuck && failed != nil || !a.again(ctx, failed) {
			if failed != nil {
				var zero T
				yield(zero, failed)
			}
			return
		}
	}
}
