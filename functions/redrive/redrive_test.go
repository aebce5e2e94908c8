package redrive_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/redrive"
	fs3 "github.com/crossfade-io/crossfade/functions/s3"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
	"github.com/crossfade-io/crossfade/testutil/sqssim"
)

// outcomes runs and returns "action key: why" of each message.
func outcomes(t *testing.T, opts redrive.Options) ([]string, redrive.Summary, error) {
	t.Helper()
	var lines []string
	opts.Each = func(o redrive.Outcome) {
		lines = append(lines, fmt.Sprintf("%s %s: %s", o.Action, o.Events[0].Key, o.Why))
	}
	sum, err := redrive.Run(t.Context(), t.Context(), opts)
	return lines, sum, err
}

func TestList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newQueues(t)
		for i := range 25 {
			f.put(notification(fmt.Sprint("k", i)), nil)
		}
		f.put("garbage", map[string]string{"crossfade-reason": "malformed", "crossfade-from": "https://main"})
		var last redrive.Outcome
		opts := redrive.Options{From: f.queue("dead"), Each: func(o redrive.Outcome) { last = o }}
		sum, err := redrive.Run(t.Context(), t.Context(), opts)
		if err != nil || sum != (redrive.Summary{Listed: 26}) {
			t.Errorf("%+v, %v", sum, err)
		}
		if last.Reason != "malformed" || last.From != "https://main" || last.Received != 1 || !strings.Contains(last.Why, "cannot be understood") {
			t.Errorf("the last is %+v", last)
		}
		if bodies, hidden := f.left(); len(bodies) != 26 || hidden != 0 || f.Calls("DeleteMessage") != 0 {
			t.Errorf("%d messages, %d hidden, %d deleted; want 26 as before", len(bodies), hidden, f.Calls("DeleteMessage"))
		}
		opts.Max = 7
		if sum, err = redrive.Run(t.Context(), t.Context(), opts); err != nil || sum.Listed != 7 || !sum.More {
			t.Errorf("of 7: %+v, %v", sum, err)
		}
	})
}

// What is acknowledged is deleted, and nothing else.
func TestSync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newQueues(t)
		for _, key := range []string{"good", "denied", "good2"} {
			f.put(notification(key), nil)
		}
		f.put("garbage", nil)
		f.put(`{"Event":"s3:TestEvent"}`, nil)
		proc := procFunc(func(e functions.Event) functions.Verdict {
			switch {
			case e.Malformed != nil:
				return functions.Verdict{Outcome: functions.DeadLetter, Reason: "malformed"}
			case e.Key == "denied":
				return functions.Verdict{Outcome: functions.Retry, Reason: "denied"}
			case e.Deliveries < 2:
				t.Errorf("%s is delivery %d: Sync would take the target as empty", e.Key, e.Deliveries)
			}
			return functions.Verdict{Reason: "equal"}
		})
		dry, sum, err := outcomes(t, redrive.Options{From: f.queue("dead"), Proc: proc, DryRun: true})
		if err != nil || sum.Synced != 4 || sum.Kept != 1 || f.Calls("DeleteMessage") != 0 {
			t.Errorf("dry run: %q, %+v, %v", dry, sum, err)
		}
		lines, sum, err := outcomes(t, redrive.Options{From: f.queue("dead"), Proc: proc})
		if err != nil || sum != (redrive.Summary{Synced: 3, Kept: 2}) {
			t.Errorf("%+v, %v", sum, err)
		}
		if !slices.Contains(lines, "kept denied: retry: denied") || !slices.Contains(lines, "synced good: equal") {
			t.Errorf("told %q", lines)
		}
		bodies, hidden := f.left()
		if len(bodies) != 2 || bodies[0] != notification("denied") || bodies[1] != "garbage" || hidden != 0 {
			t.Errorf("%q left, %d hidden", bodies, hidden)
		}
		if _, sum, err = outcomes(t, redrive.Options{From: f.queue("dead"), Proc: proc, Discard: true}); err != nil || sum.Discarded != 1 || sum.Kept != 1 {
			t.Errorf("discarding: %+v, %v", sum, err)
		}
		if bodies, _ = f.left(); len(bodies) != 1 {
			t.Errorf("%q left", bodies)
		}
	})
}

// A message is more than its worst event: one that is good in part is not
// discarded, and one that is of no concern to this migration is not done.
func TestWhatIsNotDoneStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newQueues(t)
		good, bad := notification("good"), strings.Replace(notification("bad"), `"bad"`, `"%ZZ"`, 1)
		mixed := strings.TrimSuffix(good, "]}") + "," + strings.TrimPrefix(bad, `{"Records":[`)
		if events := fs3.Decode([]byte(mixed)); len(events) != 2 || events[0].Malformed != nil || events[1].Malformed == nil {
			t.Fatalf("%+v of %s", events, mixed)
		}
		f.put(mixed, nil)
		f.put(notification("elsewhere"), nil)
		proc := procFunc(func(e functions.Event) functions.Verdict {
			switch {
			case e.Malformed != nil:
				return functions.Verdict{Outcome: functions.DeadLetter, Reason: "malformed"}
			case e.Key == "elsewhere":
				return functions.Verdict{Reason: functions.ReasonOutside}
			default:
				return functions.Verdict{Reason: "equal"}
			}
		})
		lines, sum, err := outcomes(t, redrive.Options{From: f.queue("dead"), Proc: proc, Discard: true})
		if err != nil || sum != (redrive.Summary{Kept: 2}) {
			t.Errorf("%+v, %v: %q", sum, err, lines)
		}
		if bodies, _ := f.left(); len(bodies) != 2 {
			t.Errorf("%q left", bodies)
		}
	})
}

