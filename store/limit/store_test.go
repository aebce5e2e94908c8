package limit

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// waiting is content that does something before it opens.
type waiting struct {
	store.Bytes
	before func() error
}

func (w *waiting) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if err := w.before(); err != nil {
		return nil, err
	}
	return w.Bytes.Open(ctx, offset, length)
}

// operations are all calls that take a place.
var operations = map[string]func(context.Context, store.Store) error{
	"head": func(ctx context.Context, s store.Store) error { _, err := s.Head(ctx, "k"); return err },
	"open": func(ctx context.Context, s store.Store) error {
		_, err := s.Open(ctx, "k", store.ReadOptions{})
		return err
	},
	"put": func(ctx context.Context, s store.Store) error {
		_, err := s.Put(ctx, "k", store.Bytes("x"), store.PutOptions{})
		return err
	},
	"put from elsewhere": func(ctx context.Context, s store.Store) error {
		_, err := s.Put(ctx, "k", &waiting{store.Bytes("x"), func() error { return nil }}, store.PutOptions{})
		return err
	},
	"delete": func(ctx context.Context, s store.Store) error { return s.Delete(ctx, "k", store.Condition{}) },
	"update": func(ctx context.Context, s store.Store) error {
		u, _ := store.As[store.MetadataUpdater](s)
		_, err := u.UpdateMetadata(ctx, "k", store.Attrs{}, store.Condition{})
		return err
	},
	"check": func(ctx context.Context, s store.Store) error {
		c, _ := store.As[store.Checker](s)
		return c.Check(ctx)
	},
}

// TestEveryCallTakesAPlace, gives it back, and is counted when throttled.
func TestEveryCallTakesAPlace(t *testing.T) {
	t.Parallel()
	for name, run := range operations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				inner := memstore.Fresh()
				s := New(inner, time.Now, Options{Name: "mem://b", Max: 1})
				if _, err := s.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{}); err != nil {
					t.Fatal(err)
				}
				held := mustAcquire(t, s.l)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				err := run(ctx, s)
				cancel()
				if e, ok := errors.AsType[*store.Error](err); !ok || e.Kind != store.Unknown || e.Store != "mem://b" || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("without a place: %v", err)
				}
				s.l.release(held, nil)
				if err := run(t.Context(), s); err != nil {
					t.Error(err)
				}
				inner.SetIntercept(func(context.Context, memstore.Op) error { return kinded(store.Throttled) })
				if err := run(t.Context(), s); store.KindOf(err) != store.Throttled {
					t.Error(err)
				}
				if st := s.Stats(); st.Throttled != 1 || st.InFlight != 0 || st.Gap == 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// TestListings take no place, and what they meet counts.
func TestListings(t *testing.T) {
	t.Parallel()
	inner := memstore.Fresh()
	s := New(inner, time.Now, Options{Max: 10})
	for _, k := range []string{"a", "b"} {
		if _, err := s.Put(t.Context(), k, store.Bytes("x"), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, err := range s.List(t.Context(), store.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; s.Stats().InFlight != 0 {
			t.Error("holds a place")
		}
	}
	inner.SetIntercept(func(context.Context, memstore.Op) error { return kinded(store.Throttled) })
	for _, err := range s.List(t.Context(), store.ListOptions{}) {
		if store.KindOf(err) != store.Throttled {
			t.Error(err)
		}
	}
	if st := s.Stats(); n != 2 || st.Throttled != 1 || st.Limit == 10 {
		t.Errorf("%d listed, %+v", n, st)
	}
}

// relay reads the content of a Put, and fails as that did.
type relay struct{ store.Store }

func (relay) Put(ctx context.Context, _ string, c store.Content, _ store.PutOptions) (*store.Object, error) {
	return nil, store.ReadContent(ctx, c, 0, make([]byte, c.Size()))
}

// broken fails when it is read.
type broken struct{ store.Bytes }

func (b *broken) Open(context.Context, int64, int64) (io.ReadCloser, error) {
	return io.NopCloser(iotest.ErrReader(kinded(store.Throttled))), nil
}

// TestContentFailure: that the source of a Put throttles says nothing of the
// store that is written to.
func TestContentFailure(t *testing.T) {
	t.Parallel()
	s := New(relay{}, time.Now, Options{Max: 10})
	for _, c := range []store.Content{
		&waiting{store.Bytes("x"), func() error { return kinded(store.Throttled) }},
		&broken{store.Bytes("x")},
	} {
		if _, err := s.Put(t.Context(), "k", c, store.PutOptions{}); store.KindOf(err) != store.Throttled {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.Throttled != 0 || st.Limit != 10 || st.InFlight != 0 {
		t.Errorf("%+v", st)
	}
}

// A panic gives the place back: servers of HTTP recover from them.
func TestPanic(t *testing.T) {
	t.Parallel()
	inner := memstore.Fresh()
	s := New(inner, time.Now, Options{Max: 1})
	inner.SetIntercept(func(context.Context, memstore.Op) error { panic("no") })
	for _, run := range operations {
		func() {
			defer func() { _ = recover() }()
			_ = run(t.Context(), s)
		}()
	}
	if st := s.Stats(); st.InFlight != 0 {
		t.Errorf("%+v", st)
	}
}
