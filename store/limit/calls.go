package limit

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/crossfade-io/crossfade/store"
)

// do makes a call that holds a place until it returns.
func do[T any](ctx context.Context, s *Store, op, key string, call func() (T, error)) (v T, err error) {
	p, err := s.enter(ctx, op, key)
	if err != nil {
		return v, err
	}
	defer func() { s.l.release(p, err) }() // also when call panics
	return call()
}

// enter waits for a place.
func (s *Store) enter(ctx context.Context, op, key string) (place, error) {
	p, err := s.l.acquire(ctx)
	if err != nil {
		err = &store.Error{Op: op, Store: s.name, Key: key, Kind: store.Unknown, Err: &waitError{err}}
	}
	return p, err
}

// waitError is the end of the context of a call that was not made.
type waitError struct{ err error }

func (e *waitError) Error() string { return "waiting for a place in line: " + e.err.Error() }

// Unwrap returns the context's error.
func (e *waitError) Unwrap() error { return e.err }

// Head returns the object under key.
func (s *Store) Head(ctx context.Context, key string) (*store.Object, error) {
	return do(ctx, s, "head", key, func() (*store.Object, error) { return s.Store.Head(ctx, key) })
}

// Open returns the object opened. The body holds no place.
func (s *Store) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	return do(ctx, s, "open", key, func() (*store.Reader, error) { return s.Store.Open(ctx, key, opts) })
}

// Delete removes the current object.
func (s *Store) Delete(ctx context.Context, key string, cond store.Condition) error {
	_, err := do(ctx, s, "delete", key, func() (struct{}, error) { return struct{}{}, s.Store.Delete(ctx, key, cond) })
	return err
}

// Put stores content under key.
func (s *Store) Put(ctx context.Context, key string, content store.Content, opts store.PutOptions) (*store.Object, error) {
	if _, inMemory := content.(store.Bytes); inMemory {
		return do(ctx, s, "put", key, func() (*store.Object, error) { return s.Store.Put(ctx, key, content, opts) })
	}
	p, err := s.enter(ctx, "put", key)
	if err != nil {
		return nil, err
	}
	leave := sync.OnceFunc(func() {
		s.l.mu.Lock()
		defer s.l.mu.Unlock()
		s.l.giveBack()
	})
	defer leave()
	c := &elsewhere{Content: content, leave: leave}
	o, err := s.Store.Put(ctx, key, c, opts)
	if !c.failed.Load() {
		s.l.report(p, err)
	}
	return o, err
}

// elsewhere is a Content that has to be read from somewhere else. A failure of
// it says nothing of the store that it is put into.
type elsewhere struct {
	store.Content
	leave  func()
	failed atomic.Bool
}

func (e *elsewhere) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	e.leave()
	r, err := e.Content.Open(ctx, offset, length)
	if err != nil {
		e.failed.Store(true)
		return nil, err
	}
	return &elsewhereBody{r, e}, nil
}

type elsewhereBody struct {
	io.ReadCloser
	e *elsewhere
}

func (b *elsewhereBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.e.failed.Store(true)
	}
	return n, err
}

// List yields the objects in (opts.After, opts.Until].
func (s *Store) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return observed(s.l, func() iter.Seq2[*store.Object, error] { return s.Store.List(ctx, opts) })
}

// observed learns from a listing that fails. Its pages that succeed cannot be
// told apart from here.
func observed[T any](l *limiter, from func() iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		p := l.here()
		for v, err := range from() {
			if err != nil {
				l.report(p, err)
			}
			if !yield(v, err) {
				return
			}
			p = l.here()
		}
	}
}