// A key that is in order already is compared, and not copied.
func TestNothingIsCopiedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src, dst := memstore.Fresh(), memstore.Fresh()
		for _, key := range []string{"done", "missing"} {
			if _, err := src.Put(t.Context(), key, store.Bytes([]byte(key)), store.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		rep, err := replicate.New(src, dst, replicate.Options{SourceID: "mem://s", TargetID: "mem://t"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rep.Sync(t.Context(), "done", replicate.HintNone); err != nil {
			t.Fatal(err)
		}
		proc, err := functions.New(rep, functions.Options{Bucket: "b", Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		var puts []string
		dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
			if op.Name == "put" && op.Stage == memstore.Before {
				puts = append(puts, op.Key)
			}
			return nil
		})
		f := newQueues(t)
		for range 3 {
			f.put(notification("done"), nil)
			f.put(notification("missing"), nil)
		}
		if _, sum, err := outcomes(t, redrive.Options{From: f.queue("dead"), Proc: proc}); err != nil || sum.Synced != 6 {
			t.Errorf("%+v, %v", sum, err)
		}
		if !slices.Equal(puts, []string{"missing"}) {
			t.Errorf("written: %q, want what was missing once", puts)
		}
	})
}

func TestSendOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newQueues(t)
		f.put(notification("a"), map[string]string{"crossfade-reason": "denied", "trace": "1-2-3"})
		f.put("garbage", nil)
		if _, sum, err := outcomes(t, redrive.Options{From: f.queue("dead"), To: f.queue("main")}); err != nil || sum != (redrive.Summary{Sent: 1, Kept: 1}) {
			t.Errorf("%+v, %v", sum, err)
		}
		sent := f.Messages("main")
		if len(sent) != 1 || sent[0].Body != notification("a") || len(sent[0].Attributes) != 1 || sent[0].Attributes["trace"] != "1-2-3" {
			t.Errorf("sent %+v", sent)
		}
		if bodies, hidden := f.left(); len(bodies) != 1 || hidden != 0 {
			t.Errorf("%q left, %d hidden", bodies, hidden)
		}
	})
}

// Whatever fails, no message is lost, and all are given back.
func TestFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ack := procFunc(func(functions.Event) functions.Verdict { return functions.Verdict{} })
		for _, c := range []struct {
			fail       string
			send       bool
			left, main int
		}{
			{"ReceiveMessage", false, 3, 0},
			{"DeleteMessage", false, 3, 0},
			{"SendMessage", true, 3, 0},
			{"DeleteMessage", true, 3, 1},
		} {
			f := newQueues(t)
			for _, key := range []string{"a", "b", "c"} {
				f.put(notification(key), nil)
			}
			f.Fail(func(op string) *sqssim.Fault {
				if op != c.fail {
					return nil
				}
				return &sqssim.Fault{Status: 403, Code: "AccessDenied"}
			})
			opts := redrive.Options{From: f.queue("dead")}
			if c.send {
				opts.To = f.queue("main")
			} else {
				opts.Proc = ack
			}
			if _, _, err := outcomes(t, opts); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
				t.Errorf("%s: %v", c.fail, err)
			}
			left, hidden := f.left()
			if main := f.Messages("main"); len(left) != c.left || len(main) != c.main || hidden != 0 {
				t.Errorf("%s, sending %v: %d left, %d of them hidden, %d sent", c.fail, c.send, len(left), hidden, len(main))
			}
		}
	})
}

// An interrupt ends it between two batches; what was received is given back.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newQueues(t)
		for i := range 15 {
			f.put(notification(fmt.Sprint("k", i)), nil)
		}
		ctx, cancel := context.WithCancel(t.Context())
		opts := redrive.Options{From: f.queue("dead"), Proc: procFunc(func(e functions.Event) functions.Verdict {
			cancel()
			if e.Key == "k3" {
				return functions.Verdict{Outcome: functions.Retry}
			}
			return functions.Verdict{}
		})}
		sum, err := redrive.Run(ctx, t.Context(), opts)
		if !errors.Is(err, context.Canceled) || sum != (redrive.Summary{Synced: 9, Kept: 1}) {
			t.Errorf("%+v, %v", sum, err)
		}
		if left, hidden := f.left(); len(left) != 6 || hidden != 0 {
			t.Errorf("%d left, %d hidden", len(left), hidden)
		}
	})
}
