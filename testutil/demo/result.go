package demo

import (
	"math"
	"time"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// Result is what came of a run. The JSON names are stable; durations are in
// milliseconds where the name says so.
type Result struct {
	From string `json:"from"`
	To   string `json:"to"`
	Seed uint64 `json:"seed"`

	Seeded      int   `json:"seeded"` // objects before the application began
	SeededBytes int64 `json:"seeded_bytes"`

	// What the application was told succeeded, on the source and then on the
	// target. Writes are creations and overwrites.
	Writes     int `json:"writes"`
	Overwrites int `json:"overwrites"`
	Deletes    int `json:"deletes"`
	Errors     int `json:"errors"` // operations that failed

	// OnTarget is how many of these operations were made on the target, and
	// AfterRollback on the source again.
	OnTarget      int `json:"on_target"`
	AfterRollback int `json:"after_rollback"`

	LagMS    LagMS   `json:"lag_ms"`
	FreezeMS float64 `json:"freeze_ms"` // of the cutover, as the application saw it

	Cutover  Turn  `json:"cutover"`
	Rollback *Turn `json:"rollback,omitempty"`

	Backfill BackfillCounts `json:"backfill"`
	Events   EventCounts    `json:"events"` // of both directions

	// What differs from the application's record on both sides together, and on
	// each.
	Verdicts
	OnSide   map[string]Verdicts `json:"sides"`
	Compared int                 `json:"compared"` // keys, living and deleted, on each side

	Seconds float64 `json:"seconds"` // of the whole run

	Faults     []Fault `json:"faults"` // the first of them
	FirstError string  `json:"first_error,omitempty"`

	// Injected counts the requests that were made to fail, by kind, where
	// Options.Faults asked for that.
	Injected map[string]int `json:"injected,omitempty"`

	// Reports are the engine's own, of the runs that ended well.
	Reports []report.Report `json:"-"`
}

// Verdicts count faults.
type Verdicts struct {
	Lost        int `json:"lost"`
	Stale       int `json:"stale"`
	Resurrected int `json:"resurrected"`
	Corrupt     int `json:"corrupt"`
	Foreign     int `json:"foreign"`
}

// Sum is all of them.
func (v Verdicts) Sum() int { return v.Lost + v.Stale + v.Resurrected + v.Corrupt + v.Foreign }

// Turn is a cutover, or a rollback.
type Turn struct {
	// FreezeMS is the freeze that counts, by the application: from the last write
	// that was accepted before to the first one after. EngineMS is the freeze as
	// the engine has it, from before the freeze hook to after the last.
	FreezeMS float64 `json:"freeze_ms"`
	EngineMS float64 `json:"engine_freeze_ms"`

	// ReverseSeconds is from the announcement until changes flow the other way.
	ReverseSeconds float64 `json:"announce_to_reverse_seconds"`
	Aborted        int     `json:"aborted"` // attempts that ended before the switch

	Keys     int64 `json:"compared"`         // before the freeze
	Repaired int64 `json:"repaired"`         // of them
	Changed  int64 `json:"compared_changed"` // in the freeze: those that changed since

	// What the look at everything after the turn has found.
	Dropped    int64 `json:"dropped"`    // events that never came
	Stragglers int64 `json:"stragglers"` // writes of the old epoch, undone
	Late       int64 `json:"late"`       // writes to the side that the application had left, kept
}

// LagMS is the replication lag: from a change by the application until a function
// acknowledged its last event, having seen the other side in order.
type LagMS struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// BackfillCounts are of the backfill's own summary.
type BackfillCounts struct {
	Listed  int64   `json:"listed"`
	Copied  int64   `json:"copied"`
	Updated int64   `json:"updated"`
	Skipped int64   `json:"skipped"`
	Failed  int64   `json:"failed"`
	Seconds float64 `json:"seconds"`
}

// EventCounts are of the delivery of events.
type EventCounts struct {
	Sent        int `json:"sent"`
	Redelivered int `json:"redelivered"`
	Dead        int `json:"dead"` // given up after many deliveries
}

// Fault is one key that is not as the application was told.
type Fault struct {
	Side    string `json:"side"`
	Key     string `json:"key"`
	Verdict string `json:"verdict"`
	Why     string `json:"why"`
}

// maxFaults is how many of one side a Result names.
const maxFaults = 10

// OK reports whether everything is on both sides as the application was told, and
// the application met no error.
func (r *Result) OK() bool { return r.Sum()+r.Errors == 0 }

func (r *Result) judge(side demoapp.Side, found demoapp.Findings) {
	v := Verdicts{
		Lost: found.Count(demoapp.Lost), Stale: found.Count(demoapp.Stale), Resurrected: found.Count(demoapp.Resurrected),
		Corrupt: found.Count(demoapp.Corrupt), Foreign: found.Count(demoapp.Foreign),
	}
	if r.OnSide == nil {
		r.OnSide, r.Faults = map[string]Verdicts{}, []Fault{}
	}
	r.OnSide[string(side)] = v
	r.Lost += v.Lost
	r.Stale += v.Stale
	r.Resurrected += v.Resurrected
	r.Corrupt += v.Corrupt
	r.Foreign += v.Foreign
	for i, f := range found.Sorted() {
		if i == maxFaults {
			break
		}
		r.Faults = append(r.Faults, Fault{Side: string(side), Key: f.Key, Verdict: f.Verdict.String(), Why: f.Why})
	}
}

// ms is d in milliseconds, to a tenth.
func ms(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Millisecond)*10) / 10
}
