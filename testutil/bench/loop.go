package main

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// rate is what a loop in this process reached.
type rate struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"per_second"`
	CPU       float64 `json:"cpu_us"` // per operation, of client and server together
}

// loop calls op with growing numbers, from workers goroutines, for d, and
// returns the rate. units says how many things one call of op does.
func loop(ctx context.Context, name string, d time.Duration, workers int, op func(ctx context.Context, i int) (units int, err error)) (rate, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next, done atomic.Int64
	var group sync.WaitGroup
	cpu, begin := selfCPU(), time.Now()
	for range workers {
		group.Go(func() {
			for time.Since(begin) < d && ctx.Err() == nil {
				n, err := op(ctx, int(next.Add(1)-1))
				if err != nil {
					cancel(err)
					return
				}
				done.Add(int64(n))
			}
		})
	}
	group.Wait()
	took, used := time.Since(begin).Seconds(), selfCPU()-cpu
	if err := context.Cause(ctx); err != nil {
		return rate{}, err
	}
	n := float64(done.Load())
	return rate{Name: name, PerSecond: n / took, CPU: used / n * 1e6}, nil
}

// selfCPU is the CPU seconds that this process has used.
func selfCPU() float64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}
