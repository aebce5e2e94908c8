// Package memstore is a store.Store directly on a bucket of cloudsim, without
// HTTP: for tests that run millions of operations, and that step between them.
package memstore

import (
	"bytes"
	"context"
	"iter"
	"sync"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/parts"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// Stage tells an Intercept on which side of an operation it is called.
type Stage uint8

// The stages.
const (
	Before Stage = iota // an error prevents the operation, and is what it returns
	After               // an error replaces the outcome: the operation took place, the reply is lost
)

// Op is one operation, as an Intercept sees it.
type Op struct {
	Name  string // head, open, read, put, delete, list, update, check
	Key   string // "" for list and check
	Stage Stage
	Err   error // at Stage After: what the operation itself returned
}

// Intercept is called before and after each operation, in the goroutine of the
// caller. It may block, call the store, and count. Where it returns an error
// that is no *store.Error, the error is wrapped as Kind Unknown. "read" is the
// reading of a body that open returned, before its first byte and at its end.
type Intercept func(ctx context.Context, op Op) error

// Store is a store on a bucket. The zero value is not ready: use New.
type Store struct {
	bucket *cloudsim.Bucket

	mu        sync.RWMutex
	intercept Intercept
}

var (
	_ store.Store           = (*Store)(nil)
	_ store.MetadataUpdater = (*Store)(nil)
	_ store.Checker         = (*Store)(nil)
	_ store.UniqueVersions  = (*Store)(nil)
)

// New returns a store on bucket.
func New(bucket *cloudsim.Bucket) *Store { return &Store{bucket: bucket} }

// Fresh returns a store on a new bucket of its own.
func Fresh() *Store { return New(cloudsim.NewCore(nil).CreateBucket("mem", false)) }

// SetIntercept makes i be called from now on; nil for none.
func (s *Store) SetIntercept(i Intercept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = i
}

// Bucket is the bucket below, for tests that change it behind the store's back.
func (s *Store) Bucket() *cloudsim.Bucket { return s.bucket }

// UniqueVersions marks the store: generations never recur.
func (s *Store) UniqueVersions() {}

// Close does nothing.
func (s *Store) Close() error { return nil }

func (s *Store) fail(op, key string, kind store.Kind, err error) error {
	return &store.Error{Op: op, Store: "mem://" + s.bucket.Name, Key: key, Kind: kind, Err: err}
}

func (s *Store) hook() Intercept {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.intercept == nil {
		return func(context.Context, Op) error { return nil }
	}
	return s.intercept
}

// do runs f between the two calls of the intercept.
func (s *Store) do(ctx context.Context, op, key string, f func() error) error {
	hook := s.hook()
	if err := hook(ctx, Op{Name: op, Key: key}); err != nil {
		return s.wrap(op, key, err)
	}
	err := ctx.Err()
	if err == nil && op != "list" && op != "check" {
		err = checkKey(key)
	}
	if err == nil {
		err = f()
	}
	if err != nil {
		err = s.wrap(op, key, err)
	}
	if herr := hook(ctx, Op{Name: op, Key: key, Stage: After, Err: err}); herr != nil {
		return s.wrap(op, key, herr)
	}
	return err
}

func (s *Store) wrap(op, key string, err error) error {
	if e, ok := err.(*store.Error); ok { //nolint:errorlint // only the outermost counts: a cause of another store is wrapped
		if e.Store == "" {
			return s.fail(op, key, e.Kind, e.Err)
		}
		if e.Store == "mem://"+s.bucket.Name {
			return err
		}
	}
	return s.fail(op, key, store.Unknown, err)
}

// Head returns the object under key.
func (s *Store) Head(ctx context.Context, key string) (o *store.Object, err error) {
	err = s.do(ctx, "head", key, func() error {
		cur := s.bucket.Get(key)
		if cur == nil {
			return kinded(store.NotFound, "no such object")
		}
		o = object(cur)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// Open returns the stored bytes.
func (s *Store) Open(ctx context.Context, key string, opts store.ReadOptions) (r *store.Reader, err error) {
	err = s.do(ctx, "open", key, func() error {
		cur := s.bucket.Get(key)
		switch {
		case cur == nil:
			return kinded(store.NotFound, "no such object")
		case opts.Version != "" && version(cur) != opts.Version:
			return kinded(store.Precondition, "the object is version %s, not %s", version(cur), opts.Version)
		}
		size := int64(len(cur.Body))
		if opts.Offset < 0 || opts.Length < 0 || opts.Offset > size {
			return kinded(store.Invalid, "range %d+%d of %d bytes", opts.Offset, opts.Length, size)
		}
		body := cur.Body[opts.Offset:]
		if opts.Length > 0 && opts.Length < int64(len(body)) {
			body = body[:opts.Length]
		}
		r = &store.Reader{Object: *object(cur), Body: &reader{ctx: ctx, s: s, key: key, r: bytes.NewReader(body)}}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

type reader struct {
	ctx    context.Context //nolint:containedctx // a body ends with the context it was opened with
	s      *Store
	key    string
	r      *bytes.Reader
	hook   Intercept // nil before the first byte
	failed error
}

func (r *reader) Read(p []byte) (int, error) {
	if r.failed != nil {
		return 0, r.failed
	}
	if r.hook == nil {
		r.hook = r.s.hook()
		if err := r.hook(r.ctx, Op{Name: "read", Key: r.key}); err != nil {
			r.failed = r.s.wrap("read", r.key, err)
			return 0, r.failed
		}
	}
	if err := r.ctx.Err(); err != nil {
		return 0, r.s.wrap("read", r.key, err)
	}
	n, err := r.r.Read(p)
	if err != nil { // always io.EOF
		r.failed = err
		if err := r.hook(r.ctx, Op{Name: "read", Key: r.key, Stage: After}); err != nil {
			r.failed = r.s.wrap("read", r.key, err)
		}
		return n, r.failed
	}
	return n, nil
}

func (r *reader) Close() error { return nil }

// Bodies above this size are read in parts, as the drivers of the clouds do.
const (
	small    = 1 << 20
	partSize = 256 << 10
)

// Put stores content under key.
func (s *Store) Put(ctx context.Context, key string, content store.Content, opts store.PutOptions) (o *store.Object, err error) {
	err = s.do(ctx, "put", key, func() error {
		if err := checkAttrs(opts.Attrs); err != nil {
			return err
		}
		body, err := readAll(ctx, content, opts.Checksums)
		if err != nil {
			return err
		}
		fresh := cloudsim.NewObject(key, body)
		setAttrs(fresh, opts.Attrs)
		if err := ctx.Err(); err != nil {
			return err
		}
		stored, err := s.bucket.Put(fresh, cloudsim.Origin{Operation: "put"}, func(cur *cloudsim.Object) error {
			return holds(opts.If, cur)
		}, nil)
		if err != nil {
			return err
		}
		o = object(stored)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// readAll returns bytes that nobody else holds.
func readAll(ctx context.Context, content store.Content, want store.Checksums) ([]byte, error) {
	if content.Size() <= small {
		body, _, err := parts.Whole(ctx, content, want)
		return bytes.Clone(body), err
	}
	body := make([]byte, content.Size())
	_, err := parts.NewPool(4*partSize, partSize).Upload(ctx, content, partSize, 4, want, func(_ context.Context, p parts.Part) error {
		copy(body[p.Offset:], p.Data)
		return nil
	})
	return body, err
}

// Delete removes the current object.
func (s *Store) Delete(ctx context.Context, key string, cond store.Condition) error {
	return s.do(ctx, "delete", key, func() error {
		_, _, err := s.bucket.Delete(key, cloudsim.Origin{Operation: "delete"}, false, func(cur *cloudsim.Object) error {
			return holds(cond, cur)
		})
		return err
	})
}

// UpdateMetadata replaces the attributes.
func (s *Store) UpdateMetadata(ctx context.Context, key string, attrs store.Attrs, cond store.Condition) (o *store.Object, err error) {
	err = s.do(ctx, "update", key, func() error {
		if err := checkAttrs(attrs); err != nil {
			return err
		}
		changed, err := s.bucket.Update(key, cloudsim.Origin{Operation: "update"}, func(cur *cloudsim.Object) error {
			return holds(cond, cur)
		}, func(o *cloudsim.Object) { setAttrs(o, attrs) })
		switch {
		case err != nil:
			return err
		case changed == nil:
			return kinded(store.NotFound, "no such object")
		}
		o = object(changed)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// Check finds nothing wrong.
func (s *Store) Check(ctx context.Context) error {
	return s.do(ctx, "check", "", func() error { return nil })
}

// listPage is small, so that tests see listings that change under way.
const listPage = 100

// List yields the objects in (opts.After, opts.Until]. Each page is one
// operation to an Intercept.
func (s *Store) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		after := opts.After
		for more := true; more; {
			var page []*cloudsim.Object
			err := s.do(ctx, "list", "", func() error {
				page, more = s.bucket.List("", after, false, listPage)
				return nil
			})
			if err != nil {
				yield(nil, err)
				return
			}
			for _, o := range page {
				if opts.Until != "" && o.Name > opts.Until || !yield(object(o), nil) {
					return
				}
				after = o.Name
			}
		}
	}
}
