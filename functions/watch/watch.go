// Package watch makes a local directory a source of events: an application that
// writes its uploads to a folder can be moved to a bucket without changing a
// line of it.
//
// The operating system tells of changes (inotify on Linux, kqueue elsewhere).
// What it does not tell is found by a rescan, which compares both sides: at the
// start, for what happened while nothing watched; at intervals; and at once
// after events were lost, or when directories come and go under one name, which
// events cannot always tell apart. Where the system cannot watch, rescans remain.
// Nothing is kept on disk, for a rescan finds whatever was not done.
//
// A key is synced once its file has been quiet for a moment, or at the latest
// when it has kept changing for a while: Sync confirms that what it copied is
// what is there, so a file that is still being written is copied again.
//
// Names are those of store/file. A symbolic link, a device, or a name that is no
// key is handed on all the same, and refused by the store with the reason, so
// that it is named and counted. Changes that other machines make on a network
// file system are seen by rescans alone.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// Processor answers events; *functions.Processor is one.
type Processor interface {
	Process(ctx context.Context, events []functions.Event) []functions.Verdict
}

// SyncFunc syncs one key, as replicate's Sync does. Its Result has no more than a
// Reason.
type SyncFunc = func(ctx context.Context, key string, hint replicate.Hint) (replicate.Result, error)

// RescanFunc compares both sides and calls sync for each key that may differ,
// those that only the target has among them where deletions are carried.
// backfill.Rescan makes one.
type RescanFunc = func(ctx context.Context, sync SyncFunc) error

// Options configure a Watcher. Zero values choose the defaults but for Dir,
// Compare and Now, which are required.
type Options struct {
	// Dir is the directory, an absolute path: the Bucket of a file:// location.
	// Events carry it as their bucket.
	Dir string

	// Compare is the rescan, run at the start and every Rescan: default 15 min.
	// It lists the target, which costs a request for a thousand objects.
	Compare RescanFunc
	Rescan  time.Duration

	// Target, where set, is asked for the keys below a directory that was moved
	// away: the system does not name the files in it. Without it the next rescan
	// finds them.
	Target store.Store

	// Match chooses keys; nil chooses all. Those below store.ControlPrefix are
	// always handed on.
	Match func(key string) bool

	Settle  time.Duration // a file is synced when it was quiet for so long: default 200 ms
	MaxWait time.Duration // and at the latest when it has changed for so long: default 5 s

	Workers    int // batches in work at once: default 4
	Batch      int // keys handed on together, at most: default 16
	MaxPending int // keys that wait; beyond it a rescan finds them: default 65,536

	// Grace is how long what is in work may last after the context of Run has
	// ended: default 20 s.
	Grace time.Duration

	Now func() time.Time
	Log *slog.Logger // default: discard

	open func() (notifier, error) // for tests
}

const (
	defaultRescan     = 15 * time.Minute
	defaultSettle     = 200 * time.Millisecond
	defaultMaxWait    = 5 * time.Second
	defaultWorkers    = 4
	defaultBatch      = 16
	defaultMaxPending = 1 << 16
	defaultGrace      = 20 * time.Second
)

func (o Options) withDefaults() (Options, error) {
	switch {
	case !filepath.IsAbs(o.Dir):
		return o, fmt.Errorf("watch: Dir %q: give an absolute path", o.Dir)
	case o.Compare == nil:
		return o, errors.New("watch: no Compare: what the system does not tell would never be found")
	case o.Now == nil:
		return o, errors.New("watch: no clock")
	}
	o.Dir = filepath.Clean(o.Dir)
	for _, d := range []struct {
		name  string
		value *time.Duration
		other time.Duration
	}{
		{"Rescan", &o.Rescan, defaultRescan},
		{"Settle", &o.Settle, defaultSettle},
		{"MaxWait", &o.MaxWait, defaultMaxWait},
		{"Grace", &o.Grace, defaultGrace},
	} {
		if *d.value < 0 {
			return o, fmt.Errorf("watch: %s %s: it cannot be negative", d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.other
		}
	}
	for _, n := range []struct {
		name  string
		value *int
		other int
	}{{"Workers", &o.Workers, defaultWorkers}, {"Batch", &o.Batch, defaultBatch}, {"MaxPending", &o.MaxPending, defaultMaxPending}} {
		if *n.value < 0 {
			return o, fmt.Errorf("watch: %s %d: it cannot be negative", n.name, *n.value)
		}
		if *n.value == 0 {
			*n.value = n.other
		}
	}
	o.MaxWait = max(o.MaxWait, o.Settle)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.open == nil {
		o.open = openSystem
	}
	return o, nil
}

// looksAfter is how often it is made sure that the directory is there at all.
func (o Options) looksAfter() time.Duration { return 25 * o.Settle }

// Watcher watches one directory.
type Watcher struct {
	opts   Options
	wake   chan struct{} // something is due sooner
	rescan chan string   // one is wanted, and why

	mu    sync.Mutex
	queue *pending
	state State
}

// New returns a Watcher. Nothing is watched before Run.
func New(opts Options) (*Watcher, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Watcher{
		opts: opts, wake: make(chan struct{}, 1), rescan: make(chan string, 1),
		queue: newPending(opts.Settle, opts.MaxWait, opts.MaxPending),
	}, nil
}

// State is what a Watcher is at.
type State struct {
	// Watching says that the system tells of every change. Without it rescans
	// find them.
	Watching    bool
	Directories int // watched
	Pending     int // keys that wait or are in work

	Rescans       int64     // completed without an error
	RescansFailed int64     // the others
	Rescanned     time.Time // when the last completed one began; zero for none
	Lost          int64     // times that events were lost, and a rescan made up for it
	DeadLetters   int64     // events that no retry can help, until something changes
	GivenUp       int64     // keys left to the next rescan after so many tries
}

// State tells what the Watcher is at.
func (w *Watcher) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.state
	s.Pending = w.queue.len()
	return s
}

// Run watches until ctx ends, then lets what is in work finish for Grace, and
// returns nil. It returns an error where the directory is gone, or never was
// one. What has not been synced by then is found by the first rescan of the
// next Run. A Watcher runs once.
func (w *Watcher) Run(ctx context.Context, proc Processor) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.follow(ctx) })
	g.Go(func() error { return w.rescans(ctx, proc) })
	g.Go(func() error { return w.deliver(ctx, proc) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// update changes the state.
func (w *Watcher) update(f func(s *State)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.state)
}

// want asks for a rescan as soon as one may be.
func (w *Watcher) want(why string) {
	select {
	case w.rescan <- why:
	default: // one is wanted already, and has not begun
	}
}

// nudge makes the delivery look at the queue.
func (w *Watcher) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// graceful returns a context that outlives ctx by Grace.
func (w *Watcher) graceful(ctx context.Context) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timed, done := context.WithTimeout(work, w.opts.Grace)
		defer done()
		<-timed.Done()
		cancel()
	})
	return work, func() {
		stop()
		cancel()
	}
}
