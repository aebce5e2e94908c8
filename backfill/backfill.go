// Package backfill makes a whole target equal to its source: it merges the two
// listings in constant memory and calls replicate's Sync for the keys that
// differ. Verify compares without changing anything.
//
// Nothing is kept between runs. A run that was interrupted is continued by
// running it again: what is done is skipped.
package backfill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// Syncer is what a run needs of a *replicate.Replicator.
type Syncer interface {
	Sync(ctx context.Context, key string, hint replicate.Hint) (replicate.Result, error)
	InSync(src, dst *store.Object) bool
	Ours(dst *store.Object) bool
}

var _ Syncer = (*replicate.Replicator)(nil)

// Options configure a run. Zero values choose the defaults.
type Options struct {
	Concurrency int    // keys in work at once: default 64
	After       string // only keys in (After, Until]; empty means unbounded
	Until       string
	Filter      Filter // of keys, on both sides
	Shard       Shard  // of the keys that Filter chooses, for Run: the others are another task's

	// Ranges is how many ranges of keys Verify and Scan list at once: default 1.
	// Each holds two pages of a thousand objects.
	Ranges int

	// DryRun decides by replicate.Plan with Ends and Policy, and writes nothing.
	// The Summary then says what would have been done, as seen now.
	DryRun bool
	Ends   replicate.Ends
	Policy replicate.Policy

	// Delete removes objects of this migration from the target when their keys
	// are not on the source. They are gathered first, up to MaxDelete: if there
	// are more, none is deleted and the run fails with ErrTooManyDeletes.
	Delete    bool
	MaxDelete int

	// NeverEmpty keeps everything on the target when the source lists nothing at
	// all: a directory whose disk is not mounted looks like that.
	NeverEmpty bool

	// AbortUploads ends, when all else is done, uploads of the chosen keys that
	// were begun on the target more than UploadAge before the run and are still
	// unfinished: what killed writers leave behind, on stores that have a
	// store.UploadAborter. They may be another's: it is for the caller to know.
	AbortUploads bool
	UploadAge    time.Duration

	// Stop, when closed, hands out no more work and lets that in flight finish.
	// Cancelling the context abandons that as well. Either way Run returns
	// ErrInterrupted.
	Stop <-chan struct{}

	Attempts int       // tries where an error may pass: default 4
	Progress *Progress // counts as the run goes on; may be nil
	Log      *slog.Logger

	Now    func() time.Time                           // the clock, for Summary.Seconds: nil leaves it 0
	Sleep  func(context.Context, time.Duration) error // between attempts: for tests
	Jitter func() float64                             // in [0,1): for tests
}

// The errors of a run as a whole, found with errors.Is. Those of single keys
// are in Summary.Failures.
var (
	ErrInterrupted    = errors.New("interrupted")
	ErrTooManyDeletes = errors.New("too many deletes")
)

const (
	defaultConcurrency = 64
	defaultAttempts    = 4

	// queueLength keys wait between the listings and the workers, so that
	// progress can say what is ahead and a slow page stalls nobody.
	queueLength = 4096

	firstPause = 500 * time.Millisecond
	longPause  = 30 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Concurrency <= 0 {
		o.Concurrency = defaultConcurrency
	}
	if o.Attempts <= 0 {
		o.Attempts = defaultAttempts
	}
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Sleep == nil {
		o.Sleep = store.Sleep
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	return o
}

// chosen reports whether a key is one of the run's.
func (o Options) chosen(key string) bool { return o.Filter.Match(key) && o.Shard.Has(key) }

// stopwatch returns a function that tells the seconds since now.
func (o Options) stopwatch() func() float64 {
	if o.Now == nil {
		return func() float64 { return 0 }
	}
	start := o.Now()
	return func() float64 { return o.Now().Sub(start).Seconds() }
}

// stopped reports whether no more work is to begin.
func (o Options) stopped(ctx context.Context) bool {
	select {
	case <-o.Stop:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// untilStop returns a context that ends with ctx or when Stop is closed.
func (o Options) untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if o.Stop == nil {
		return ctx, cancel
	}
	go func() {
		select {
		case <-o.Stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// try calls f until it succeeds, its error is not one that may pass, the
// attempts are used up, or the run stops.
func (o Options) try(ctx context.Context, what string, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		if err == nil || !store.KindOf(err).Retryable() || n >= o.Attempts || o.stopped(ctx) {
			return err
		}
		o.Log.Debug("trying again", "what", what, "attempt", n, "error", err)
		if o.pause(ctx, n, err) != nil {
			return err
		}
	}
}

// pause waits before attempt n+1: as long as the service asked for, or for a
// random part of a time that doubles.
func (o Options) pause(ctx context.Context, n int, err error) error {
	d := time.Duration(float64(min(firstPause<<(n-1), longPause)) * (0.5 + o.Jitter()/2))
	if e, ok := errors.AsType[*store.Error](err); ok && e.RetryAfter > d {
		d = min(e.RetryAfter, longPause)
	}
	ctx, cancel := o.untilStop(ctx)
	defer cancel()
	return o.Sleep(ctx, d)
}

// head returns the object, or nil where there definitely is none.
func (o Options) head(ctx context.Context, s store.Store, key string) (obj *store.Object, err error) {
	err = o.try(ctx, "head", func() error {
		obj, err = s.Head(ctx, key)
		return err
	})
	switch {
	case err == nil:
		return obj, nil
	case store.KindOf(err) == store.NotFound:
		return nil, nil
	default:
		return nil, err
	}
}

// errEmptySource is the end of a run with NeverEmpty.
var errEmptySource = errors.New("the source lists no object at all, and the target has some: nothing was deleted there. Is a disk not mounted?")

// errTooMany wraps ErrTooManyDeletes with what to do.
func errTooMany(maxDelete int) error {
	return fmt.Errorf("%w: more than %d objects on the target are not on the source; none was deleted. Look at them with a dry run, then allow more", ErrTooManyDeletes, maxDelete)
}
