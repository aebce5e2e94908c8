package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/pull"
	"github.com/crossfade-io/crossfade/functions/pull/sqs"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/sqssim"
)

// What is done is deleted, a key in one Sync, with few requests.
func TestAck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		proc := &sink{}
		w := start(t, proc, sqs.Options{Concurrency: 10})
		synctest.Wait()
		for i := range 7 {
			w.Send("q", notification(fmt.Sprintf("k+%d", i%5), "again"))
		}
		if err := w.Wait("q"); err != nil {
			t.Fatal(err)
		}
		w.over()
		if n := proc.deliveries("again"); len(n) != 7 || slices.Max(n) != 1 {
			t.Errorf("delivered %v", n)
		}
		if n := proc.deliveries("k 1"); len(n) != 2 {
			t.Errorf("delivered %v", n)
		}
		if len(w.Messages("dead")) != 0 || w.Calls("ChangeMessageVisibility") != 0 || w.Calls("DeleteMessageBatch") > 2 {
			t.Errorf("dead %v, %d changes, %d deletes", w.Messages("dead"), w.Calls("ChangeMessageVisibility"), w.Calls("DeleteMessageBatch"))
		}
	})
}

// Messages of one key that come together are one call, others a call each.
func TestGroups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		proc := &sink{}
		w := &world{Server: sqssim.New(), t: t, end: make(chan error, 1)}
		w.Create("q", 0, "")
		for _, body := range []string{notification("a"), notification("b"), notification("a"), "nonsense", "nonsense", notification("a", "c")} {
			w.Send("q", body)
		}
		w.again(proc, sqs.Options{})
		synctest.Wait()
		var sizes []int
		for _, c := range proc.calls {
			sizes = append(sizes, len(c))
		}
		slices.Sort(sizes)
		if !slices.Equal(sizes, []int{1, 1, 1, 4}) {
			t.Errorf("calls of %v events", sizes)
		}
		w.over()
	})
}

// A retry comes when the verdict asks for it, later with each delivery, and a
// dead letter of the queue's own rule keeps its body.
func TestRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		proc := &sink{do: func(context.Context, functions.Event) functions.Verdict {
			at = append(at, time.Since(began))
			return functions.Verdict{Outcome: functions.Retry, After: time.Duration(len(at)) * 1500 * time.Millisecond, Kind: store.Throttled}
		}}
		w := start(t, proc, sqs.Options{})
		w.Send("q", notification("a"))
		if err := w.Wait("q"); err != nil {
			t.Fatal(err)
		}
		// Rounded up to seconds: 1.5 s, 3 s, then 4 s by the number of deliveries
		// is less than 4.5.
		if want := []time.Duration{0, 2 * time.Second, 5 * time.Second, 10 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("delivered at %v, want %v", at, want)
		}
		if n := proc.deliveries("a"); !slices.Equal(n, []int{1, 2, 3, 4}) {
			t.Errorf("deliveries %v", n)
		}
		if d := w.Messages("dead"); len(d) != 1 || d[0].Body != notification("a") {
			t.Errorf("dead letters %v", d)
		}
		w.over()
	})
}

// What no retry can help goes to the queue that is named, as it came and with the
// reason; or slowly to where the queue's own rule says.
func TestDeadLetter(t *testing.T) {
	t.Parallel()
	for _, named := range []bool{true, false} {
		t.Run(fmt.Sprint(named), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				opts := sqs.Options{}
				if named {
					opts.DeadLetter = sqssim.URL("dead")
				}
				began := time.Now()
				w := start(t, &sink{}, opts)
				w.Send("q", "nonsense")
				if err := w.Wait("q"); err != nil {
					t.Fatal(err)
				}
				took := time.Since(began)
				d := w.Messages("dead")
				if len(d) != 1 || d[0].Body != "nonsense" {
					t.Fatalf("dead letters %+v", d)
				}
				if !named && took != 15*time.Minute {
					t.Errorf("after %s", took)
				}
				reason := d[0].Attributes[pull.AttributeReason]
				if named && (took > time.Second || !strings.HasPrefix(reason, "malformed: not an S3 ") || d[0].Attributes[pull.AttributeFrom] != sqssim.URL("q")) {
					t.Errorf("after %s: %+v", took, d[0])
				}
				w.over()
			})
		})
	}
}

// A message that cannot be sent to the dead-letter queue is not deleted.
func TestDeadLetterQueueFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &sink{}, sqs.Options{DeadLetter: sqssim.URL("dead")})
		w.Fail(func(op string) *sqssim.Fault {
			if op == "SendMessage" {
				return &sqssim.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
			}
			return nil
		})
		w.Send("q", "nonsense")
		time.Sleep(30 * time.Second)
		if n := w.Messages("q"); len(n) != 1 || n[0].Receives != 1 || len(w.Messages("dead")) != 0 {
			t.Errorf("%+v, dead %v", n, w.Messages("dead"))
		}
		w.Fail(nil)
		if err := w.Wait("q"); err != nil || len(w.Messages("dead")) != 1 {
			t.Errorf("%v, dead %v", err, w.Messages("dead"))
		}
		w.over()
	})
}

// However long the work lasts, nobody else gets the message.
func TestHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		proc := &sink{do: func(_ context.Context, e functions.Event) functions.Verdict {
			if e.Key == "large" {
				time.Sleep(10 * time.Minute)
			}
			return functions.Verdict{}
		}}
		w := start(t, proc, sqs.Options{Visibility: 6 * time.Second, Concurrency: 2})
		w.Send("q", notification("large"))
		for i := range 5 { // which are done meanwhile
			time.Sleep(time.Second)
			w.Send("q", notification(fmt.Sprint(i)))
		}
		time.Sleep(10 * time.Second)
		if n := w.Messages("q"); len(n) != 1 {
			t.Errorf("%v", n)
		}
		if err := w.Wait("q"); err != nil {
			t.Fatal(err)
		}
		if n := proc.deliveries("large"); !slices.Equal(n, []int{1}) {
			t.Errorf("deliveries %v", n)
		}
		w.over()
	})
}

