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
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// Whatever hinders a cutover is named in one line with what to do, and nothing is
// changed.
func TestRefusals(t *testing.T) {
	t.Parallel()
	denied := func(name string) memstore.Intercept {
		return func(_ context.Context, op memstore.Op) error {
			if op.Name == name && op.Stage == memstore.Before {
				return &store.Error{Op: name, Kind: store.Denied, Err: errors.New("AccessDenied")}
			}
			return nil
		}
	}
	swap := func(w *world, change func(*control.State)) {
		held, err := w.docs.Load(w.ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		s := held.Clone()
		change(&s)
		if _, err := w.docs.Swap(w.ctx, held, s); err != nil {
			w.t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		change func(*world)
		op     string
		says   []string
	}{
		"no switch hook":       {func(w *world) { w.m.Cutover.Switch = nil }, "", []string{"switch hook", "declare cutover.switch"}},
		"nothing to roll back": {func(*world) {}, report.Rollback, []string{"phase", "the source is the authority"}},
		"seeding":              {func(w *world) { swap(w, func(s *control.State) { s.Phase = control.Seeding }) }, "", []string{"backfill is not complete", "crossfade backfill"}},
		"done":                 {func(w *world) { swap(w, func(s *control.State) { s.Phase = control.Done }) }, "", []string{"finished"}},
		"cut over already": {func(w *world) {
			swap(w, func(s *control.State) { s.Phase, s.Authority = control.Reversed, control.Target })
		}, "", []string{"crossfade rollback"}},
		"failed objects": {func(w *world) { swap(w, func(s *control.State) { s.Seeded.Failed = 3 }) }, "", []string{"3 objects failed"}},
		"an open backfill": {func(w *world) {
			if err := w.docs.PutBackfill(w.ctx, control.Backfill{ID: "B", Operator: "bob@x", Begun: time.Now(), Renewed: time.Now()}); err != nil {
				w.t.Fatal(err)
			}
		}, "", []string{"open backfills", "bob@x"}},
		"late writes": {func(w *world) {
			if err := w.docs.Keep(w.ctx, control.Late{Key: "lost", Side: control.Source, Removed: true}, nil); err != nil {
				w.t.Fatal(err)
			}
		}, "", []string{"late writes", `"lost"`, "crossfade resolve"}},
		"lag":                       {func(w *world) { w.m.Cutover.MaxLag = 10 * time.Millisecond }, "", []string{"lag", "cutover.max_lag is 10ms"}},
		"functions do not run":      {func(w *world) { w.functions.Store(false) }, "", []string{"lag", "are the functions running"}},
		"target cannot be written":  {func(w *world) { w.dst.SetIntercept(denied("put")) }, "", []string{"target", "AccessDenied", "credentials"}},
		"source cannot be listed":   {func(w *world) { w.src.SetIntercept(denied("list")) }, "", []string{"source", "AccessDenied"}},
		"the bucket has no policy":  {func(w *world) { w.m.Cutover.Freeze.Mode = config.FreezeS3Policy }, "", []string{"freeze", "mode hook"}},
		"another end":               {func(w *world) { w.m.Target = location(w.t, "gs://elsewhere") }, "", []string{"gs://elsewhere", "another name"}},
		"control object is missing": {func(w *world) { w.m.Name = "other" }, "", []string{"missing", "crossfade init"}},
		"control object is newer": {func(w *world) {
			w.put(control.StateKey("shop"), `{"format": 2, "new": true}`)
		}, "", []string{"format 2", "newer"}},
		"control object is damaged": {func(w *world) { w.put(control.StateKey("shop"), `{"format": 1, "mi`) }, "", []string{"damaged"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3)
				c.change(w)
				before := w.ctl.Bucket().Get(control.StateKey("shop"))
				op := operation(w.engine().Engine, c.op)
				_, err := op(w.ctx, RunOptions{})
				if err == nil {
					t.Fatal("it was not refused")
				}
				for _, say := range c.says {
					if !strings.Contains(err.Error(), say) {
						t.Errorf("%v\ndoes not say %q", err, say)
					}
				}
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("%q is not one line", err)
				}
				if len(w.hooks.steps()) != 0 || w.ctl.Bucket().Get(control.StateKey("shop")).Generation != before.Generation {
					t.Errorf("something was changed; hooks %v", w.hooks.steps())
				}
			})
		})
	}
}

