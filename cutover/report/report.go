// Package report is the evidence of a cutover: what happened, when, how long
// writes stood still, what was compared and what was found. A Report is pure
// data that the cutover fills in; here it becomes JSON, one self-contained HTML
// page, and a few lines for the terminal. There is no clock in it, and equal
// reports give equal bytes.
//
// Nothing in a Report may be a secret: stores are named by their IDs, hooks by
// their names, and their output is redacted by whoever ran them. Everything else
// is taken for hostile: keys, names and outputs are escaped, control and
// direction characters made visible, and lengths bounded.
package report

import "time"

// Format is the version of the JSON document. It grows when a field changes its
// meaning or goes; a field more leaves it as it is.
const Format = 1

// The operations.
const (
	Cutover  = "cutover"
	Rollback = "rollback"
	Abort    = "abort"
)

// The outcomes.
const (
	// Switched: the other side is the authority now, and the switch hook succeeded.
	Switched = "switched"
	// Aborted: given up before the switch, by a rule or by the operator.
	Aborted = "aborted"
	// Failed: ended by an error; Phase, EpochAfter and Freeze say where it stands.
	Failed = "failed"
	// Rehearsed: a dry run that found nothing in the way.
	Rehearsed = "rehearsed"
)

// Report is what one cutover, rollback or abort did. The JSON names are stable.
type Report struct {
	Format int    `json:"format"` // JSON fills it in
	Tool   string `json:"tool"`   // crossfade's version

	Migration string `json:"migration"`
	Source    string `json:"source"`  // ID of the migration's source, whatever the direction
	Target    string `json:"target"`  // ID of the migration's target
	Control   string `json:"control"` // ID of where the control objects are

	Operation string `json:"operation"`
	Strict    bool   `json:"strict"`
	DryRun    bool   `json:"dry_run"`
	Outcome   string `json:"outcome"`
	Reason    string `json:"reason"`  // of an abort or failure, or of what was left undone after the switch: one sentence
	Remedy    string `json:"remedy"`  // what to do next: one sentence
	Phase     string `json:"phase"`   // of the migration, at the end
	Resumed   int    `json:"resumed"` // how often it was continued after it was interrupted

	Operator   string `json:"operator"`
	Run        string `json:"run"` // ID of this run
	Epoch      int64  `json:"epoch"`
	EpochAfter int64  `json:"epoch_after"`

	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`

	Phases      []Span       `json:"phases"` // announce, wait, compare, freeze, drain, delta, switch, reverse
	Freeze      *Freeze      `json:"freeze"` // nil if it never came to that
	Hooks       []HookRun    `json:"hooks"`
	Counts      Counts       `json:"counts"`
	Lag         Lag          `json:"lag"`
	Comparisons []Comparison `json:"comparisons"` // in the order in which they ran
	Sweep       *Sweep       `json:"sweep"`       // nil until one has ended
	History     []Event      `json:"history"`
	Notes       []string     `json:"notes"` // what a reader must know besides, a sentence each

	// Hashes names digests of what the run went by: of the configuration, the
	// state, the tool's binary.
	Hashes map[string]string `json:"hashes"`

	// Omitted counts, by list, what Bounded left out.
	Omitted map[string]int64 `json:"omitted,omitempty"`
}

// Span is a piece of the run. One that did not come to its end has no End.
type Span struct {
	Name  string    `json:"name"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end,omitzero"`
	Note  string    `json:"note,omitempty"`
}

// The modes of a freeze.
const (
	FreezeNone     = "none"      // writes went on
	FreezeHook     = "hook"      // a hook of the user's stopped the writers
	FreezeS3Policy = "s3-policy" // a deny statement in the bucket's policy
)

// Freeze is the time in which nobody could write, and what it was spent on.
type Freeze struct {
	Mode string `json:"mode"`

	Start time.Time `json:"start"`        // of the last write that the old side accepted
	End   time.Time `json:"end,omitzero"` // writes are accepted again; zero if they are not
	Parts []Span    `json:"parts"`        // barrier, drain, delta, switch; hooks among them

	Seconds float64 `json:"seconds"` // its length; that of mode none is how long writes could still come late
	Budget  float64 `json:"budget"`  // max_freeze in seconds; zero if there was none
}

// The kinds and results of hooks.
const (
	HookCommand = "command"
	HookWebhook = "webhook"

	HookOK       = "ok"
	HookFailed   = "failed"
	HookTimedOut = "timed out"
)

