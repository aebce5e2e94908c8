package replicate_test

import (
	"context"
	"io"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// spy stands in front of a store, records the calls and lets a test interfere.
// It hides the capabilities of what it wraps but for those that it embeds.
type spy struct {
	store.Store

	mu     sync.Mutex
	calls  []string
	before func(op string, n int) error // n counts the calls of op from 1
	after  func(op string, n int)
	counts map[string]int
	body   func(io.ReadCloser) io.ReadCloser // wraps what Open returns
}

func (s *spy) call(op string, f func() error) error {
	s.mu.Lock()
	if s.counts == nil {
		s.counts = map[string]int{}
	}
	s.counts[op]++
	n := s.counts[op]
	s.calls = append(s.calls, op)
	s.mu.Unlock()
	if s.before != nil {
		if err := s.before(op, n); err != nil {
			return err
		}
	}
	err := f()
	if s.after != nil {
		s.after(op, n)
	}
	return err
}

func (s *spy) Head(ctx context.Context, key string) (o *store.Object, err error) {
	err = s.call("head", func() error { o, err = s.Store.Head(ctx, key); return err })
	return o, err
}

func (s *spy) Open(ctx context.Context, key string, opts store.ReadOptions) (r *store.Reader, err error) {
	err = s.call("open", func() error { r, err = s.Store.Open(ctx, key, opts); return err })
	if err == nil && s.body != nil {
		r.Body = s.body(r.Body)
	}
	return r, err
}

func (s *spy) Put(ctx context.Context, key string, c store.Content, opts store.PutOptions) (o *store.Object, err error) {
	err = s.call("put", func() error { o, err = s.Store.Put(ctx, key, c, opts); return err })
	return o, err
}

func (s *spy) Delete(ctx context.Context, key string, cond store.Condition) error {
	return s.call("delete", func() error { return s.Store.Delete(ctx, key, cond) })
}

func (s *spy) List(context.Context, store.ListOptions) iter.Seq2[*store.Object, error] {
	panic("a Sync does not list")
}

// uniqueSpy keeps the promise that versions do not recur.
type uniqueSpy struct{ *spy }

func (uniqueSpy) UniqueVersions() {}

// updatingSpy adds the update of metadata.
type updatingSpy struct{ uniqueSpy }

func (s updatingSpy) UpdateMetadata(ctx context.Context, key string, attrs store.Attrs, cond store.Condition) (o *store.Object, err error) {
	err = s.call("update", func() error {
		u, _ := store.As[store.MetadataUpdater](s.Store)
		o, err = u.UpdateMetadata(ctx, key, attrs, cond)
		return err
	})
	return o, err
}

// world is two in-memory stores with spies.
type world struct {
	t        *testing.T
	src, dst *spy
	r        *replicate.Replicator
}

const key = "some/key"

func newWorld(t *testing.T, change func(*replicate.Options)) *world {
	t.Helper()
	core := cloudsim.NewCore(nil)
	w := &world{
		t:   t,
		src: &spy{Store: memstore.New(core.CreateBucket("src", false))},
		dst: &spy{Store: memstore.New(core.CreateBucket("dst", false))},
	}
	opts := replicate.Options{
		SourceID: "s3://src/", TargetID: "gs://dst/", Policy: replicate.Policy{Deletes: true},
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	if change != nil {
		change(&opts)
	}
	w.r = w.replicator(uniqueSpy{w.dst}, opts)
	return w
}

func (w *world) replicator(dst store.Store, opts replicate.Options) *replicate.Replicator {
	w.t.Helper()
	r, err := replicate.New(uniqueSpy{w.src}, dst, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// write stores body on the source, past the spy.
func (w *world) write(body string) { w.put(w.src, body, nil) }

func (w *world) put(s *spy, body string, meta map[string]string) {
	w.t.Helper()
	_, err := s.Store.Put(w.t.Context(), key, store.Bytes(body), store.PutOptions{Attrs: store.Attrs{
		ContentType: "text/plain", CacheControl: "max-age=60", Metadata: meta,
	}})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(s *spy) {
	w.t.Helper()
	if err := s.Store.Delete(w.t.Context(), key, store.Condition{}); err != nil {
		w.t.Fatal(err)
	}
}

// read returns the body and attributes on a store, past the spy.
func (w *world) read(s *spy) (string, *store.Object) {
	w.t.Helper()
	r, err := s.Store.Open(w.t.Context(), key, store.ReadOptions{})
	if store.KindOf(err) == store.NotFound {
		return "(absent)", nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b), &r.Object
}

func (w *world) sync(hint replicate.Hint) replicate.Result {
	w.t.Helper()
	res, err := w.r.Sync(w.t.Context(), key, hint)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// wantEqual fails unless the target has what the source has.
func (w *world) wantEqual() {
	w.t.Helper()
	sb, so := w.read(w.src)
	db, do := w.read(w.dst)
	if sb != db {
		w.t.Fatalf("target has %.40q, source %.40q", db, sb)
	}
	if so != nil && !replicate.SameAttrs(so.Attrs, do.Attrs) {
		w.t.Fatalf("target has %+v, source %+v", do.Attrs, so.Attrs)
	}
}

func (w *world) reset() {
	for _, s := range []*spy{w.src, w.dst} {
		s.calls, s.counts = nil, nil
	}
}

func (w *world) requests() string {
	return "source " + strings.Join(w.src.calls, " ") + "; target " + strings.Join(w.dst.calls, " ")
}
