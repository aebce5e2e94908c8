package functions_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// fail is an error as a driver and Sync return it.
func fail(kind store.Kind, after time.Duration) error {
	return fmt.Errorf("sync: %w", &store.Error{Op: "put", Store: "gs://t", Key: "k", Kind: kind, RetryAfter: after, Err: errors.New("cause")})
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		err     error
		outcome functions.Outcome
		after   time.Duration
		status  int
	}{
		{"done", nil, functions.Ack, 0, 200},
		{"unknown", fail(store.Unknown, 0), functions.Retry, 0, 503},
		{"not found", fail(store.NotFound, 0), functions.Retry, 10 * time.Second, 503},
		{"precondition", fail(store.Precondition, 0), functions.Retry, 0, 503},
		{"denied", fail(store.Denied, 0), functions.Retry, time.Minute, 503},
		{"throttled", fail(store.Throttled, 0), functions.Retry, 10 * time.Second, 429},
		{"throttled, told for how long", fail(store.Throttled, 3*time.Second), functions.Retry, 3 * time.Second, 429},
		{"archived", fail(store.Archived, 0), functions.DeadLetter, 0, 400},
		{"invalid", fail(store.Invalid, 0), functions.DeadLetter, 0, 400},
		{"too large", fail(store.TooLarge, 0), functions.DeadLetter, 0, 400},
		{"corrupt", fail(store.Corrupt, 0), functions.Retry, 0, 503},
		{"unavailable", fail(store.Unavailable, 0), functions.Retry, 10 * time.Second, 503},
		{"unavailable, told for how long", fail(store.Unavailable, time.Hour), functions.Retry, time.Hour, 503},
		{"a kind of a later version", fail(store.Unavailable+1, 0), functions.Retry, 0, 503},
		{"an error without kind", errors.New("?"), functions.Retry, 0, 503},
		{"deadline", context.DeadlineExceeded, functions.Retry, 0, 503},
		{"cancelled, whatever the kind", &store.Error{Kind: store.Invalid, Err: context.Canceled}, functions.Retry, 0, 503},
		{"deadline in a driver's error", &store.Error{Kind: store.TooLarge, Err: context.DeadlineExceeded}, functions.Retry, 0, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := functions.Judge(replicate.Result{}, c.err)
			if v.Outcome != c.outcome || v.After != c.after || v.HTTPStatus() != c.status {
				t.Errorf("%s after %s, status %d; want %s after %s, status %d", v.Outcome, v.After, v.HTTPStatus(), c.outcome, c.after, c.status)
			}
			if c.err != nil && v.Reason == "" {
				t.Error("no reason")
			}
		})
	}
}

// Every action is done when Sync says so, a conflict among them.
func TestJudgeActions(t *testing.T) {
	t.Parallel()
	for a := replicate.Skip; a <= replicate.Conflict; a++ {
		if v := functions.Judge(replicate.Result{Action: a, Reason: "why"}, nil); v.Outcome != functions.Ack || v.Reason != "why" {
			t.Errorf("%s: %+v", a, v)
		}
	}
}

func TestWorst(t *testing.T) {
	t.Parallel()
	if v := functions.Worst(); v.Outcome != functions.Ack {
		t.Errorf("of none: %s", v.Outcome)
	}
	verdict := rapid.Custom(func(t *rapid.T) functions.Verdict {
		return functions.Verdict{
			Outcome: functions.Outcome(rapid.IntRange(0, 2).Draw(t, "outcome")),
			After:   time.Duration(rapid.IntRange(0, 3).Draw(t, "after")) * time.Second,
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		vs := rapid.SliceOfN(verdict, 1, 6).Draw(t, "verdicts")
		w := functions.Worst(vs...)
		has := map[functions.Outcome]bool{}
		for _, v := range vs {
			has[v.Outcome] = true
			if v.Outcome == w.Outcome && v.After > w.After {
				t.Fatalf("%s asks for %s, the worst for %s", v.Outcome, v.After, w.After)
			}
		}
		want := functions.Ack
		switch {
		case has[functions.Retry]:
			want = functions.Retry
		case has[functions.DeadLetter]:
			want = functions.DeadLetter
		}
		if w.Outcome != want {
			t.Fatalf("%s, want %s", w.Outcome, want)
		}
	})
}
