package run

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/pull"
)

// gate stands before the work of all sources: it bounds how much there is at
// once, lets nothing begin once stop is done, and ends what is in work with work.
type gate struct {
	proc       pull.Processor
	slots      *semaphore.Weighted
	most       int64
	stop, work context.Context //nolint:containedctx // of the process, not of a call

	mu     sync.Mutex
	inWork int
	idle   chan struct{}            // closed while nothing is in work
	busy   map[string]chan struct{} // by key, closed when it is free again
}

func newGate(stop, work context.Context, proc pull.Processor, most int) *gate {
	g := &gate{proc: proc, slots: semaphore.NewWeighted(int64(most)), most: int64(most), stop: stop, work: work, idle: make(chan struct{}), busy: map[string]chan struct{}{}}
	close(g.idle)
	return g
}

// enter waits until n more events may be in work. It returns the context of that
// work, and what ends it; false when there is no time left for it.
func (g *gate) enter(ctx context.Context, n int) (work context.Context, leave func(), ok bool) {
	weight := min(int64(max(n, 1)), g.most)
	wait, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(g.stop, cancel)
	err := g.slots.Acquire(wait, weight)
	unhook()
	cancel()
	if err != nil {
		return nil, nil, false
	}
	g.mu.Lock()
	if g.stop.Err() != nil || ctx.Err() != nil {
		g.mu.Unlock()
		g.slots.Release(weight)
		return nil, nil, false
	}
	if g.inWork == 0 {
		g.idle = make(chan struct{})
	}
	g.inWork++
	g.mu.Unlock()
	work, cancel = context.WithCancel(ctx)
	unhook = context.AfterFunc(g.work, cancel)
	return work, func() {
		unhook()
		cancel()
		g.slots.Release(weight)
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.inWork--; g.inWork == 0 {
			close(g.idle)
		}
	}, true
}

// wait returns when nothing is in work, after stop is done.
func (g *gate) wait() {
	g.mu.Lock()
	idle := g.idle
	g.mu.Unlock()
	<-idle
}

// Process hands events on when there is room for them, those of one key one after
// the other: together they would only get in each other's way. Those that come too
// late are answered with a retry.
func (g *gate) Process(ctx context.Context, events []functions.Event) []functions.Verdict {
	free, ok := g.alone(ctx, events)
	if ok {
		defer free()
		var work context.Context
		var leave func()
		if work, leave, ok = g.enter(ctx, len(events)); ok {
			defer leave()
			return g.proc.Process(work, events)
		}
	}
	verdicts := make([]functions.Verdict, len(events))
	for i := range verdicts {
		verdicts[i] = stopping()
	}
	return verdicts
}

// alone waits until nobody else has the key of the events, if it is one. It
// returns what frees it again; false when there is no time left.
func (g *gate) alone(ctx context.Context, events []functions.Event) (free func(), ok bool) {
	key := ""
	for i, e := range events {
		if e.Key == "" || i > 0 && e.Key != key {
			return func() {}, true
		}
		key = e.Key
	}
	for {
		g.mu.Lock()
		taken := g.busy[key]
		if taken == nil {
			mine := make(chan struct{})
			g.busy[key] = mine
			g.mu.Unlock()
			return func() {
				g.mu.Lock()
				defer g.mu.Unlock()
				delete(g.busy, key)
				close(mine)
			}, true
		}
		g.mu.Unlock()
		select {
		case <-taken:
		case <-g.stop.Done():
			return nil, false
		case <-ctx.Done():
			return nil, false
		}
	}
}

// stopping is the answer to what comes too late.
func stopping() functions.Verdict {
	return functions.Verdict{Outcome: functions.Retry, Reason: "stopping"}
}
