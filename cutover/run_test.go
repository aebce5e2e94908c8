package cutover

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

func TestCutoverAndRollback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 40)
		w.app.run(20 * time.Millisecond)
		e := w.engine()
		rep, err := e.Cutover(w.ctx, RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if rep.Outcome != report.Switched || rep.Epoch != 0 || rep.EpochAfter != 1 || rep.Phase != "reversed" || rep.Freeze == nil || rep.Sweep == nil {
			t.Errorf("report %+v", rep)
		}
		if c := rep.Counts; c.BarriersArrived != barriers || c.BarriersSent != barriers || c.Objects == 0 || c.JournalKeys == 0 {
			t.Errorf("counts %+v", c)
		}
		if want := []string{"freeze:source", "switch:target", "unfreeze:target"}; !slices.Equal(w.hooks.steps(), want) {
			t.Errorf("hooks %v, want %v", w.hooks.steps(), want)
		}
		kept, err := e.Report(w.ctx, rep.Run)
		if err != nil || kept.Outcome != report.Switched || kept.Run != rep.Run || len(kept.Hooks) != 3 || len(kept.Lag.Samples) == 0 {
			t.Errorf("the report that is kept: %+v, %v", kept, err)
		}
		if s := w.state(); s.Run != nil || s.Turn == nil || s.Turn.To != control.Target || s.Turn.Since.IsZero() || s.Turn.Cut.Before(s.Turn.Since) || s.Turn.Born.IsZero() || s.Turn.Run != rep.Run || s.Turn.Epoch != 1 {
			t.Errorf("state %+v, turn %+v", s, s.Turn)
		}
		time.Sleep(2 * time.Second)
		rep, err = w.engine().Rollback(w.ctx, RunOptions{Strict: true})
		if err != nil {
			t.Fatal(err)
		}
		if rep.Outcome != report.Switched || rep.EpochAfter != 2 || !rep.Strict || rep.Comparisons[2].Kind != report.CompareStrict {
			t.Errorf("report %+v", rep)
		}
		w.check(control.Following)
	})
}

// The comparison of everything can hold up the functions. It is not the application
// that waits until they have caught up.
func TestFreezeWaitsForTheFunctions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		w.m.Cutover.MaxLag = time.Second // they are above that, and come below it
		w.app.run(20 * time.Millisecond)
		rep, err := w.engine(func(o *Options) {
			o.Stepped = func(step string) {
				if now := time.Now(); step == "compared" {
					w.behind.Store(&now)
				}
			}
		}).Cutover(w.ctx, RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if rep.Freeze.Seconds > 1 {
			t.Errorf("the freeze took %.1f s", rep.Freeze.Seconds)
		}
		w.check(control.Reversed)
	})
}

// Functions that stay behind are not frozen for.
func TestFunctionsThatStayBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		w.m.Cutover.MaxLag = 2 * time.Second
		w.app.run(20 * time.Millisecond)
		_, err := w.engine(func(o *Options) {
			o.Stepped = func(step string) {
				if then := time.Now().Add(45 * time.Second); step == "compared" {
					w.behind.Store(&then)
				}
			}
		}).Cutover(w.ctx, RunOptions{})
		if err == nil || !strings.Contains(err.Error(), "the functions") {
			t.Errorf("%v", err)
		}
		if got := w.hooks.steps(); len(got) != 0 {
			t.Errorf("hooks %v", got)
		}
		time.Sleep(2 * time.Minute)
		w.check(control.Following)
	})
}

// Functions that are slow for good are as slow in the freeze: nothing is gained by
// more than a few canaries.
func TestFreezeWaitsForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		var compared time.Time
		var waited time.Duration
		_, err := w.engine(func(o *Options) {
			o.Stepped = func(step string) {
				switch step {
				case "compared":
					w.latency.Store(int64(200 * time.Millisecond)) // of several requests for each canary
					compared = time.Now()
				case "ready":
					waited = time.Since(compared)
				}
			}
		}).Cutover(w.ctx, RunOptions{})
		if err != nil || waited > 15*time.Second {
			t.Errorf("%v, after %s", err, waited)
		}
		w.check(control.Reversed)
	})
}

// The application waits for a handful of requests one after another, and not for
// more because the bucket is larger.
func TestFreezeCostsFewRoundTrips(t *testing.T) {
	t.Parallel()
	trips := func(objects int) (n float64) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, objects)
			w.latency.Store(int64(100 * time.Millisecond))
			rep, err := w.engine(func(o *Options) {
				o.Stepped = func(step string) {
					if step == "ready" { // the last write before the freeze is still on its way in it
						w.app.write("key-001")
					}
				}
			}).Cutover(w.ctx, RunOptions{})
			if err != nil {
				t.Fatal(err)
			}
			n = rep.Freeze.Seconds / 0.1
			for _, p := range rep.Freeze.Parts {
				t.Logf("%-10s %4.0f ms", p.Name, 1000*p.End.Sub(p.Start).Seconds())
			}
			w.check(control.Reversed)
		})
		return n
	}
	few, many := trips(5), trips(500)
	t.Logf("%.1f and %.1f", few, many)
	// The control object is written three times; before the first the application
	// does not wait. A barrier is put, a function asks for the state, gets it and
	// puts it, and it is found: 5. The journal is listed, and what it names is
	// looked at: 2. The rest is the hooks' own time, and the pauses between looks
	// for the barriers.
	if few > 12 || many > few+0.5 {
		t.Errorf("the freeze took %.1f requests one after another, and with more objects %.1f", few, many)
	}
}