// put writes a control document as it is.
func (w *world) put(key, body string) {
	w.t.Helper()
	if _, err := w.ctl.Put(w.ctx, key, store.Bytes(body), store.PutOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// A backfill that begins between the checks and the announcement keeps no journal.
func TestBackfillBeginsAtTheSameTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		e := w.engine(func(o *Options) {
			o.Stepped = func(step string) {
				if step != "announced" {
					return
				}
				if err := w.docs.PutBackfill(w.ctx, control.Backfill{ID: "B", Operator: "bob@x", Begun: time.Now(), Renewed: time.Now()}); err != nil {
					t.Error(err)
				}
			}
		})
		_, err := e.Cutover(w.ctx, RunOptions{})
		if a, ok := errors.AsType[*AbortedError](err); !ok || a.Held || !strings.Contains(err.Error(), "a backfill of bob@x began at the same time") {
			t.Errorf("%v", err)
		}
		w.check(control.Following)
	})
}

// What does not become equal ends the run before the freeze, with keys.
func TestComparisonThatFindsSomething(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5)
		if _, err := w.dst.Put(w.ctx, "stranger", store.Bytes("x"), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		_, err := w.engine().Cutover(w.ctx, RunOptions{})
		aborted, ok := errors.AsType[*AbortedError](err)
		if !ok || aborted.Held || !strings.Contains(err.Error(), `"stranger"`) || !strings.Contains(err.Error(), "cutover.max_errors is 0") {
			t.Fatalf("%v", err)
		}
		if len(w.hooks.steps()) != 0 || w.state().Phase != control.Following || w.state().Run != nil || w.state().Comparison.Wrong != 1 {
			t.Errorf("hooks %v, state %+v", w.hooks.steps(), w.state())
		}
		w.m.Cutover.MaxErrors = 1
		if _, err := w.engine().Cutover(w.ctx, RunOptions{}); err != nil {
			t.Error(err)
		}
	})
}

func TestInitAndSeeded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		e := w.engine()
		held, err := e.Init(w.ctx)
		if err != nil || held.Phase != control.Following || held.Revision != w.state().Revision {
			t.Errorf("init of what is there: %+v, %v", held, err)
		}
		if err := e.Seeded(w.ctx, 7); err != nil || w.state().Phase != control.Following || w.state().Seeded.Objects != 7 {
			t.Errorf("seeded again: %+v, %v", w.state(), err)
		}
		w.m.Name = "second"
		held, err = w.engine().Init(w.ctx)
		if err != nil || held.Phase != control.Seeding || held.Authority != control.Source || held.Epoch != 0 || len(held.History) != 1 {
			t.Errorf("init: %+v, %v", held, err)
		}
		if _, err := w.engine().Abort(w.ctx); err == nil || !strings.Contains(err.Error(), "nothing to abort") {
			t.Errorf("abort of nothing: %v", err)
		}
		_, err = w.engine().Finish(w.ctx, FinishOptions{})
		if phase, ok := errors.AsType[*PhaseError](err); !ok || !slices.Contains(phase.Possible, "the end of the backfill") {
			t.Errorf("finish while seeding: %v", err)
		}
	})
}

func TestFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		if _, err := w.engine().Cutover(w.ctx, RunOptions{}); err != nil {
			t.Fatal(err)
		}
		late := control.Late{Key: "late", Side: control.Source, Removed: true}
		if err := w.docs.Keep(w.ctx, late, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := w.engine().Finish(w.ctx, FinishOptions{}); err == nil || !strings.Contains(err.Error(), "crossfade resolve") {
			t.Fatalf("with a late write: %v", err)
		}
		late.ID = control.LateID(late.Side, late.Key, late.Version)
		if err := w.docs.Settle(w.ctx, late); err != nil {
			t.Fatal(err)
		}
		for _, st := range []store.Store{w.src, w.dst} {
			if _, err := control.Send(w.ctx, st, "shop", control.Signal{ID: "left", Kind: control.Canary, Carried: true}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.docs.PutBackfill(w.ctx, control.Backfill{ID: "dead", Renewed: time.Now().Add(-time.Hour)}); err != nil {
			t.Fatal(err)
		}
		f, err := w.engine().Finish(w.ctx, FinishOptions{Stamps: true})
		if err != nil {
			t.Fatal(err)
		}
		if f.Signals != 2 || f.Notes != 1 || f.Stamps != 10 || f.Failed != 0 || len(f.Decommission) < 3 || w.state().Phase != control.Done {
			t.Errorf("finished %+v, phase %s", f, w.state().Phase)
		}
		w.settle()
		objects, _ := w.dst.Bucket().List("", "", false, 100)
		for _, o := range objects {
			if len(o.Metadata) != 0 || strings.HasPrefix(o.Name, store.ControlPrefix) {
				t.Errorf("%s is left with %v", o.Name, o.Metadata)
			}
		}
		if again, err := w.engine().Finish(w.ctx, FinishOptions{Stamps: true}); err != nil || again.Stamps != 0 || again.Signals != 0 {
			t.Errorf("again: %+v, %v", again, err)
		}
		if o := w.dst.Bucket().Get("key-001"); o == nil || w.src.Bucket().Get("key-001") == nil {
			t.Error("an object is gone")
		}
	})
}
