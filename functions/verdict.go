package functions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// Outcome is what the platform is to do with an event.
type Outcome uint8

// The outcomes, from the mildest.
const (
	Ack        Outcome = iota // done, or nothing to do
	DeadLetter                // no retry can help: keep it for someone to look at
	Retry                     // deliver it again
)

func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("Outcome(%d)", o)
}

var outcomeNames = [...]string{"ack", "dead-letter", "retry"}

// Verdict is the answer to one event.
type Verdict struct {
	Outcome Outcome
	After   time.Duration // do not retry sooner; 0 where it does not matter
	Kind    store.Kind    // of the error, when Sync returned one
	Reason  string        // a few words, without keys
}

// ReasonOutOfTime is that of a verdict on what was cut off at the end of the
// invocation's time. A request of it may still be on its way.
const ReasonOutOfTime = "ran out of time"

// rule is one row of the table below.
type rule struct {
	outcome Outcome
	after   time.Duration // where the store named no delay
}

// rules says what becomes of an event whose Sync failed, by the error's Kind.
var rules = [...]rule{
	store.Unknown:      {Retry, 0},
	store.NotFound:     {Retry, 10 * time.Second}, // of a bucket or an upload: a missing object is no error of Sync
	store.Precondition: {Retry, 0},                // lost every round against other writers
	store.Denied:       {Retry, time.Minute},      // until someone grants it; the platform bounds the retries
	store.Throttled:    {Retry, 10 * time.Second},
	store.Archived:     {DeadLetter, 0}, // the event of the restore syncs it
	store.Invalid:      {DeadLetter, 0},
	store.TooLarge:     {DeadLetter, 0},
	store.Corrupt:      {Retry, 0},
	store.Unavailable:  {Retry, 10 * time.Second},
}

// Judge turns the outcome of a Sync into a verdict. A conflict is acknowledged:
// the policy leaves the foreign object alone, and a retry would find it again.
func Judge(res replicate.Result, err error) Verdict {
	if err == nil {
		return Verdict{Outcome: Ack, Reason: res.Reason}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Verdict{Outcome: Retry, Reason: ReasonOutOfTime}
	}
	kind := store.KindOf(err)
	r := rules[store.Unknown]
	if int(kind) < len(rules) {
		r = rules[kind]
	}
	v := Verdict{Outcome: r.outcome, Kind: kind, Reason: kind.String()}
	if v.Outcome != Retry {
		return v
	}
	v.After = r.after
	if e, ok := errors.AsType[*store.Error](err); ok && e.RetryAfter > 0 {
		v.After = e.RetryAfter
	}
	return v
}

// Worst is the verdict on several events that can only be answered as one: any
// retry outweighs a dead letter, which outweighs an ack; of two retries the one
// that asks for more time. No verdicts at all are an ack.
func Worst(vs ...Verdict) Verdict {
	var w Verdict
	for _, v := range vs {
		if v.Outcome > w.Outcome || v.Outcome == w.Outcome && v.After > w.After {
			w = v
		}
	}
	return w
}
