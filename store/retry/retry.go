// Package retry is a decorator that tries failed calls of a store again, where
// that is safe and likely to help.
//
// # What is tried again
//
// Throttled, Unavailable and Unknown, of calls that may be carried out twice:
//
//   - reads (Head, Open, List, Check). Of Open only the opening: an error of the
//     body is the caller's. A listing goes on behind the last key it yielded;
//     one in the service's own order begins again only if it yielded nothing.
//   - writes bound to a version or to absence. If the first try was carried out
//     and its answer lost, the second finds another version than it is bound to:
//     Precondition, or NotFound of a Delete, upon which a Sync looks again.
//     Where versions recur (S3's ETags) a condition may hold once more when the
//     same bytes were written anew. That is so without repetition too, and what
//     a Sync's confirming read is for.
//
// A write without a condition is repeated after Throttled only, for then the
// service has refused it. After anything else it may have been carried out, and
// to repeat it could undo what another has written since.
//
// A Put is repeated while its content is in memory (store.Bytes) or has not been
// opened. What was read from elsewhere is not read and sent again as a whole:
// drivers repeat the single requests of an upload in parts themselves, and a
// failure of the content is not the store's.
//
// Nothing is repeated once the context is done.
//
// # When
//
// After a random part (full jitter) of a time that doubles, or when the service
// asked for (RetryAfter), whichever is later. If that comes too near to the
// context's deadline, or is longer than the caller should wait, the error is
// returned at once: a function can then still answer, and its queue waits.
//
// # How often
//
// Each call has few attempts, and all calls of a Store share a budget: a bucket
// of tokens of which each retry takes one, and into which each call that was
// answered at its first try puts a part of one. So a service that fails for
// long gets hardly more requests than without retries, also where callers have
// loops of their own around this one.
package retry

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// Options tune a Store. Zero values choose the defaults.
type Options struct {
	Attempts int // of one call, the first among them: default 5

	// Base and Throttled are the most that is waited before the second attempt:
	// default 100 ms, and 500 ms after Throttled. It doubles up to Max: default
	// 10 s.
	Base      time.Duration
	Throttled time.Duration
	Max       time.Duration

	// LongestWait is the longest RetryAfter that is waited for: default 30 s.
	LongestWait time.Duration

	// Margin is what must be left until the context's deadline after a wait, for
	// the attempt itself and for the caller's answer: default 1 s.
	Margin time.Duration

	// Burst is the size of the budget in retries: default 100. Ratio is how many
	// retries each call adds that was answered at its first attempt: default 0.2.
	Burst float64
	Ratio float64

	Log *slog.Logger // of retries, at debug: default discard

	Sleep  func(context.Context, time.Duration) error // default a timer
	Jitter func() float64                             // in [0,1): default random
}

// Store is a store whose calls are tried again.
type Store struct {
	store.Store
	now     func() time.Time
	opts    Options
	budget  *budget
	retries atomic.Int64
	denied  atomic.Int64
}

var _ store.Coverer = (*Store)(nil)

// New decorates inner. now is the clock that contexts' deadlines are of.
func New(inner store.Store, now func() time.Time, opts Options) *Store {
	opts.Attempts = cmp.Or(opts.Attempts, 5)
	opts.Base = cmp.Or(opts.Base, 100*time.Millisecond)
	opts.Throttled = cmp.Or(opts.Throttled, 500*time.Millisecond)
	opts.Max = cmp.Or(opts.Max, 10*time.Second)
	opts.LongestWait = cmp.Or(opts.LongestWait, 30*time.Second)
	opts.Margin = cmp.Or(opts.Margin, time.Second)
	opts.Burst = cmp.Or(opts.Burst, 100)
	opts.Ratio = cmp.Or(opts.Ratio, 0.2)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Sleep == nil {
		opts.Sleep = store.Sleep
	}
	if opts.Jitter == nil {
		opts.Jitter = rand.Float64
	}
	return &Store{Store: inner, now: now, opts: opts, budget: newBudget(opts.Burst, opts.Ratio)}
}

// Unwrap returns the decorated store.
func (s *Store) Unwrap() store.Store { return s.Store }

// Stats are counts since New.
type Stats struct {
	Retries int64 // attempts after the first
	Denied  int64 // retries that the budget did not permit
}

// Stats returns the counts.
func (s *Store) Stats() Stats { return Stats{Retries: s.retries.Load(), Denied: s.denied.Load()} }
