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

	// Busy, if not nil, is asked before each operation: while it says yes, the
	// application waits. So on a slow machine it is slow, and nothing piles up.
	Busy func() bool

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
	checked  map[string]int // by key: after how many moves it was looked at last
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
	return &App{Plan: plan, Record: NewRecord(), opts: opts, findings: Findings{}, checked: map[string]int{}}
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
// is done, and returns when nothing is in flight any more. It writes to whatever
// side sides says. Each time it has moved, an object that it wrote before is read
// before it changes it for the first time, and judged: afterwards it would be too
// late.
func (a *App) Run(ctx context.Context, sides *Sides, stop <-chan struct{}) {
	queues := make([]chan Op, a.opts.Workers)
	var wg sync.WaitGroup
	for i := range queues {
		queues[i] = make(chan Op, 32)
		wg.Go(func() {
			for op := range queues[i] {
				a.step(ctx, sides, op)
			}
		})
	}
	a.feed(ctx, queues, stop)
	for _, q := range queues {
		close(q)
	}
	wg.Wait()
}

// step does one operation on the side that is the right one when it begins. One
// that never begins is not in the record.
func (a *App) step(ctx context.Context, sides *Sides, op Op) {
	if ctx.Err() != nil {
		return
	}
	t, err := sides.begin(ctx)
	if err != nil {
		return
	}
	defer sides.end()
	if t.moves > 0 {
		a.check(ctx, t.client, t.moves, op.Key)
	}
	if a.do(ctx, t.client, op) == nil {
		sides.accepted(t, a.opts.Now())
	}
}

// feed hands out operations in step with the clock. After a delay it goes on at
// the rate instead of catching up, but for a short burst.
func (a *App) feed(ctx context.Context, queues []chan Op, stop <-chan struct{}) {
	const (
		burst = 50 * time.Millisecond
		rest  = 10 * time.Millisecond // while others are busy
	)
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
		if a.opts.Busy != nil && a.opts.Busy() {
			timer.Reset(rest)
			continue
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

// check judges a key unless that was done since the last of moves.
func (a *App) check(ctx context.Context, c Client, moves int, key string) {
	a.mu.Lock()
	done := a.checked[key] >= moves
	a.checked[key] = moves
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