// HookRun is one call of a hook of the user's, with all its attempts.
type HookRun struct {
	Name     string    `json:"name"` // freeze, switch, unfreeze
	Kind     string    `json:"kind"`
	Start    time.Time `json:"start"`
	Seconds  float64   `json:"seconds"`
	Attempts int       `json:"attempts"`
	Result   string    `json:"result"`
	Output   string    `json:"output"` // redacted by whoever ran it
}

// Counts are the figures of a run.
type Counts struct {
	Objects         int64 `json:"objects"` // on the side that the application left
	Bytes           int64 `json:"bytes"`
	JournalKeys     int64 `json:"journal_keys"` // changed since the last clean comparison
	BarriersSent    int64 `json:"barriers_sent"`
	BarriersArrived int64 `json:"barriers_arrived"`
	LateKept        int64 `json:"late_kept"` // writes to the old side after the switch, kept under the control prefix
	Repaired        int64 `json:"repaired"`
	Failures        int64 `json:"failures"` // keys that could not be synced
}

// Lag is how long a write took from one side to the other, by canary objects.
// Quantiles makes one.
type Lag struct {
	Samples []LagSample `json:"samples"`
	P50     int64       `json:"p50_ms"`
	P90     int64       `json:"p90_ms"`
	P99     int64       `json:"p99_ms"`
	Max     int64       `json:"max_ms"`
	Lost    int64       `json:"lost"` // canaries that were given up
}

// LagSample is one canary: written at At, seen MS milliseconds later. One that
// was given up is Lost, and MS is how long it was waited for.
type LagSample struct {
	At   time.Time `json:"at"`
	MS   int64     `json:"ms"`
	Lost bool      `json:"lost,omitempty"`
}

// The kinds of comparisons.
const (
	CompareFull    = "full"    // everything, while writes went on
	CompareChanged = "changed" // in the freeze: the keys changed since the last clean comparison
	CompareStrict  = "strict"  // in the freeze: everything
	CompareSweep   = "sweep"   // after the switch: everything
)

// Comparison is one comparison of the two sides. The classes are those of
// backfill.Report; each key is in one of them.
type Comparison struct {
	Kind      string    `json:"kind"`
	Start     time.Time `json:"start"`
	Seconds   float64   `json:"seconds"`
	Keys      int64     `json:"keys"`
	Bytes     int64     `json:"bytes"`
	Equal     int64     `json:"equal"`
	Missing   int64     `json:"missing"`
	Different int64     `json:"different"`
	Extra     int64     `json:"extra"`
	Foreign   int64     `json:"foreign"`
	Failed    int64     `json:"failed"`
	Repaired  int64     `json:"repaired"` // of the unequal ones

	Checksum    bool `json:"checksum"`    // bodies were read on both sides
	Interrupted bool `json:"interrupted"` // not all keys were looked at

	Examples []string `json:"examples"` // keys that are not equal
}

// Sweep is what the comparison after the switch found and did.
type Sweep struct {
	Start    time.Time `json:"start"`
	End      time.Time `json:"end,omitzero"`
	Keys     int64     `json:"keys"`     // looked at
	Dropped  int64     `json:"dropped"`  // changes from before the switch that no event had told of
	Repaired int64     `json:"repaired"` // of those
	Undone   int64     `json:"undone"`   // writes of stragglers, made after the switch, taken back
	Kept     int64     `json:"kept"`     // late writes to the old side, kept under the control prefix
	Failed   int64     `json:"failed"`   // keys that could not be looked at or repaired
	Examples []string  `json:"examples"`
}

// Event is who did what to the state of the migration.
type Event struct {
	At    time.Time `json:"at"`
	Who   string    `json:"who"`
	What  string    `json:"what"`
	Phase string    `json:"phase"`
	Epoch int64     `json:"epoch"`
	Note  string    `json:"note,omitempty"`
}

// From is the side that the application leaves, or would leave: the source; of
// the way back, the target.
func (r Report) From() string {
	if r.back() {
		return r.Target
	}
	return r.Source
}

// To is the side that the application goes to, or would go to.
func (r Report) To() string {
	if r.back() {
		return r.Source
	}
	return r.Target
}

// back reports whether this is of the way back. An abort is, if it leaves the
// application on the target.
func (r Report) back() bool {
	return r.Operation == Rollback || r.Operation == Abort && (r.Phase == "switched" || r.Phase == "reversed")
}
