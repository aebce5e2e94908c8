package cutover

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
)

// crashed is what a process that is killed panics with.
type crashed struct{ step string }

// dieAt kills the process at its n-th step; 0 is never. It returns the number of
// steps and the last one.
func dieAt(n int) (change func(*Options), p **process, steps *int, last *string) {
	p, steps, last = new(*process), new(int), new(string)
	return func(o *Options) {
		o.Stepped = func(step string) {
			*steps++
			*last = step
			if *steps == n {
				(*p).dead.Store(true)
				panic(crashed{step})
			}
		}
	}, p, steps, last
}

// mayDie runs an operation of a process that may be killed.
func mayDie(f func() (report.Report, error)) (died bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(crashed); !ok {
				panic(v)
			}
			died = true
		}
	}()
	_, err = f()
	return false, err
}

func operation(e *Engine, op string) func(context.Context, RunOptions) (report.Report, error) {
	if op == report.Rollback {
		return e.Rollback
	}
	return e.Cutover
}

func endPhase(op string) control.Phase {
	if op == report.Rollback {
		return control.Following
	}
	return control.Reversed
}

// ready returns a world in which op can begin.
func ready(t *testing.T, op string, change ...func(*world)) *world {
	w := newWorld(t, 10)
	for _, c := range change {
		c(w)
	}
	w.app.run(250 * time.Millisecond)
	if op == report.Rollback {
		if _, err := w.engine().Cutover(w.ctx, RunOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
	}
	return w
}

// Killed at each step in turn, a run is continued to its end by the same command:
// at once; and by one who comes when max_freeze has long passed, and who then may
// have to begin anew.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		for _, op := range []string{report.Cutover, report.Rollback} {
			if op == report.Rollback && late {
				continue // it adds nothing
			}
			t.Run(fmt.Sprintf("%s,late=%v", op, late), func(t *testing.T) {
				t.Parallel()
				seen := map[string]bool{}
				for n, died := 1, true; died; n++ {
					synctest.Test(t, func(t *testing.T) {
						w := ready(t, op)
						change, p, _, last := dieAt(n)
						*p = w.engine(change)
						var err error
						died, err = mayDie(func() (report.Report, error) { return operation((*p).Engine, op)(w.ctx, RunOptions{Strict: late}) })
						if err != nil {
							t.Fatalf("killed at step %d: %v", n, err)
						}
						if died {
							seen[*last] = true
							w.goOn(t, op, late, *last)
						}
						w.check(endPhase(op))
						if t.Failed() {
							t.Logf("killed at step %d, %s", n, *last)
						}
					})
					if t.Failed() {
						return
					}
				}
				for _, step := range []string{
					"announced", "compared", "ready", "frozen", "freeze-hook:before", "freeze-hook:after", "drained", "delta", "switching",
					"switch-hook:before", "switch-hook:after", "switched", "unfreeze-hook:before", "unfreeze-hook:after", "thawed", "turned", "swept", "completed",
				} {
					if !seen[step] {
						t.Errorf("no process was killed at %q", step)
					}
				}
			})
		}
	}
}

// goOn runs the same command again until it succeeds.
func (w *world) goOn(t *testing.T, op string, late bool, last string) {
	t.Helper()
	if late {
		time.Sleep(w.m.Cutover.MaxFreeze)
	}
	if last == "completed" {
		return
	}
	_, err := operation(w.engine(onlyOne).Engine, op)(w.ctx, RunOptions{})
	aborted, ok := errors.AsType[*AbortedError](err)
	switch {
	case err == nil:
		return
	case !ok || !late || aborted.Held:
		t.Fatalf("the same command again: %v", err)
	}
	w.app.mu.Lock()
	held := w.app.held
	w.app.mu.Unlock()
	if held {
		t.Fatal("the abort has left the application held")
	}
	if _, err := operation(w.engine(onlyOne).Engine, op)(w.ctx, RunOptions{}); err != nil {
		t.Fatalf("the same command after an abort: %v", err)
	}
}

// Killed at each step before the switch, a run can be aborted by another process.
func TestAbortAfterEachStep(t *testing.T) {
	t.Parallel()
	for _, op := range []string{report.Cutover, report.Rollback} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			for n, before := 1, true; before; n++ {
				synctest.Test(t, func(t *testing.T) {
					w := ready(t, op)
					change, p, _, last := dieAt(n)
					*p = w.engine(change)
					if died, err := mayDie(func() (report.Report, error) { return operation((*p).Engine, op)(w.ctx, RunOptions{}) }); !died {
						t.Fatalf("it was not killed: %v", err)
					}
					s := w.state()
					before = s.Phase == control.Announced || s.Phase == control.Frozen
					rep, err := w.engine(onlyOne).Abort(w.ctx)
					if before != (err == nil) {
						t.Fatalf("killed at %q in phase %s: abort: %v", *last, s.Phase, err)
					}
					if !before {
						return
					}
					if rep.Outcome != report.Aborted || rep.Operation != report.Abort {
						t.Errorf("report %+v", rep)
					}
					back := control.Following
					if op == report.Rollback {
						back = control.Reversed
					}
					w.check(back)
				})
				if t.Failed() {
					return
				}
			}
		})
	}
}

// An interrupt at each step either leaves the application where it was, or has it
// moved altogether; never held.
func TestInterruptedAtEachStep(t *testing.T) {
	t.Parallel()
	for n, more := 1, true; more; n++ {
		synctest.Test(t, func(t *testing.T) {
			w := ready(t, report.Cutover)
			ctx, cancel := context.WithCancel(w.ctx)
			steps := 0
			_, err := w.engine(func(o *Options) {
				o.Stepped = func(string) {
					if steps++; steps == n {
						cancel()
					}
				}
			}).Cutover(ctx, RunOptions{})
			more = steps >= n
			s := w.state()
			switch aborted, ok := errors.AsType[*AbortedError](err); {
			case ok && (s.Phase != control.Following || aborted.Held || s.Run != nil):
				t.Errorf("step %d: %v, and the phase is %s", n, err, s.Phase)
			case !ok && s.Authority != control.Target:
				t.Errorf("step %d: %v, and the authority is the %s", n, err, s.Authority)
			case !ok && err != nil:
				if _, err := w.engine(onlyOne).Cutover(w.ctx, RunOptions{}); err != nil {
					t.Errorf("step %d: the same command again: %v", n, err)
				}
			}
			w.check(w.state().Phase)
		})
		if t.Failed() {
			return
		}
	}
}