// No more messages are held than may be.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		proc := &sink{do: func(context.Context, functions.Event) functions.Verdict {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return functions.Verdict{}
		}}
		w := start(t, proc, sqs.Options{Concurrency: 13})
		for i := range 60 {
			w.Send("q", notification(fmt.Sprint(i)))
		}
		time.Sleep(500 * time.Millisecond)
		held := 0
		for _, m := range w.Messages("q") {
			held += m.Receives
		}
		if held != 13 {
			t.Errorf("%d held", held)
		}
		if err := w.Wait("q"); err != nil {
			t.Fatal(err)
		}
		if most != 13 {
			t.Errorf("%d at once", most)
		}
		w.over()
	})
}

// When it is to end, what is in work is finished and deleted, what is not done is
// let go at once, and nothing more is taken.
func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		proc := &sink{do: func(ctx context.Context, e functions.Event) functions.Verdict {
			time.Sleep(10 * time.Second)
			if ctx.Err() != nil {
				t.Error("the work was cancelled")
			}
			if e.Key == "cut" {
				return functions.Verdict{Outcome: functions.Retry, Reason: "ran out of time"}
			}
			return functions.Verdict{}
		}}
		w := start(t, proc, sqs.Options{})
		w.Send("q", notification("done"))
		w.Send("q", notification("cut"))
		synctest.Wait()
		began := time.Now()
		w.stop()
		synctest.Wait()
		w.Send("q", notification("late"))
		w.over()
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("after %s", took)
		}
		left := w.Messages("q")
		if len(left) != 2 || left[0].Body != notification("cut") || left[0].VisibleAt.After(time.Now()) || left[1].Receives != 0 {
			t.Errorf("left %+v", left)
		}
	})
}

// A process that is killed loses nothing: its messages come to another.
func TestKilled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		die := make(chan struct{})
		proc := &sink{do: func(context.Context, functions.Event) functions.Verdict {
			<-die
			return functions.Verdict{}
		}}
		w := start(t, proc, sqs.Options{})
		for i := range 5 {
			w.Send("q", notification(fmt.Sprint(i)))
		}
		synctest.Wait()
		// From here on nothing that it says arrives.
		w.Fail(func(string) *sqssim.Fault {
			return &sqssim.Fault{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"}
		})
		close(die)
		w.over()
		w.Fail(nil)
		next := &sink{}
		w.again(next, sqs.Options{})
		if err := w.Wait("q"); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			if n := next.deliveries(fmt.Sprint(i)); !slices.Equal(n, []int{2}) {
				t.Errorf("%d: deliveries %v", i, n)
			}
		}
		w.over()
	})
}

// A queue that cannot be asked is asked seldom, and that is told once.
func TestReceiveFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &sink{}, sqs.Options{})
		synctest.Wait()
		w.Fail(func(op string) *sqssim.Fault {
			return &sqssim.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
		})
		time.Sleep(time.Hour)
		if n := w.Calls("ReceiveMessage"); n < 100 || n > 150 {
			t.Errorf("asked %d times in an hour", n)
		}
		if n := strings.Count(w.log.String(), "level=ERROR"); n != 1 || w.err() == nil {
			t.Errorf("told %d times, %v:\n%s", n, w.err(), w.log.String())
		}
		w.Fail(nil)
		w.Send("q", notification("a"))
		if err := w.Wait("q"); err != nil || w.err() != nil || strings.Count(w.log.String(), "events come again") != 1 {
			t.Errorf("%v, %v:\n%s", err, w.err(), w.log.String())
		}
		w.over()
	})
}

// A delete whose answer is lost, or that fails, costs a second delivery at most.
func TestDeleteFails(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			proc := &sink{}
			w := start(t, proc, sqs.Options{})
			failed := false
			w.Fail(func(op string) *sqssim.Fault {
				if op == "DeleteMessageBatch" && !failed {
					failed = true
					return &sqssim.Fault{Status: http.StatusInternalServerError, Code: "InternalError", Lost: lost}
				}
				return nil
			})
			w.Send("q", notification("a"))
			if err := w.Wait("q"); err != nil {
				t.Fatal(err)
			}
			w.over()
			want := 2
			if lost {
				want = 1
			}
			if n := proc.deliveries("a"); len(n) != want || !strings.Contains(w.log.String(), "could not be deleted") {
				t.Errorf("deliveries %v:\n%s", n, w.log.String())
			}
		})
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	client := sqssim.New().Client()
	for want, opts := range map[string]sqs.Options{
		"no queue":             {},
		"concurrency -1":       {Queue: "https://h/1/q", Concurrency: -1},
		"visibility 1s":        {Queue: "https://h/1/q", Visibility: time.Second},
		"visibility 1m0.5s is": {Queue: "https://h/1/q", Visibility: time.Minute + 500*time.Millisecond},
	} {
		if _, err := sqs.New(client, opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := sqs.New(nil, sqs.Options{Queue: "https://h/1/q"}); err == nil {
		t.Error("no client is accepted")
	}
	p, err := sqs.New(client, sqs.Options{Queue: "https://h/1/q"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("over"))
	if err := p.Run(ctx, &sink{}); err != nil {
		t.Error(err)
	}
}
