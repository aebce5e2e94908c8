package demoapp

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"
)

// Options configure an App. Zero values choose the defaults.
type Options struct {
	Rate    float64          // operations a second: default 150
	Workers int              // at once: default 16; the operations on one key are never at once
	Now     func() time.Time // default time.Now

	// Attempts at each operation, for clouds whose requests fail: default 1. With
	// more, deleting what is absent is a success, for it may be an own earlier try's.
	Attempts int

	// Accepted, if not nil, is called for every operation that succeeded.
	Accepted func(op Op, at time.Time)
}

// App runs a plan and keeps the record.
type App struct {
	Plan   *Plan
	Record *Record
	opts   Options

	mu       sync.Mutex
	findings Findings
	checked  map[string]bool
}

// NewApp returns an application that has done nothing yet.
func NewApp(plan *Plan, opts Options) *App {
	if opts.Rate == 0 {
		opts.Rate = 150
	}
	if opts.Workers == 0 {
		opts.Workers = 16
	}
	if opts.Attempts == 0 {
		opts.Attempts = 1
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &App{Plan: plan, Record: NewRecord(), opts: opts, findings: Findings{}}
}

// Seed stores the plan's initial objects. An error ends it.
func (a *App) Seed(ctx context.Context, c Client) error {
	seeds := a.Plan.Seeds()
	next := make(chan Op)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range a.opts.Workers {
		wg.Go(func() {
			for op := range next {
				if err := a.do(ctx, c, op); err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for _, op := range seeds {
		select {
		case next <- op:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// Run goes on with the plan at the configured rate until stop is closed or ctx
// is done, and returns when nothing is in flight any more. With check, an
// object that was written before this call is read before the application
// changes it for the first time, and judged: afterwards it would be too late.
func (a *App) Run(ctx context.Context, c Client, stop <-chan struct{}, check bool) {
	a.mu.Lock()
	a.checked = nil
	if check {
		a.checked = map[string]bool{}
	}
	a.mu.Unlock()
	queues := make([]chan Op, a.opts.Workers)
	var wg sync.WaitGroup
	for i := range queues {
		queues[i] = make(chan Op, 32)
		wg.Go(func() {
			for op := range queues[i] {
				if ctx.Err() != nil {
					continue // never begun, so not in the record
				}
				if check {
					a.check(ctx, c, op.Key)
				}
				a.do(ctx, c, op) //nolint:errcheck // it is in the record
			}
		})
	}
	a.feed(ctx, queues, stop)
	for _, q := range queues {
		close(q)
	}
	wg.Wait()
}

// feed hands out operations in step with the clock. After a delay it goes on at
// the rate instead of catching up, but for a short burst.
func (a *App) feed(ctx context.Context, queues []chan Op, stop <-chan struct{}) {
	const burst = 50 * time.Millisecond
	step := time.Duration(float64(time.Second) / a.opts.Rate)
	due := a.opts.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-stop:
			return
		case <-timer.C:
		}
		now := a.opts.Now()
		if now.Sub(due) > burst {
			due = now.Add(-burst)
		}
		for !due.After(now) {
			op := a.Plan.Next()
			select {
			case queues[slot(op.Key, len(queues))] <- op:
			case <-ctx.Done():
				return
			}
			due = due.Add(step)
		}
		timer.Reset(due.Sub(now))
	}
}

func slot(key string, n int) int {
	h := fnv.New32a()
	h.Write([]byte(key))
	return int(h.Sum32() % uint32(n))
}

func (a *App) do(ctx context.Context, c Client, op Op) error {
	if op.Kind == Delete {
		err := a.again(ctx, func() error { return c.Delete(ctx, op.Key) })
		if err != nil && (a.opts.Attempts == 1 || !errors.Is(err, ErrAbsent)) {
			return a.failed(op, nil, err)
		}
		a.Record.Deleted(op.Key)
		a.accepted(op)
		return nil
	}
	body := op.Body.Bytes()
	content := NewContent(body, op.Attrs)
	if err := a.again(ctx, func() error { return c.Put(ctx, op.Key, body, op.Attrs) }); err != nil {
		return a.failed(op, &content, err)
	}
	a.Record.Stored(op.Kind, op.Key, content)
	a.accepted(op)
	return nil
}

func (a *App) accepted(op Op) {
	if a.opts.Accepted != nil {
		a.opts.Accepted(op, a.opts.Now())
	}
}

func (a *App) failed(op Op, c *Content, err error) error {
	err = fmt.Errorf("%s %q: %w", op.Kind, op.Key, err)
	a.Record.Failed(op.Key, c, err)
	return err
}

func (a *App) check(ctx context.Context, c Client, key string) {
	a.mu.Lock()
	done := a.checked[key]
	a.checked[key] = true
	a.mu.Unlock()
	if done {
		return
	}
	v, why, _, err := a.judge(ctx, c, key)
	if err != nil && ctx.Err() == nil {
		v, why = Corrupt, "cannot be read: "+err.Error()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() == nil {
		a.findings.add(key, v, why)
	}
}

func judge(ctx context.Context, c Client, r *Record, key string) (v Verdict, why string, present bool, err error) {
	got, err := c.Get(ctx, key)
	switch {
	case errors.Is(err, ErrAbsent):
		v, why = r.Judge(key, nil)
		return v, why, false, nil
	case err != nil:
		return Fine, "", false, err
	}
	v, why = r.Judge(key, &got)
	return v, why, true, nil
}
