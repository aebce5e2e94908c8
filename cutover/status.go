package cutover

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
)

// StatusOptions are those of Status.
type StatusOptions struct {
	Canary  bool          // measure the lag, which writes a small object to both sides and removes it again
	Timeout time.Duration // for the canary: default twice cutover.max_lag
}

// Status says where a migration stands. The JSON names are stable.
type Status struct {
	At        time.Time     `json:"at"`
	Migration string        `json:"migration"`
	Source    string        `json:"source"`
	Target    string        `json:"target"`
	Control   string        `json:"control"`
	Phase     control.Phase `json:"phase"`
	Epoch     int64         `json:"epoch"`
	Revision  int64         `json:"revision"`
	Authority control.Side  `json:"authority"` // the side that the application writes to

	Run          *RunStatus `json:"run"`     // nil: none is under way
	Lag          *LagStatus `json:"lag"`     // nil: not measured
	Backlog      *int64     `json:"backlog"` // events in the queue; nil: cannot be told
	BacklogError string     `json:"backlog_error,omitempty"`

	Seeded     *control.Seeded     `json:"seeded"`
	Comparison *control.Comparison `json:"comparison"` // the last one of everything
	Turn       *control.Turn       `json:"turn"`       // the last change of the authority
	Sweep      *control.Sweep      `json:"sweep"`      // the last look after one
	SweepDue   bool                `json:"sweep_due"`  // it has still to be made

	// Late names the first late writes that are kept; LateCount is how many.
	Late      []control.Late     `json:"late"`
	LateCount int                `json:"late_count"`
	Backfills []control.Backfill `json:"backfills"` // under way

	History []control.Entry `json:"history"` // the last few, oldest first

	Attention []string `json:"attention"` // what is not as it should be, a sentence each
	Next      Next     `json:"next"`
}

// RunStatus is a cutover or rollback under way.
type RunStatus struct {
	ID        string    `json:"id"`
	Operation string    `json:"operation"`
	Operator  string    `json:"operator"`
	Host      string    `json:"host"`
	PID       int       `json:"pid"`
	Step      string    `json:"step"`
	Strict    bool      `json:"strict"`
	Started   time.Time `json:"started"`
	Since     time.Time `json:"since"` // when the phase began

	// Held says that the application may be held: it was told to, and not yet to
	// go on.
	Held bool `json:"held"`
}

// LagStatus is how long a canary took from the authority to the other side.
type LagStatus struct {
	Direction control.Direction `json:"direction"`
	MS        int64             `json:"ms"`
	Lost      bool              `json:"lost"` // it did not arrive within MS
	Error     string            `json:"error,omitempty"`

	// What the function that carried it is, and sees.
	Tool     string        `json:"tool,omitempty"`
	Phase    control.Phase `json:"phase,omitempty"`
	Revision int64         `json:"revision,omitempty"`
}

// Next is the next step to take.
type Next struct {
	Text    string `json:"text"`
	Command string `json:"command"` // "" where there is none to type
}

const (
	maxLateNamed   = 100
	maxHistoryTail = 10
)

// Status gathers where the migration stands. It changes no state; a canary is
// gone again when it returns. What could not be found out is said in the Status:
// the error is for a control object that cannot be read.
func (e *Engine) Status(ctx context.Context, o StatusOptions) (Status, error) {
	held, err := e.load(ctx)
	if err != nil {
		return Status{}, err
	}
	s := held.State
	st := Status{
		At: e.o.Now().UTC().Round(0), Migration: e.m.Name, Source: e.sourceID, Target: e.targetID, Control: e.m.Control.ID(),
		Phase: s.Phase, Epoch: s.Epoch, Revision: s.Revision, Authority: s.Authority,
		Seeded: s.Seeded, Comparison: s.Comparison, Turn: s.Turn, Sweep: s.Sweep, SweepDue: sweepDue(s),
		Late: []control.Late{}, Backfills: []control.Backfill{},
		History: append([]control.Entry{}, s.History[max(0, len(s.History)-maxHistoryTail):]...),
	}
	if r := s.Run; r != nil {
		st.Run = &RunStatus{
			ID: r.ID, Operation: r.Operation, Operator: r.Operator, Host: r.Host, PID: r.PID, Step: r.Step,
			Strict: r.Strict, Started: r.Started, Since: since(s), Held: isHeld(s),
		}
	}
	var failed [2]error
	var wg sync.WaitGroup
	wg.Go(func() { st.Late, st.LateCount, failed[0] = e.firstLate(ctx) })
	wg.Go(func() {
		var open []control.Backfill
		open, failed[1] = e.docs.Backfills(ctx, e.o.Now())
		st.Backfills = append(st.Backfills, open...)
	})
	wg.Go(func() {
		if e.o.Backlog == nil {
			return
		}
		n, err := e.o.Backlog(ctx)
		if err != nil {
			st.BacklogError = err.Error()
			return
		}
		st.Backlog = &n
	})
	if o.Canary && s.MayWrite(control.Away(s.Authority)) {
		wg.Go(func() { st.Lag = e.lagStatus(ctx, s, cmp.Or(o.Timeout, 2*e.m.Cutover.MaxLag)) })
	}
	wg.Wait()
	for i, what := range []string{"the late writes", "the notes of backfills"} {
		if failed[i] != nil {
			st.Attention = append(st.Attention, fmt.Sprintf("%s cannot be read: %v", what, failed[i]))
		}
	}
	st.Attention = append(append([]string{}, st.Attention...), attention(st, e.m.Cutover.MaxLag, int64(e.m.Cutover.MaxErrors))...)
	st.Next = nextStep(st)
	return st, ctx.Err()
}

// isHeld reports whether the application may be waiting.
func isHeld(s control.State) bool {
	return s.Run != nil && !s.Run.FreezeBegan.IsZero() && s.Run.Thawed.IsZero()
}

func (e *Engine) firstLate(ctx context.Context) ([]control.Late, int, error) {
	first, n := []control.Late{}, 0
	for l, err := range e.docs.LateWrites(ctx) {
		if err != nil {
			return first, n, err
		}
		if n++; len(first) < maxLateNamed {
			first = append(first, l)
		}
	}
	return first, n, nil
}

func (e *Engine) lagStatus(ctx context.Context, s control.State, timeout time.Duration) *LagStatus {
	l := &LagStatus{Direction: control.Away(s.Authority)}
	m, err := e.measureLag(ctx, s, timeout)
	if err != nil {
		l.Error = err.Error()
		return l
	}
	l.MS, l.Lost = m.sample.MS, m.sample.Lost
	l.Tool, l.Phase, l.Revision = m.seen.Tool, m.seen.Phase, m.seen.Revision
	return l
}
