package cutover

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

var errHook = errors.New("exit status 1")

func hang(ctx context.Context, _ HookCall) (bool, error) {
	<-ctx.Done()
	return true, context.Cause(ctx)
}

func fail(context.Context, HookCall) (bool, error) { return true, errHook }

// Whatever a hook does, the application is not left held, nothing is lost, and
// the error says which hook it was.
func TestHooksThatFail(t *testing.T) {
	t.Parallel()
	at := func(step string, side control.Side, times int32, f func(context.Context, HookCall) (bool, error)) func(context.Context, HookCall) (bool, error) {
		var n atomic.Int32
		return func(ctx context.Context, c HookCall) (bool, error) {
			if c.Step == step && c.Authority == side && n.Add(1) <= times {
				return f(ctx, c)
			}
			return false, nil
		}
	}
	for name, c := range map[string]struct {
		hook  func(context.Context, HookCall) (bool, error)
		phase control.Phase
		steps string
		says  string
	}{
		"freeze fails": {at(StepFreeze, control.Source, 1, fail), control.Following, "freeze:source unfreeze:source", "freeze hook"},
		"freeze hangs": {at(StepFreeze, control.Source, 1, hang), control.Following, "freeze:source unfreeze:source", "cutover.max_freeze"},
		"switch fails": {at(StepSwitch, control.Target, 1, fail), control.Following, "freeze:source switch:target switch:source unfreeze:source", "switch hook"},
		"switch hangs": {at(StepSwitch, control.Target, 1, hang), control.Following, "freeze:source switch:target switch:source unfreeze:source", "switch hook"},
		"undo fails twice": {
			func() func(context.Context, HookCall) (bool, error) {
				first, undo := at(StepSwitch, control.Target, 1, fail), at(StepSwitch, control.Source, 2, fail)
				return func(ctx context.Context, c HookCall) (bool, error) {
					if c.Authority == control.Source {
						return undo(ctx, c)
					}
					return first(ctx, c)
				}
			}(), control.Following, "freeze:source switch:target switch:source switch:source switch:source unfreeze:source", "switch hook",
		},
		"unfreeze fails twice":         {at(StepUnfreeze, control.Target, 2, fail), control.Reversed, "freeze:source switch:target unfreeze:target unfreeze:target unfreeze:target", ""},
		"switch moved it, but says no": {nil, control.Following, "freeze:source switch:target switch:source unfreeze:source", "switch hook"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 10)
				w.hooks.do(c.hook)
				if c.hook == nil {
					w.hooks.do(at(StepSwitch, control.Target, 1, func(ctx context.Context, h HookCall) (bool, error) {
						return true, errors.Join(w.app.told(ctx, h), errHook)
					}))
				}
				w.app.run(100 * time.Millisecond)
				rep, err := w.engine().Cutover(w.ctx, RunOptions{})
				if got := strings.Join(w.hooks.steps(), " "); got != c.steps {
					t.Errorf("hooks: %s\nwant:  %s", got, c.steps)
				}
				if (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v, want one with %q", err, c.says)
				}
				if c.says != "" && (rep.Outcome != report.Aborted || rep.Reason == "" || strings.Contains(err.Error(), "\n")) {
					t.Errorf("outcome %s, reason %q", rep.Outcome, rep.Reason)
				}
				if rep.Freeze == nil || rep.Freeze.End.IsZero() {
					t.Errorf("freeze %+v", rep.Freeze)
				}
				w.check(c.phase)
			})
		})
	}
}

// An unfreeze hook that never succeeds leaves a run that says so, and that the
// same command continues.
func TestUnfreezeThatNeverSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		w.app.run(100 * time.Millisecond)
		w.hooks.do(func(ctx context.Context, c HookCall) (bool, error) {
			if c.Step == StepUnfreeze {
				return fail(ctx, c)
			}
			return false, nil
		})
		_, err := w.engine().Cutover(w.ctx, RunOptions{})
		if err == nil || !strings.Contains(err.Error(), "may still be held") || w.state().Phase != control.Switched {
			t.Fatalf("phase %s, %v", w.state().Phase, err)
		}
		w.hooks.do(nil)
		if _, err := w.engine(onlyOne).Cutover(w.ctx, RunOptions{}); err != nil {
			t.Fatal(err)
		}
		w.check(control.Reversed)
	})
}

