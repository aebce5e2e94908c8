package cutover

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

func TestNextStep(t *testing.T) {
	t.Parallel()
	run := func(op string) *RunStatus { return &RunStatus{Operation: op, Operator: "ann@host"} }
	lost := &LagStatus{Lost: true}
	backfills := []control.Backfill{{ID: "b"}}
	for _, c := range []struct {
		st   Status
		want string // the command
		text string
	}{
		{Status{Phase: control.Seeding}, "crossfade backfill", "copy what is there"},
		{Status{Phase: control.Seeding, Backfills: backfills}, "", "wait for the backfill"},
		{Status{Phase: control.Following}, "crossfade cutover --dry-run", "rehearse"},
		{Status{Phase: control.Following, Backfills: backfills}, "", "wait for the backfill"},
		{Status{Phase: control.Following, LateCount: 2}, "crossfade resolve", "(2)"},
		{Status{Phase: control.Following, Lag: lost}, "crossfade status", "source's events"},
		{Status{Phase: control.Following, SweepDue: true}, "crossfade rollback", "looked at once more"},
		{Status{Phase: control.Reversed, SweepDue: true, LateCount: 1}, "crossfade cutover", "looked at once more"},
		{Status{Phase: control.Reversed, LateCount: 1}, "crossfade resolve", "(1)"},
		{Status{Phase: control.Reversed, Lag: lost}, "crossfade status", "target's events"},
		{Status{Phase: control.Reversed}, "crossfade finish", "crossfade rollback leads back"},
		{Status{Phase: control.Done}, "", "done"},
		{Status{Phase: control.Announced, Run: run(report.Cutover)}, "crossfade cutover", "crossfade abort"},
		{Status{Phase: control.Frozen, Run: run(report.Rollback)}, "crossfade rollback", "ann@host is at it"},
		{Status{Phase: control.Switching, Run: run(report.Cutover)}, "crossfade cutover", "completes the switch"},
		{Status{Phase: control.Switched, Run: run(report.Cutover)}, "crossfade cutover", "back to the source"},
		{Status{Phase: control.Switched, Run: run(report.Rollback)}, "crossfade rollback", "back to the target"},
		{Status{Phase: control.Reversed, Run: run(report.Cutover)}, "crossfade cutover", "sweep"},
		{Status{Phase: control.Frozen}, "crossfade abort", "nobody"},
	} {
		got := nextStep(c.st)
		if !strings.HasPrefix(got.Command, c.want) || (c.want == "") != (got.Command == "") || !strings.Contains(got.Text, c.text) {
			t.Errorf("%s, run %v: %+v, want %q in %q", c.st.Phase, c.st.Run != nil, got, c.text, c.want)
		}
	}
}

func TestAttention(t *testing.T) {
	t.Parallel()
	fine := Status{
		Phase: control.Following, Lag: &LagStatus{MS: 400}, Seeded: &control.Seeded{Objects: 5},
		Comparison: &control.Comparison{Keys: 5}, Sweep: &control.Sweep{},
	}
	if got := attention(fine, time.Second, 0); len(got) != 0 {
		t.Errorf("nothing is wrong: %q", got)
	}
	for want, change := range map[string]func(*Status){
		"told to hold":        func(s *Status) { s.Run = &RunStatus{Held: true} },
		"1 late write has":    func(s *Status) { s.LateCount = 1 },
		"2 late writes have":  func(s *Status) { s.LateCount = 2 },
		"cannot be measured":  func(s *Status) { s.Lag = &LagStatus{Error: "x"} },
		"was not seen":        func(s *Status) { s.Lag = &LagStatus{Lost: true, Direction: control.Forward} },
		"above max_lag":       func(s *Status) { s.Lag = &LagStatus{MS: 1001} },
		"queue does not say":  func(s *Status) { s.BacklogError = "x" },
		"left 3 objects":      func(s *Status) { s.Seeded = &control.Seeded{Failed: 3} },
		"4 keys that are not": func(s *Status) { s.Comparison = &control.Comparison{Wrong: 4} },
		"see to 5 keys":       func(s *Status) { s.Sweep = &control.Sweep{Failed: 5} },
		"way back":            func(s *Status) { s.Phase = control.Switched },
	} {
		st := fine
		change(&st)
		if got := attention(st, time.Second, 3); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%q: %q", want, got)
		}
	}
}

