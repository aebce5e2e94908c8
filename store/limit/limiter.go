package limit

import (
	"container/list"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// limiter gives out places.
type limiter struct {
	opts Options
	now  func() time.Time

	mu       sync.Mutex
	limit    float64 // at least 1
	slow     bool    // slow start: no Throttled yet
	window   uint64  // counts decreases
	inFlight int
	queue    list.List // of chan place, each with room for one

	gap  time.Duration // between starts; 0 unless the limit is 1
	next time.Time     // when the next call may start

	fallen    bool // since the limit was last at Max
	lowest    int
	throttled int64
}

func newLimiter(now func() time.Time, opts Options) *limiter {
	return &limiter{opts: opts, now: now, limit: float64(opts.Start), slow: true, lowest: opts.Max}
}

// place is the right to make a call, and what its outcome is judged by.
type place struct {
	window uint64
	full   bool // the limit was more than half used
}

// acquire waits for a place. Its error is that of the context.
func (l *limiter) acquire(ctx context.Context) (place, error) {
	if err := ctx.Err(); err != nil {
		return place{}, err
	}
	l.mu.Lock()
	if l.free() { // then nobody waits: serve sees to it
		p := l.take()
		l.mu.Unlock()
		return l.pace(ctx, p)
	}
	ready := make(chan place, 1)
	e := l.queue.PushBack(ready)
	l.mu.Unlock()
	select {
	case p := <-ready:
		return l.pace(ctx, p)
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-ready: // it came too late
		l.giveBack()
	default:
		l.queue.Remove(e)
	}
	return place{}, ctx.Err()
}

// pace waits until the call may start.
func (l *limiter) pace(ctx context.Context, p place) (place, error) {
	l.mu.Lock()
	if l.gap == 0 {
		l.mu.Unlock()
		return p, nil
	}
	now := l.now()
	wait := min(l.next.Sub(now), l.gap) // whatever the clock does
	l.next = now.Add(max(wait, 0) + l.gap)
	l.mu.Unlock()
	if wait > 0 {
		if err := l.opts.Sleep(ctx, wait); err != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.giveBack()
			return place{}, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p.window = l.window // it starts only now
	return p, nil
}

// here is a place for a call that takes none.
func (l *limiter) here() place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return place{window: l.window}
}

// The following are called with mu held.

func (l *limiter) free() bool { return l.inFlight < int(l.limit) }

func (l *limiter) take() place {
	l.inFlight++
	return place{window: l.window, full: float64(2*l.inFlight) > l.limit}
}

func (l *limiter) giveBack() {
	l.inFlight--
	l.serve()
}

// serve hands free places to those who wait, first come first served.
func (l *limiter) serve() {
	for l.queue.Len() > 0 && l.free() {
		l.queue.Remove(l.queue.Front()).(chan place) <- l.take()
	}
}

// release gives the place of a call back, and learns from its outcome.
func (l *limiter) release(p place, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.learn(p, err)
	l.giveBack()
}

// report learns from a call without a place.
func (l *limiter) report(p place, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.learn(p, err)
	l.serve()
}

func (l *limiter) learn(p place, err error) {
	switch kind := store.KindOf(err); {
	case err != nil && kind == store.Throttled:
		l.throttled++
		if p.window == l.window {
			l.fall()
		}
	case err != nil && (kind == store.Unavailable || kind == store.Unknown):
	case p.window == l.window:
		l.rise(p)
	}
}

func (l *limiter) fall() {
	l.window++
	l.slow = false
	if !l.fallen {
		l.fallen = true
		l.opts.Log.Info("the store throttles: fewer requests at once", slog.String("store", l.opts.Name))
	}
	if int(l.limit) == 1 {
		l.limit = 1
		l.gap = min(max(time.Duration(float64(l.gap)/l.opts.Decrease), l.opts.MinGap), l.opts.MaxGap)
	} else {
		l.limit = max(1, min(l.limit, float64(max(l.inFlight, 1)))*l.opts.Decrease)
	}
	l.lowest = min(l.lowest, int(l.limit))
	l.opts.Log.Debug("throttled", slog.String("store", l.opts.Name), slog.Int("limit", int(l.limit)), slog.Duration("gap", l.gap))
}

func (l *limiter) rise(p place) {
	switch {
	case l.gap > 0:
		if l.gap -= time.Duration(float64(l.gap) * l.opts.Speedup); l.gap < l.opts.MinGap/2 {
			l.gap = 0
		}
	case !p.full:
	case l.slow:
		l.limit++
	default:
		l.limit += min(1/l.limit, l.opts.Increase)
	}
	if l.limit = min(l.limit, float64(l.opts.Max)); l.limit == float64(l.opts.Max) && l.gap == 0 {
		l.fallen = false
	}
}

func (l *limiter) stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		Limit: int(l.limit), Lowest: l.lowest, Gap: l.gap,
		InFlight: l.inFlight, Waiting: l.queue.Len(), Throttled: l.throttled,
	}
}