// Functions that stop in the freeze end it: no barrier comes through.
func TestFreezeEndsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		w.app.run(100 * time.Millisecond)
		rep, err := w.engine(func(o *Options) {
			o.Stepped = func(step string) { w.functions.Store(step != "frozen" && w.functions.Load()) }
		}).Cutover(w.ctx, RunOptions{})
		if err == nil || !strings.Contains(err.Error(), "cutover.max_freeze") || !strings.Contains(err.Error(), "barrier") {
			t.Fatal(err)
		}
		if most := w.m.Cutover.MaxFreeze.Seconds() + 0.2; rep.Freeze.Seconds > most {
			t.Errorf("the freeze lasted %.2f s, at most %.2f s were permitted", rep.Freeze.Seconds, most)
		}
		w.functions.Store(true)
		w.check(control.Following)
	})
}

// A control store that fails in the freeze does not hold the application.
func TestControlStoreFailsInTheFreeze(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"frozen", "drained", "switching", "switch-hook:before", "switch-hook:after"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 10)
				w.app.run(100 * time.Millisecond)
				var out atomic.Bool
				w.ctl.SetIntercept(func(ctx context.Context, op memstore.Op) error {
					if out.Load() {
						<-ctx.Done()
						return ctx.Err()
					}
					return w.slow(ctx, op)
				})
				rep, err := w.engine(func(o *Options) {
					o.Stepped = func(step string) {
						if step == at {
							out.Store(true)
						}
					}
				}).Cutover(w.ctx, RunOptions{})
				if err == nil {
					t.Fatal("it has succeeded")
				}
				w.app.mu.Lock()
				held := w.app.held
				w.app.mu.Unlock()
				if held {
					t.Fatalf("the application was left held: %v", err)
				}
				if most := w.m.Cutover.MaxFreeze.Seconds() + 0.1; rep.Freeze.End.IsZero() || rep.Freeze.Seconds > most {
					t.Errorf("the freeze lasted %.2f s until %s: %v", rep.Freeze.Seconds, rep.Freeze.End, err)
				}
				out.Store(false)
				_, err = w.engine(onlyOne).Cutover(w.ctx, RunOptions{})
				if aborted, ok := errors.AsType[*AbortedError](err); ok && !aborted.Held {
					_, err = w.engine(onlyOne).Cutover(w.ctx, RunOptions{})
				}
				if err != nil {
					t.Fatal(err)
				}
				s := w.state()
				if s.Phase != control.Reversed {
					t.Errorf("phase %s", s.Phase)
				}
			})
		})
	}
}

// lossy loses the answer of the n-th write of the control object, and of the read
// after it: who wrote cannot know whether it was done.
type lossy struct {
	store.Store
	n     int32
	puts  atomic.Int32
	blind atomic.Bool
}

func (l *lossy) Unwrap() store.Store { return l.Store }

func (l *lossy) Put(ctx context.Context, key string, c store.Content, o store.PutOptions) (*store.Object, error) {
	obj, err := l.Store.Put(ctx, key, c, o)
	if err == nil && key == control.StateKey("shop") && l.puts.Add(1) == l.n {
		l.blind.Store(true)
		return nil, &store.Error{Op: "put", Key: key, Kind: store.Unavailable, Err: errors.New("the answer is lost")}
	}
	return obj, err
}

func (l *lossy) Open(ctx context.Context, key string, o store.ReadOptions) (*store.Reader, error) {
	if key == control.StateKey("shop") && l.blind.CompareAndSwap(true, false) {
		return nil, &store.Error{Op: "open", Key: key, Kind: store.Unavailable, Err: errors.New("the answer is lost")}
	}
	return l.Store.Open(ctx, key, o)
}

// Whichever answer of the control store is lost, the run ends well, or by an
// abort.
func TestAnswersThatAreLost(t *testing.T) {
	t.Parallel()
	switched, aborted := 0, 0
	for n, more := int32(1), true; more; n++ {
		synctest.Test(t, func(t *testing.T) {
			w := ready(t, report.Cutover)
			l := &lossy{Store: w.ctl, n: n}
			_, err := w.engine(func(o *Options) { o.ControlStore, o.Control = l, w.documents(l) }).Cutover(w.ctx, RunOptions{})
			more = l.puts.Load() >= n
			a, ok := errors.AsType[*AbortedError](err)
			switch {
			case err == nil:
				switched++
			case ok && a.Held:
				t.Errorf("answer %d: %v", n, err)
			default:
				aborted++
				if _, err := w.engine(onlyOne).Cutover(w.ctx, RunOptions{}); err != nil {
					t.Errorf("answer %d: the same command again: %v", n, err)
				}
			}
			w.check(control.Reversed)
		})
		if t.Failed() {
			return
		}
	}
	if switched == 0 || aborted == 0 {
		t.Errorf("%d switched, %d aborted", switched, aborted)
	}
}
