package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

var testEnds = replicate.Ends{Source: "mem://source/", Target: "mem://target/"}

// world is a source and a target in memory, with what is tried on them.
type world struct {
	t        testing.TB
	src, dst *memstore.Store
	mu       sync.Mutex
	writes   int // operations on the target that change it
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, src: memstore.Fresh(), dst: memstore.Fresh()}
	w.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Stage == memstore.Before && (op.Name == "put" || op.Name == "delete" || op.Name == "update") {
			w.mu.Lock()
			w.writes++
			w.mu.Unlock()
		}
		return nil
	})
	return w
}

func (w *world) written() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writes
}

func (w *world) put(s store.Store, key, body string) {
	w.t.Helper()
	_, err := s.Put(context.Background(), key, store.Bytes(body), store.PutOptions{
		Attrs: store.Attrs{ContentType: "text/plain", Metadata: map[string]string{"who": "me"}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(s store.Store, key string) {
	w.t.Helper()
	if err := s.Delete(context.Background(), key, store.Condition{}); err != nil {
		w.t.Fatal(err)
	}
}

// bodies is what s holds.
func (w *world) bodies(s *memstore.Store) map[string]string {
	objects, more := s.Bucket().List("", "", false, 1<<20)
	if more {
		w.t.Fatal("more objects than a test should have")
	}
	got := map[string]string{}
	for _, o := range objects {
		got[o.Name] = string(o.Body)
	}
	return got
}

func (w *world) replicator(src, dst store.Store, policy replicate.Policy) *replicate.Replicator {
	w.t.Helper()
	rep, err := replicate.New(src, dst, replicate.Options{
		SourceID: testEnds.Source, TargetID: testEnds.Target, Policy: policy,
		Sleep: noSleep, Jitter: func() float64 { return 0 },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return rep
}

// run runs a backfill with the options that every test wants.
func (w *world) run(ctx context.Context, src, dst store.Store, opts backfill.Options) (backfill.Summary, error) {
	w.t.Helper()
	opts.Ends = testEnds
	opts.Policy.Deletes = opts.Delete
	opts.Sleep, opts.Jitter = noSleep, func() float64 { return 0 }
	return backfill.Run(ctx, src, dst, w.replicator(src, dst, opts.Policy), opts)
}

// mustRun is run over w's own stores, with no error.
func (w *world) mustRun(opts backfill.Options) backfill.Summary {
	w.t.Helper()
	sum, err := w.run(context.Background(), w.src, w.dst, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return sum
}

func (w *world) wantEqual() {
	w.t.Helper()
	if src, dst := w.bodies(w.src), w.bodies(w.dst); !maps.Equal(src, dst) {
		w.t.Fatalf("source %q\ntarget %q", src, dst)
	}
}

func noSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// manner changes how a store lists.
type manner struct {
	store.Store
	partial   bool                  // without attributes, as S3 does
	scrambled bool                  // in an order of its own, as Azure with hierarchical namespaces
	failAfter int                   // objects, with fail
	fail      error                 // nil: never
	fails     int                   // how often; 0: always
	headFails func(key string) bool // Denied

	mu     sync.Mutex
	listed int // listings begun
}

func (m *manner) Unwrap() store.Store { return m.Store }

func (m *manner) Head(ctx context.Context, key string) (*store.Object, error) {
	if m.headFails != nil && m.headFails(key) {
		return nil, &store.Error{Op: "head", Store: "mem://", Key: key, Kind: store.Denied, Err: errors.New("no\nentry")}
	}
	return m.Store.Head(ctx, key)
}

func (m *manner) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	m.mu.Lock()
	m.listed++
	failing := m.fail != nil && (m.fails == 0 || m.listed <= m.fails)
	m.mu.Unlock()
	seq := m.Store.List(ctx, opts)
	if m.scrambled {
		seq = scramble(seq, opts)
	}
	return func(yield func(*store.Object, error) bool) {
		n := 0
		for o, err := range seq {
			if failing && n == m.failAfter {
				yield(nil, m.fail)
				return
			}
			if o != nil && m.partial {
				o.Attrs, o.Checksums, o.Partial = store.Attrs{}, store.Checksums{}, true
			}
			if n++; !yield(o, err) {
				return
			}
		}
		if failing && n <= m.failAfter {
			yield(nil, m.fail)
		}
	}
}

// scramble yields keys by length first, and refuses the first that is not in
// byte order unless any order will do.
func scramble(seq iter.Seq2[*store.Object, error], opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		var all []*store.Object
		for o, err := range seq {
			if err != nil {
				yield(nil, err)
				return
			}
			all = append(all, o)
		}
		slices.SortStableFunc(all, func(a, b *store.Object) int { return len(a.Key) - len(b.Key) })
		last := ""
		for _, o := range all {
			if o.Key < last && !opts.AnyOrder {
				yield(nil, &store.Error{Op: "list", Kind: store.Invalid, Err: fmt.Errorf("%q comes after %q", o.Key, last)})
				return
			}
			if last = o.Key; !yield(o, nil) {
				return
			}
		}
	}
}
