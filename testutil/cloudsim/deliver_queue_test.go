package cloudsim

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// manualClock stands still until it is moved.
type manualClock struct{ t time.Time }

func (c *manualClock) now() time.Time          { return c.t }
func (c *manualClock) advance(d time.Duration) { c.t = c.t.Add(d) }

func receive(t *testing.T, q *Queue, limit int) []Message {
	t.Helper()
	got, _, _ := q.take(limit)
	return got
}

func ids(ms []Message) []string {
	out := []string{}
	for _, m := range ms {
		out = append(out, m.ID)
	}
	return out
}

func TestQueueHidesReceivedUntilVisibility(t *testing.T) {
	clock := &manualClock{t: time.Unix(1000, 0)}
	q := NewQueue(QueueOptions{Visibility: 10 * time.Second, Now: clock.now})
	q.Send(Message{ID: "a"}, 0)
	q.Send(Message{ID: "b"}, 0)
	first := receive(t, q, 1)
	if fmt.Sprint(ids(first)) != "[a]" || first[0].Receives != 1 {
		t.Fatalf("first: %+v", first)
	}
	if got := ids(receive(t, q, 5)); fmt.Sprint(got) != "[b]" {
		t.Fatalf("second: %v", got)
	}
	clock.advance(9 * time.Second)
	if got := receive(t, q, 5); got != nil {
		t.Fatalf("visible too early: %v", ids(got))
	}
	if s := q.Stats(); s.InFlight != 2 || s.Waiting != 0 {
		t.Fatalf("stats: %+v", s)
	}
	clock.advance(2 * time.Second)
	again := receive(t, q, 1)
	if fmt.Sprint(ids(again)) != "[a]" || again[0].Receives != 2 {
		t.Fatalf("redelivery: %+v", again)
	}
	if q.Ack(first[0]) || q.Nack(first[0], 0) {
		t.Error("a stale receipt was honoured")
	}
	if !q.Ack(again[0]) {
		t.Error("the new receipt was not honoured")
	}
	if s := q.Stats(); s.Sent != 2 || s.Deliveries != 3 || s.Redelivered != 1 || s.Acked != 1 || s.Waiting != 1 {
		t.Errorf("stats: %+v", s)
	}
}

func TestQueueDelaysAndNacks(t *testing.T) {
	clock := &manualClock{t: time.Unix(1000, 0)}
	q := NewQueue(QueueOptions{MaxReceives: 2, Now: clock.now})
	q.Send(Message{ID: "late"}, 5*time.Second)
	q.Send(Message{ID: "late"}, 0) // the same message
	if got := receive(t, q, 5); got != nil {
		t.Fatalf("delayed message delivered: %v", ids(got))
	}
	clock.advance(5 * time.Second)
	m := receive(t, q, 5)[0]
	q.Nack(m, time.Second)
	if got := receive(t, q, 5); got != nil {
		t.Fatal("delivered before the delay was over")
	}
	clock.advance(time.Second)
	m = receive(t, q, 5)[0]
	q.Nack(m, time.Second)
	if dead := q.DeadLetters(); len(dead) != 1 || dead[0].Receives != 2 {
		t.Fatalf("dead letters: %+v", dead)
	}
	if err := q.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestQueueBuriesWhatTimesOutForGood(t *testing.T) {
	clock := &manualClock{t: time.Unix(1000, 0)}
	q := NewQueue(QueueOptions{MaxReceives: 1, Visibility: time.Second, Now: clock.now})
	q.Send(Message{ID: "a"}, 0)
	receive(t, q, 1)
	clock.advance(time.Second)
	if got := receive(t, q, 1); got != nil || len(q.DeadLetters()) != 1 {
		t.Fatalf("got %v, dead %v", ids(got), ids(q.DeadLetters()))
	}
}

func TestQueueReceiveWaits(t *testing.T) {
	t.Parallel()
	q := NewQueue(QueueOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan []Message)
	go func() {
		m, err := q.Receive(ctx, 3)
		if err != nil {
			t.Error(err)
		}
		got <- m
		if _, err := q.Receive(ctx, 3); !errors.Is(err, context.Canceled) {
			t.Errorf("after cancelling: %v", err)
		}
		got <- nil
	}()
	q.Send(Message{ID: "a"}, time.Millisecond)
	if m := <-got; len(m) != 1 || m[0].ID != "a" {
		t.Fatalf("got %v", ids(m))
	}
	cancel()
	<-got
}

// Whatever is sent, delayed, refused and forgotten: each message ends up
// acknowledged just once or dead, and none is delivered above the limit.
func TestQueueLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const limit = 3
		clock := &manualClock{t: time.Unix(1000, 0)}
		q := NewQueue(QueueOptions{MaxReceives: limit, Visibility: 5 * time.Second, Now: clock.now})
		var held []Message
		acked, delivered := map[string]int{}, map[string]int{}
		sent := 0
		take := func(n int) {
			got, _, _ := q.take(n)
			for _, m := range got {
				delivered[m.ID]++
				if m.Receives != delivered[m.ID] {
					t.Fatalf("%s: delivery %d counted as %d", m.ID, delivered[m.ID], m.Receives)
				}
			}
			held = append(held, got...)
		}
		settle := func(ack bool, delay time.Duration) {
			m := held[0]
			held = held[1:]
			if ack && q.Ack(m) {
				acked[m.ID]++
			}
			if !ack {
				q.Nack(m, delay)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				q.Send(Message{ID: fmt.Sprint(sent)}, time.Duration(rapid.IntRange(0, 3000).Draw(t, "delay"))*time.Millisecond)
				sent++
			},
			"receive": func(t *rapid.T) { take(rapid.IntRange(1, 4).Draw(t, "limit")) },
			"settle": func(t *rapid.T) {
				if len(held) > 0 {
					settle(rapid.Bool().Draw(t, "ack"), time.Duration(rapid.IntRange(0, 3000).Draw(t, "delay"))*time.Millisecond)
				}
			},
			"wait": func(t *rapid.T) {
				clock.advance(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond)
			},
			"": func(t *rapid.T) {
				s := q.Stats()
				if s.Sent != s.Acked+s.Dead+s.Waiting+s.InFlight {
					t.Fatalf("counts do not add up: %+v", s)
				}
			},
		})
		for range sent * (limit + 1) {
			clock.advance(5 * time.Second)
			take(100)
			for len(held) > 0 {
				settle(true, 0)
			}
		}
		for _, m := range q.DeadLetters() {
			acked[m.ID]++
			if m.Receives != limit {
				t.Fatalf("%s is dead after %d deliveries", m.ID, m.Receives)
			}
		}
		for i := range sent {
			if n := acked[fmt.Sprint(i)]; n != 1 {
				t.Fatalf("message %d ended %d times", i, n)
			}
		}
	})
}
