package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// Stopped after some keys, a run finishes what is in flight and no more; run
// again it does the rest; a third time, nothing.
func TestStopAndGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 500 {
		w.put(w.src, fmt.Sprintf("%03d", i), "x")
	}
	stop := make(chan struct{})
	var begun, ended atomic.Int64
	w.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
		switch {
		case op.Name == "put" && op.Stage == memstore.Before:
			if begun.Add(1) == 20 {
				close(stop)
			}
		case op.Name == "put":
			ended.Add(1)
		}
		return nil
	})
	first, err := w.run(t.Context(), w.src, w.dst, backfill.Options{Concurrency: 4, Stop: stop})
	if !errors.Is(err, backfill.ErrInterrupted) || !first.Interrupted || first.Failed != 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	// The other three may each be between the check and their put.
	if n := int64(len(w.bodies(w.dst))); n != first.Copied || n != ended.Load() || n < 20 || n > 24 {
		t.Fatalf("%d objects on the target, %d copied, %d ended", n, first.Copied, ended.Load())
	}
	second := w.mustRun(backfill.Options{Concurrency: 4})
	if second.Copied+first.Copied != 500 || second.Skipped != first.Copied {
		t.Fatalf("%+v", second)
	}
	w.wantEqual()
	if third := w.mustRun(backfill.Options{}); third.Copied+third.Updated != 0 || third.Skipped != 500 {
		t.Fatalf("%+v", third)
	}
}

// Cancelling abandons what is in flight: it counts as neither copied nor failed.
func TestAbort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 50 {
		w.put(w.src, fmt.Sprintf("%02d", i), "x")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var puts atomic.Int64
	w.dst.SetIntercept(func(ctx context.Context, op memstore.Op) error {
		if op.Name == "put" && op.Stage == memstore.Before && puts.Add(1) > 10 {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	sum, err := w.run(ctx, w.src, w.dst, backfill.Options{Concurrency: 3})
	if !errors.Is(err, backfill.ErrInterrupted) || sum.Failed != 0 || len(sum.Failures) != 0 {
		t.Fatalf("%+v, %v", sum, err)
	}
	w.dst.SetIntercept(nil)
	w.mustRun(backfill.Options{})
	w.wantEqual()
}

// A run whose last key was abandoned is not complete.
func TestAbortOfTheLastKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(w.src, "k", "v")
	for _, verify := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		hang := func(ctx context.Context, op memstore.Op) error {
			if op.Key == "k" && op.Name != "read" {
				cancel()
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		w.src.SetIntercept(hang)
		var err error
		if verify {
			rep := w.replicator(w.src, w.dst, replicate.Policy{})
			_, err = backfill.Verify(ctx, w.src, w.dst, rep, backfill.VerifyOptions{Checksum: true})
		} else {
			_, err = w.run(ctx, w.src, w.dst, backfill.Options{})
		}
		if !errors.Is(err, backfill.ErrInterrupted) {
			t.Fatalf("verify=%v: %v", verify, err)
		}
		cancel()
	}
}

// Stopped before its deletes, a run deletes nothing more.
func TestStopBeforeDeletes(t *testing.T) {
	t.Parallel()
	w := orphans(t, 30)
	stop := make(chan struct{})
	var deletes atomic.Int64
	w.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "delete" && op.Stage == memstore.Before && deletes.Add(1) == 3 {
			close(stop)
		}
		return nil
	})
	sum, err := w.run(t.Context(), w.src, w.dst, backfill.Options{Concurrency: 1, Delete: true, MaxDelete: 30, Stop: stop})
	if !errors.Is(err, backfill.ErrInterrupted) || sum.Deleted != 3 {
		t.Fatalf("%+v, %v", sum, err)
	}
}

// A stop that comes when all is done interrupts nothing.
func TestStopTooLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(w.src, "k", "v")
	stop := make(chan struct{})
	w.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "put" && op.Stage == memstore.After {
			close(stop)
		}
		return nil
	})
	// The listings are complete before the only put: they are one page each.
	sum, err := w.run(t.Context(), w.src, w.dst, backfill.Options{Stop: stop})
	if sum.Copied != 1 || err != nil && !errors.Is(err, backfill.ErrInterrupted) {
		t.Fatalf("%+v, %v", sum, err)
	}
	w.wantEqual()
}

func TestProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(w.src, "a", "12345")
	w.put(w.src, "b", "123")
	w.put(w.dst, "b", "foreign")
	p := new(backfill.Progress)
	src := p.Meter(w.src)
	if _, err := w.run(t.Context(), src, w.dst, backfill.Options{Progress: p}); err != nil {
		t.Fatal(err)
	}
	want := backfill.Snapshot{Seen: 2, SeenBytes: 8, Done: 2, DoneBytes: 8, Copied: 1, Failed: 1, Bytes: 5, Read: 5, Listed: true}
	if got := p.Snapshot(); got != want {
		t.Fatalf("%+v", got)
	}
}
