package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/store"
)

// faulty is the system's notifier with faults.
type faulty struct {
	notifier
	add func(dir string) error
	err chan error
}

func (f *faulty) Add(dir string) error {
	if err := f.add(dir); err != nil {
		return err
	}
	return f.notifier.Add(dir)
}

func (f *faulty) errors() <-chan error { return f.err }

func TestARescanFindsWhatTheWatcherMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.Rescan = 20 * time.Millisecond
	w.opts.open = func() (notifier, error) { return blind{}, nil }
	w.start()
	w.write("a", "one")
	w.equal()
	w.write("a", "one and more")
	w.write("b/c", "two")
	w.equal()
	w.remove("a")
	w.equal()
}

func TestDeletedWhileNobodyWatched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("a", "x")
	w.write("b", "x")
	w.start()
	w.equal()
	w.stop()
	if err := w.wait(); err != nil {
		t.Fatal(err)
	}
	w.remove("a")
	if _, err := w.dst.Put(t.Context(), "foreign", store.Bytes([]byte("someone's")), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	w.start()
	if got := w.objects(); len(got) != 2 || got["b"] != "x" || got["foreign"] == "" {
		t.Errorf("the target has %q, want b and what is foreign", got)
	}
}

// A disk that is not mounted looks like a directory with everything deleted.
func TestTooManyDeletes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 101 {
		w.write(fmt.Sprintf("d/%d", i), "x")
	}
	w.start()
	w.equal()
	w.stop()
	if err := w.wait(); err != nil {
		t.Fatal(err)
	}
	w.remove("d")
	w.start()
	if s := w.State(); s.RescansFailed != 1 || len(w.objects()) != 101 || w.log.lines("level=ERROR", "too many deletes") != 1 {
		t.Errorf("%d objects of 101, state %+v\n%s", len(w.objects()), s, w.log)
	}
}

func TestLimitsOfTheSystem(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{"watches": syscall.ENOSPC, "instances": syscall.EMFILE} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.opts.Rescan = 15 * time.Millisecond
			var full atomic.Bool
			full.Store(true)
			w.opts.open = func() (notifier, error) {
				if full.Load() && errors.Is(fault, syscall.EMFILE) {
					return nil, os.NewSyscallError("inotify_init1", fault)
				}
				n, err := openSystem()
				return &faulty{n, func(dir string) error {
					if full.Load() && dir != w.dir {
						return fault
					}
					return nil
				}, nil}, err
			}
			w.write("d/a", "x")
			w.start()
			w.write("d/b", "found by a rescan")
			w.equal()
			if w.State().Watching {
				t.Error("it says that it watches all")
			}
			full.Store(false)
			w.until("all to be watched", func() bool { return w.State().Watching })
			w.write("d/c", "seen")
			w.equal()
			w.stop()
			_ = w.wait()
			if n := w.log.lines("level=ERROR", "rescans alone", "sysctl fs.inotify.max_user_"); n != 1 {
				t.Errorf("%d lines tell of the limit and its remedy, want 1:\n%s", n, w.log)
			}
		})
	}
}

func TestEventsWereLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	var last *faulty
	w.opts.open = func() (notifier, error) {
		mu.Lock()
		defer mu.Unlock()
		n, err := openSystem()
		last = &faulty{n, func(string) error { return nil }, make(chan error, 1)}
		return last, err
	}
	w.start()
	w.write("d/a", "x")
	w.equal()
	mu.Lock()
	for err := range n(last.notifier) { // nobody hears of what is next
		_ = err
	}
	mu.Unlock()
	w.write("d/lost", "x")
	w.write("e/lost", "x")
	last.err <- fsnotify.ErrEventOverflow
	w.equal()
	w.until("a second rescan", func() bool { return w.State().Rescans == 2 })
	if s := w.State(); s.Lost != 1 {
		t.Errorf("state %+v, want events lost once", s)
	}
	w.write("e/seen", "in a directory that is watched since")
	w.equal()
	if s := w.State(); s.Rescans != 2 {
		t.Errorf("state %+v: the third write was found by a rescan", s)
	}
}

// n ends all watches of a notifier, without an error.
func n(of notifier) map[string]error {
	failed := map[string]error{}
	for _, dir := range of.(system).WatchList() {
		if err := of.Remove(dir); err != nil {
			failed[dir] = err
		}
	}
	return failed
}

func TestMoreThanCanWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.MaxPending = 5
	w.opts.Settle, w.opts.MaxWait = 100*time.Millisecond, 100*time.Millisecond
	w.start()
	for i := range 40 {
		w.write(fmt.Sprintf("d/%d", i), "x")
	}
	w.equal()
	w.until("a rescan in place of the keys that had no room", func() bool { return w.State().Rescans >= 2 })
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	seen := map[string][]int{}
	w.proc = procFunc(func(_ context.Context, events []functions.Event) []functions.Verdict {
		mu.Lock()
		defer mu.Unlock()
		verdicts := make([]functions.Verdict, len(events))
		for i, e := range events {
			seen[e.Key] = append(seen[e.Key], e.Deliveries)
			if e.Bucket != w.dir || e.Time.IsZero() || e.Removed || !e.Created {
				t.Errorf("event %+v", e)
			}
			switch {
			case e.Key == "dead":
				verdicts[i] = functions.Verdict{Outcome: functions.DeadLetter}
			case e.Deliveries < 2:
				verdicts[i] = functions.Verdict{Outcome: functions.Retry, Reason: "not yet"}
			}
		}
		return verdicts
	})
	w.opts.Compare = func(context.Context, SyncFunc) error { return nil }
	w.start()
	w.write("dead", "")
	w.write("again", "")
	w.until("both", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen["dead"]) == 1 && len(seen["again"]) == 2 && w.State().Pending == 0
	})
	if seen["again"][1] != 2 || w.State().DeadLetters != 1 {
		t.Errorf("deliveries %v, state %+v", seen, w.State())
	}
}

// A rescan's sync returns what the verdict says, so that backfill treats it as
// it does an error of Sync.
func TestVerdictsInARescan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		v         functions.Verdict
		ok        bool
		retryable bool
	}{
		"ack":       {functions.Verdict{Reason: "equal"}, true, false},
		"throttled": {functions.Verdict{Outcome: functions.Retry, Kind: store.Throttled, After: time.Second}, false, true},
		"time":      {functions.Verdict{Outcome: functions.Retry, Reason: "ran out of time"}, false, true},
		"dead":      {functions.Verdict{Outcome: functions.DeadLetter, Kind: store.Invalid}, false, false},
		"unnamed":   {functions.Verdict{Outcome: functions.DeadLetter}, false, false},
	} {
		w := newWorld(t)
		w.proc = procFunc(func(context.Context, []functions.Event) []functions.Verdict { return []functions.Verdict{c.v} })
		w.opts.Compare = func(ctx context.Context, sync SyncFunc) error {
			_, err := sync(ctx, "k", 0)
			e, is := errors.AsType[*store.Error](err)
			if (err == nil) != c.ok || is && (e.Kind.Retryable() != c.retryable || e.RetryAfter != c.v.After || e.Key != "k") {
				t.Errorf("%s: %v", name, err)
			}
			return nil
		}
		w.start()
	}
}

// What is in work when it ends is finished, what waits is left to the next start.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, grace := range map[string]time.Duration{"finishes": time.Hour, "is cut short": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.opts.Grace = grace
			inWork, finish := make(chan struct{}), make(chan struct{})
			var cut atomic.Bool
			w.proc = procFunc(func(ctx context.Context, events []functions.Event) []functions.Verdict {
				close(inWork)
				select {
				case <-finish:
				case <-ctx.Done():
					cut.Store(true)
				}
				return make([]functions.Verdict, len(events))
			})
			w.opts.Compare = func(context.Context, SyncFunc) error { return nil }
			w.start()
			w.write("a", "x")
			<-inWork
			w.stop()
			if grace == time.Hour {
				close(finish)
			}
			if err := w.wait(); err != nil || cut.Load() != (grace != time.Hour) {
				t.Errorf("Run returned %v, the work was cut short: %v", err, cut.Load())
			}
		})
	}
}

// Signals of a cutover are handed on, also those written before the start.
func TestSignals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	seen := map[string]bool{}
	w.proc = procFunc(func(_ context.Context, events []functions.Event) []functions.Verdict {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			seen[e.Key] = true
		}
		return make([]functions.Verdict, len(events))
	})
	w.opts.Compare = func(context.Context, SyncFunc) error { return nil }
	w.opts.Match = func(key string) bool { return key == "chosen" }
	w.write(".crossfade/shop/before", "x")
	w.start()
	for _, name := range []string{".crossfade/shop/after", "chosen", "left out"} {
		w.write(name, "x")
	}
	w.until("signals", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return seen[".crossfade/shop/before"] && seen[".crossfade/shop/after"] && seen["chosen"]
	})
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 3 {
		t.Errorf("handed on %v", seen)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	compare := func(context.Context, SyncFunc) error { return nil }
	for name, o := range map[string]Options{
		"relative": {Dir: "here", Compare: compare, Now: time.Now},
		"compare":  {Dir: "/srv", Now: time.Now},
		"clock":    {Dir: "/srv", Compare: compare},
		"negative": {Dir: "/srv", Compare: compare, Now: time.Now, Settle: -1},
		"workers":  {Dir: "/srv", Compare: compare, Now: time.Now, Workers: -1},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
