// Package limit is a decorator that bounds how many calls of a store are under
// way at once, by what the store bears.
//
// # The algorithm
//
// AIMD, as TCP's congestion control: additive increase, multiplicative decrease.
// Object stores say plainly when it is too much (503 SlowDown, 429, ServerBusy),
// and how long a call takes depends on its object: so errors of Kind Throttled
// are the signal, and not latency as in Vegas or Gradient2.
//
//   - The limit begins low and grows by one with each answer (slow start), until
//     it meets Options.Max or the first Throttled.
//   - Throttled multiplies what is under way by Options.Decrease (0.7), and that
//     is the new limit. All calls that were under way then are one window: if
//     they are throttled too, that is the same news and changes nothing more.
//   - Each answer adds 1/limit, so one more call for each round of answers, but
//     Options.Increase (0.1) at most: for a low limit one more is a large step.
//     Only calls that found the limit more than half used count; idle time proves
//     nothing.
//   - One call at a time may still be too much for the service. From there on
//     calls are paced: the gap between their starts is divided by Options.Decrease
//     with each Throttled, up to Options.MaxGap, and each answer shortens it by
//     Options.Speedup (3 %).
//
// NotFound, Precondition and the like are answers; Unavailable and Unknown tell
// nothing about load and change nothing.
//
// # What holds a place
//
// A call holds its place until it returns, Open until the headers are there: a
// body is paid for by then, and one that held a place while its reader waits for
// a place at another store could stop both for ever. For the same reason a Put of
// content that is not in memory gives its place back once it opens the content;
// drivers bound the parts of large uploads themselves. Listings take no place:
// they are one request at a time, but what they meet counts.
//
// Places are given in the order they were asked for.
//
// Below package retry, so that a wait between attempts holds no place and each
// attempt counts:
//
//	retry.New(limit.New(driver, …), …)
package limit

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// Options tune a Store. Zero values choose the defaults.
type Options struct {
	Name  string // of the store, for logs and errors
	Max   int    // most calls at once: default 256
	Start int    // calls at once in the beginning: default 16, at most Max

	Decrease float64       // what remains of the limit after Throttled: default 0.7
	Increase float64       // most that one answer adds to the limit: default 0.1
	Speedup  float64       // share by which one answer shortens the gap: default 0.03
	MinGap   time.Duration // between the starts of calls, the first time: default 20 ms
	MaxGap   time.Duration // default 2 s

	Log *slog.Logger // default discard

	Sleep func(context.Context, time.Duration) error // default a timer
}

// Store is a store with a limit.
type Store struct {
	store.Store
	name string
	l    *limiter
}

var _ store.Coverer = (*Store)(nil)

// New decorates inner. now is the clock of the pace.
func New(inner store.Store, now func() time.Time, opts Options) *Store {
	opts.Max = cmp.Or(opts.Max, 256)
	opts.Start = min(cmp.Or(opts.Start, 16), opts.Max)
	opts.Decrease = cmp.Or(opts.Decrease, 0.7)
	opts.Increase = cmp.Or(opts.Increase, 0.1)
	opts.Speedup = cmp.Or(opts.Speedup, 0.03)
	opts.MinGap = cmp.Or(opts.MinGap, 20*time.Millisecond)
	opts.MaxGap = cmp.Or(opts.MaxGap, 2*time.Second)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Sleep == nil {
		opts.Sleep = store.Sleep
	}
	return &Store{Store: inner, name: opts.Name, l: newLimiter(now, opts)}
}

// Unwrap returns the decorated store.
func (s *Store) Unwrap() store.Store { return s.Store }

// Stats is the state of a limit.
type Stats struct {
	Limit     int           // calls at once, now
	Lowest    int           // since New; Max where nothing was throttled
	Gap       time.Duration // between the starts of calls; 0 where there is no pace
	InFlight  int           // places taken
	Waiting   int           // calls that wait for a place
	Throttled int64         // answers of Kind Throttled since New
}

// LogValue is the state as a group.
func (s Stats) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("limit", s.Limit), slog.Int("lowest", s.Lowest), slog.Duration("gap", s.Gap),
		slog.Int("in_flight", s.InFlight), slog.Int("waiting", s.Waiting), slog.Int64("throttled", s.Throttled))
}

// Stats returns the state.
func (s *Store) Stats() Stats { return s.l.stats() }