// Without a freeze the application writes on: what comes late is kept, all else
// is on the target.
func TestFreezeNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 40)
		w.m.Cutover.Freeze = config.Freeze{Mode: config.FreezeNone}
		w.m.Cutover.Unfreeze = nil
		// The hook turns the application round, and a part of it is slow to notice.
		w.hooks.do(func(ctx context.Context, c HookCall) (bool, error) {
			if c.Step == StepSwitch {
				return true, errors.Join(store.Sleep(ctx, 500*time.Millisecond), w.app.told(ctx, c))
			}
			return false, nil
		})
		w.app.run(20 * time.Millisecond)
		rep, err := w.engine().Cutover(w.ctx, RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		w.app.stop()
		w.settle()
		late, err := w.engine().Late(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(late) == 0 || rep.Freeze.Mode != report.FreezeNone {
			t.Error("nothing came late: the test shows nothing")
		}
		kept := map[string]bool{}
		for _, l := range late {
			kept[l.Key] = true
		}
		for key, want := range w.app.record {
			if o := w.dst.Bucket().Get(key); !kept[key] && (o == nil || string(o.Body) != want) {
				t.Errorf("%s: %q is neither on the target nor kept", key, want)
			}
		}
	})
}

// What was carried just after the announcement, by a function that did not know of
// it yet, is in no journal. It must not look like something that no event told of,
// when the application has deleted it since and the way back stands still.
func TestWhatWasCarriedUnawaresIsNotPutBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20)
		w.latency.Store(int64(time.Millisecond)) // the announcement comes within the lease
		e := w.engine(func(o *Options) {
			o.Stepped = func(step string) {
				switch step {
				case "announced":
					w.app.write("unawares")
					time.Sleep(functionLease)
				case "turned":
					w.functions.Store(false)
					w.app.change("unawares", true)
				}
			}
		})
		w.app.write("warm") // the function has just read that all is steady
		time.Sleep(functionLease / 10)
		_, err := e.Cutover(w.ctx, RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if w.src.Bucket().Get("unawares") == nil {
			t.Error("the delete was carried back: the test shows nothing")
		}
		if o := w.dst.Bucket().Get("unawares"); o != nil {
			t.Errorf("%q is back on the authority", o.Body)
		}
		w.functions.Store(true)
		w.settle()
		w.check(control.Reversed)
	})
}

// Who wants to go back at once need not wait for the sweep.
func TestRollbackBeforeTheSweep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20)
		w.m.FunctionTimeout = 4 * time.Second
		w.app.run(100 * time.Millisecond)
		ctx, cancel := context.WithCancel(w.ctx)
		_, err := w.engine(func(o *Options) {
			o.Stepped = func(step string) {
				if step == "turned" {
					cancel()
				}
			}
		}).Cutover(ctx, RunOptions{})
		if err == nil || !strings.Contains(err.Error(), "run crossfade cutover again") || w.state().Phase != control.Reversed {
			t.Fatalf("phase %s, %v", w.state().Phase, err)
		}
		if _, err := w.engine(onlyOne).Rollback(w.ctx, RunOptions{}); err != nil {
			t.Fatal(err)
		}
		s := w.state()
		if s.Sweep == nil || s.Sweep.At.Before(s.Turn.At) {
			t.Errorf("sweep %+v", s.Sweep)
		}
		w.check(control.Following)
	})
}

func TestDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		before := w.state()
		rep, err := w.engine().Cutover(w.ctx, RunOptions{DryRun: true})
		if err != nil || rep.Outcome != report.Rehearsed || len(rep.Comparisons) != 1 {
			t.Fatalf("%+v, %v", rep, err)
		}
		for _, c := range w.hooks.calls {
			if !c.DryRun {
				t.Errorf("a hook was really run: %+v", c)
			}
		}
		if len(w.hooks.calls) != 3 || w.state().Revision != before.Revision {
			t.Errorf("%d hooks, revision %d, was %d", len(w.hooks.calls), w.state().Revision, before.Revision)
		}
		// It finds what a cutover would be refused for, and mends nothing.
		w.functions.Store(false)
		if err := w.dst.Delete(w.ctx, "key-003", store.Condition{}); err != nil {
			t.Fatal(err)
		}
		w.hooks.do(fail)
		_, err = w.engine().Cutover(w.ctx, RunOptions{DryRun: true})
		refused, ok := errors.AsType[*RefusedError](err)
		if !ok || !strings.Contains(err.Error(), "switch hook") || !strings.Contains(err.Error(), "lag") || refused.Checks.OK() {
			t.Errorf("error %v", err)
		}
		w.functions.Store(true)
		w.hooks.do(nil)
		if _, err = w.engine().Cutover(w.ctx, RunOptions{DryRun: true}); err == nil || !strings.Contains(err.Error(), "key-003") {
			t.Errorf("error %v", err)
		}
		if w.dst.Bucket().Get("key-003") != nil {
			t.Error("the comparison of a dry run has mended something")
		}
		w.app.run(time.Second)
		if _, err := w.engine().Cutover(w.ctx, RunOptions{}); err != nil {
			t.Error(err)
		}
		w.check(control.Reversed)
	})
}
