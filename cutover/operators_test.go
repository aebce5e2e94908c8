package cutover

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// Of two operators one wins, and the other is told who.
func TestTwoOperators(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		w.app.run(100 * time.Millisecond)
		var wg sync.WaitGroup
		var won atomic.Int32
		for i := range 4 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 700 * time.Millisecond)
				_, err := w.engine(func(o *Options) { o.Operator.Host = string(rune('a' + i)) }).Cutover(w.ctx, RunOptions{})
				busy, ok := errors.AsType[*BusyError](err)
				switch {
				case err == nil:
					won.Add(1)
				case !ok || busy.Operator != "ann@host" || busy.Operation != report.Cutover:
					t.Errorf("the other was told: %v", err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d have won", won.Load())
		}
		if got := w.hooks.steps(); len(got) != 3 {
			t.Errorf("hooks %v", got)
		}
		w.check(control.Reversed)
	})
}

// An operator that was paused, and whose run was taken over meanwhile, does
// nothing more when it wakes.
func TestPausedOperatorIsTakenOver(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"announced", "frozen", "drained", "switching:before", "switching"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 10)
				w.app.run(100 * time.Millisecond)
				paused, wake := make(chan struct{}), make(chan struct{})
				var stopped atomic.Bool
				pause := func() {
					if stopped.Load() {
						<-wake
					}
				}
				first := w.engine(func(o *Options) {
					o.Sleep = func(ctx context.Context, d time.Duration) error {
						err := store.Sleep(ctx, d)
						pause()
						return err
					}
					o.Stepped = func(step string) {
						if step == at && !stopped.Load() {
							stopped.Store(true)
							close(paused)
						}
						pause()
					}
				})
				var err error
				done := make(chan struct{})
				go func() {
					_, err = first.Cutover(w.ctx, RunOptions{})
					close(done)
				}()
				<-paused
				_, second := w.engine(func(o *Options) { o.Operator.Host = "other" }).Cutover(w.ctx, RunOptions{})
				if _, ok := errors.AsType[*AbortedError](second); second != nil && !ok {
					t.Fatalf("the second operator: %v", second)
				}
				steps := len(w.hooks.steps())
				stopped.Store(false)
				close(wake)
				<-done
				if !isTakenOver(err) {
					t.Errorf("the first operator ended with %v", err)
				}
				if now := w.hooks.steps(); len(now) > steps {
					t.Errorf("it has run hooks: %v", now[steps:])
				}
				s := w.state()
				w.check(s.Phase)
			})
		})
	}
}

// A freeze hook that is stuck together with its operator, and gets through when
// the run has long been aborted by another, leaves no application held.
func TestFreezeHookThatOutlivesItsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		w.app.run(100 * time.Millisecond)
		stuck, wake := make(chan struct{}), make(chan struct{})
		var stopped atomic.Bool
		w.hooks.do(func(_ context.Context, c HookCall) (bool, error) {
			if c.Step == StepFreeze {
				stopped.Store(true)
				close(stuck)
				<-wake
			}
			return false, nil
		})
		var err error
		done := make(chan struct{})
		first := w.engine(func(o *Options) {
			o.Sleep = func(ctx context.Context, d time.Duration) error {
				err := store.Sleep(ctx, d)
				if stopped.Load() {
					<-wake
				}
				return err
			}
		})
		go func() {
			_, err = first.Cutover(w.ctx, RunOptions{})
			close(done)
		}()
		<-stuck
		if _, err := w.engine(func(o *Options) { o.Operator.Host = "other" }).Abort(w.ctx); err != nil {
			t.Fatal(err)
		}
		stopped.Store(false)
		close(wake)
		<-done
		if !isTakenOver(err) {
			t.Errorf("the first operator ended with %v", err)
		}
		if got, want := w.hooks.steps(), []string{"freeze:source", "unfreeze:source", "unfreeze:source"}; !slices.Equal(got, want) {
			t.Errorf("hooks %v, want %v", got, want)
		}
		w.check(control.Following)
	})
}
