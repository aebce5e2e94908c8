package backfill

import (
	"context"
	"sync"
	"sync/atomic"
)

// forEach calls work for what feed puts, on up to Concurrency goroutines. put
// returns false when nothing more is wanted, work when it was cut short by the
// context. On Stop, on the context's end, and when feed fails, what waits is
// dropped and what is in work is waited for. complete means that feed returned
// nil and that nothing was dropped or cut short.
func forEach[T any](ctx context.Context, o Options, feed func(put func(T) bool) error, work func(context.Context, T) bool) (complete bool, err error) {
	queue := make(chan T, queueLength)
	soft, cancel := o.untilStop(ctx)
	defer cancel()
	var dropped, abort atomic.Bool
	var wg sync.WaitGroup
	for range o.Concurrency {
		wg.Go(func() {
			for t := range queue {
				if abort.Load() || o.stopped(ctx) || !work(ctx, t) {
					dropped.Store(true)
				}
			}
		})
	}
	err = feed(func(t T) bool {
		select {
		case queue <- t:
			return true
		case <-soft.Done():
			dropped.Store(true)
			return false
		}
	})
	if err != nil {
		abort.Store(true)
	}
	close(queue)
	wg.Wait()
	return err == nil && !dropped.Load(), err
}
