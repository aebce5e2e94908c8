package retry_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/retry"
)

// script is a store that answers one call after the other with its errors, then
// without one. It has every capability.
type script struct {
	errs  []error
	calls int
	now   time.Time
	slept []time.Duration
}

func (s *script) next() error {
	s.calls++
	if s.calls > len(s.errs) {
		return nil
	}
	return s.errs[s.calls-1]
}

// always fails every call so.
func always(err error) *script {
	s := &script{errs: make([]error, 1000)}
	for i := range s.errs {
		s.errs[i] = err
	}
	return s
}

func (s *script) Head(context.Context, string) (*store.Object, error) { return s.object() }

func (s *script) object() (*store.Object, error) {
	if err := s.next(); err != nil {
		return nil, err
	}
	return &store.Object{}, nil
}

func (s *script) Open(context.Context, string, store.ReadOptions) (*store.Reader, error) {
	if err := s.next(); err != nil {
		return nil, err
	}
	return &store.Reader{}, nil
}

// Put reads content that is not in memory only where the key is "read".
func (s *script) Put(ctx context.Context, key string, c store.Content, _ store.PutOptions) (*store.Object, error) {
	if key == "read" {
		r, err := c.Open(ctx, 0, c.Size())
		if err != nil {
			return nil, err
		}
		r.Close()
	}
	return s.object()
}

func (s *script) Delete(context.Context, string, store.Condition) error { return s.next() }

func (s *script) List(context.Context, store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		if err := s.next(); err != nil {
			yield(nil, err)
		}
	}
}

func (s *script) UpdateMetadata(context.Context, string, store.Attrs, store.Condition) (*store.Object, error) {
	return s.object()
}
func (s *script) Check(context.Context) error { return s.next() }
func (s *script) UploadClock(context.Context) (time.Time, error) {
	return time.Time{}, s.next()
}

func (s *script) Uploads(context.Context) iter.Seq2[store.Upload, error] {
	return func(yield func(store.Upload, error) bool) {
		if err := s.next(); err != nil {
			yield(store.Upload{}, err)
		}
	}
}
func (s *script) AbortUpload(context.Context, store.Upload) error { return s.next() }
func (s *script) Close() error                                    { return nil }

// decorated returns s with retries whose waits are noted, and pass at once.
func (s *script) decorated(opts retry.Options) *retry.Store {
	opts.Sleep = func(ctx context.Context, d time.Duration) error {
		s.slept = append(s.slept, d)
		s.now = s.now.Add(d)
		return ctx.Err()
	}
	if opts.Jitter == nil {
		opts.Jitter = func() float64 { return 0.5 }
	}
	return retry.New(s, func() time.Time { return s.now }, opts)
}

// streamed is content that is not in memory.
type streamed struct {
	store.Bytes
	opened int
}

func (s *streamed) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	s.opened++
	return s.Bytes.Open(ctx, offset, length)
}

func kinded(k store.Kind) error {
	return &store.Error{Op: "op", Store: "mem://b", Kind: k, Err: errors.New("cause")}
}

// calls are all that a store does, each as the caller makes it.
var calls = []struct {
	name string
	// uncertain says that it may be repeated when it is not known what came of it.
	uncertain bool
	run       func(ctx context.Context, s store.Store) error
}{
	{"head", true, func(ctx context.Context, s store.Store) error { _, err := s.Head(ctx, "k"); return err }},
	{"open", true, func(ctx context.Context, s store.Store) error {
		_, err := s.Open(ctx, "k", store.ReadOptions{})
		return err
	}},
	{"list", true, func(ctx context.Context, s store.Store) error {
		for _, err := range s.List(ctx, store.ListOptions{}) {
			return err
		}
		return nil
	}},
	{"list in any order", true, func(ctx context.Context, s store.Store) error {
		for _, err := range s.List(ctx, store.ListOptions{AnyOrder: true}) {
			return err
		}
		return nil
	}},
	{"put if absent", true, put(store.IfAbsent())},
	{"put if match", true, put(store.IfMatch("v"))},
	{"put", false, put(store.Condition{})},
	{"delete if match", true, func(ctx context.Context, s store.Store) error { return s.Delete(ctx, "k", store.IfMatch("v")) }},
	{"delete", false, func(ctx context.Context, s store.Store) error { return s.Delete(ctx, "k", store.Condition{}) }},
	{"update if match", true, update(store.IfMatch("v"))},
	{"update", false, update(store.Condition{})},
	{"check", true, func(ctx context.Context, s store.Store) error {
		c, _ := store.As[store.Checker](s)
		return c.Check(ctx)
	}},
	{"upload clock", true, func(ctx context.Context, s store.Store) error {
		u, _ := store.As[store.UploadAborter](s)
		_, err := u.UploadClock(ctx)
		return err
	}},
	{"uploads", true, func(ctx context.Context, s store.Store) error {
		u, _ := store.As[store.UploadAborter](s)
		for _, err := range u.Uploads(ctx) {
			return err
		}
		return nil
	}},
	{"abort upload", true, func(ctx context.Context, s store.Store) error {
		u, _ := store.As[store.UploadAborter](s)
		return u.AbortUpload(ctx, store.Upload{})
	}},
}

func put(cond store.Condition) func(context.Context, store.Store) error {
	return func(ctx context.Context, s store.Store) error {
		_, err := s.Put(ctx, "k", store.Bytes("x"), store.PutOptions{If: cond})
		return err
	}
}

func update(cond store.Condition) func(context.Context, store.Store) error {
	return func(ctx context.Context, s store.Store) error {
		u, _ := store.As[store.MetadataUpdater](s)
		_, err := u.UpdateMetadata(ctx, "k", store.Attrs{}, cond)
		return err
	}
}

func wantCalls(t *testing.T, s *script, want int) {
	t.Helper()
	if s.calls != want {
		t.Errorf("%d attempts, want %d", s.calls, want)
	}
}