// Status measures with a canary, removes it again, and changes no state.
func TestStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		n := int64(7)
		e := w.engine(func(o *Options) {
			o.Backlog = func(context.Context) (int64, error) { return n, nil }
		})
		before := w.state()
		st, err := e.Status(w.ctx, StatusOptions{Canary: true})
		if err != nil {
			t.Fatal(err)
		}
		if st.Phase != control.Following || st.Authority != control.Source || st.Seeded.Objects != 3 || *st.Backlog != 7 || st.Run != nil || len(st.Attention) != 0 {
			t.Errorf("%+v", st)
		}
		if l := st.Lag; l.Lost || l.Error != "" || l.MS < 30 || l.MS > 1000 || l.Tool != "test" || l.Phase != control.Following || l.Revision != before.Revision {
			t.Errorf("%+v", l)
		}
		if after := w.state(); after.Revision != before.Revision {
			t.Errorf("revision %d after %d", after.Revision, before.Revision)
		}
		w.functions.Store(false)
		st, err = e.Status(w.ctx, StatusOptions{Canary: true, Timeout: time.Second})
		if err != nil || !st.Lag.Lost || st.Lag.MS < 1000 || len(st.Attention) != 1 || !strings.Contains(st.Next.Text, "deploy") {
			t.Errorf("%+v, %+v, %v", st.Lag, st.Next, err)
		}
		w.functions.Store(true)
		w.settle()
		for _, side := range []store.Store{w.src, w.dst} {
			for o, err := range side.List(w.ctx, store.ListOptions{After: control.Prefix("shop")}) {
				if err != nil || strings.HasPrefix(o.Key, control.Prefix("shop")) {
					t.Errorf("left behind: %v, %v", o, err)
				}
			}
		}
		doc, err := json.Marshal(st)
		for _, want := range []string{`"run":null`, `"late":[]`, `"backfills":[]`, `"lag":{"direction":"forward"`, `"phase":"following"`, `"next":{"text"`} {
			if err != nil || !strings.Contains(string(doc), want) {
				t.Errorf("no %s in %s, %v", want, doc, err)
			}
		}
	})
}

func TestStatusTellsWhatItCannotFindOut(t *testing.T) {
	t.Parallel()
	s := newSides(t, func(o *Options) {
		o.Backlog = func(context.Context) (int64, error) { return 0, errors.New("no queue") }
	})
	s.state(control.State{Phase: control.Frozen, Authority: control.Source, Run: &control.Run{ID: "r", Operation: report.Cutover, FreezeBegan: s.clock()}})
	if _, err := s.e.o.ControlStore.Put(t.Context(), control.Prefix("shop")+"late/x.json", store.Bytes("{"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	st, err := s.e.Status(t.Context(), StatusOptions{})
	all := strings.Join(st.Attention, "; ")
	if err != nil || st.Lag != nil || !st.Run.Held || !strings.Contains(all, "late writes cannot be read") || !strings.Contains(all, "no queue") || !strings.Contains(all, "told to hold") {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestSampler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		e := w.engine()
		l := e.sampleLag(w.ctx, w.state(), 5*time.Second, time.Second)
		time.Sleep(11 * time.Second)
		w.functions.Store(false)
		time.Sleep(7 * time.Second)
		got := l.stop()
		if len(got) != 4 || got[0].Lost || got[0].MS < 30 || !got[3].Lost {
			t.Errorf("%+v", got)
		}
	})
	l := &lagSampler{}
	for i := range 3 * maxSamples {
		l.add(report.LagSample{MS: int64(i), Lost: i == 17})
	}
	kept := 0
	for _, s := range l.samples {
		if s.Lost {
			kept++
		}
	}
	if len(l.samples) >= maxSamples || kept != 1 || l.samples[len(l.samples)-1].MS != 3*maxSamples-1 {
		t.Errorf("%d samples, %d lost ones", len(l.samples), kept)
	}
}
