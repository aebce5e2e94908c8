package demo

import (
	"math"
	"time"

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

	// OnTarget is how many of these operations were made after the move.
	OnTarget int `json:"on_target"`

	LagMS    LagMS   `json:"lag_ms"`
	FreezeMS float64 `json:"freeze_ms"`

	Backfill BackfillCounts `json:"backfill"`
	Events   EventCounts    `json:"events"`

	Lost        int `json:"lost"`
	Stale       int `json:"stale"`
	Resurrected int `json:"resurrected"`
	Corrupt     int `json:"corrupt"`
	Foreign     int `json:"foreign"`
	Compared    int `json:"compared"` // keys, living and deleted

	Seconds float64 `json:"seconds"` // of the whole run

	Faults     []Fault `json:"faults"` // the first of them
	FirstError string  `json:"first_error,omitempty"`

	// Injected counts the requests that were made to fail, by kind, where
	// Options.Faults asked for that.
	Injected map[string]int `json:"injected,omitempty"`
}

// LagMS is the replication lag: from a change on the source until a function
// acknowledged its last event, having seen the target in order.
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

// EventCounts are of the delivery of the source's events.
type EventCounts struct {
	Sent        int `json:"sent"`
	Redelivered int `json:"redelivered"`
	Dead        int `json:"dead"` // given up after many deliveries
}

// Fault is one key that is not as the application was told.
type Fault struct {
	Key     string `json:"key"`
	Verdict string `json:"verdict"`
	Why     string `json:"why"`
}

// maxFaults is how many a Result names.
const maxFaults = 20

// OK reports whether everything is on the target as the application was told,
// and the application met no error.
func (r *Result) OK() bool {
	return r.Lost+r.Stale+r.Resurrected+r.Corrupt+r.Foreign+r.Errors == 0
}

func (r *Result) judge(found demoapp.Findings) {
	r.Lost = found.Count(demoapp.Lost)
	r.Stale = found.Count(demoapp.Stale)
	r.Resurrected = found.Count(demoapp.Resurrected)
	r.Corrupt = found.Count(demoapp.Corrupt)
	r.Foreign = found.Count(demoapp.Foreign)
	r.Faults = []Fault{}
	for _, f := range found.Sorted() {
		if len(r.Faults) == maxFaults {
			break
		}
		r.Faults = append(r.Faults, Fault{Key: f.Key, Verdict: f.Verdict.String(), Why: f.Why})
	}
}

// ms is d in milliseconds, to a tenth.
func ms(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Millisecond)*10) / 10
}
