package functions_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// witness is an Observer that writes down what it is told.
type witness struct {
	mu    sync.Mutex
	lines []string
	open  int // invocations and Syncs that have not ended
}

type mark struct{}

func (w *witness) add(ctx context.Context, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	where, _ := ctx.Value(mark{}).(string)
	w.lines = append(w.lines, where+fmt.Sprintf(format, args...))
}

func (w *witness) begin(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open += n
}

func (w *witness) Invocation(ctx context.Context, events int) (context.Context, func()) {
	w.begin(1)
	w.add(ctx, "invocation of %d", events)
	return context.WithValue(ctx, mark{}, "invocation: "), func() {
		w.begin(-1)
		w.add(ctx, "end, %d open", w.open)
	}
}

func (w *witness) Sync(ctx context.Context) (context.Context, func(functions.Synced)) {
	w.begin(1)
	return context.WithValue(ctx, mark{}, "sync: "), func(s functions.Synced) {
		w.begin(-1)
		w.add(ctx, "%s %d bytes %d attempts %s %s %s", s.Action, s.Bytes, s.Attempts, s.Took, s.Verdict.Outcome, s.Verdict.Kind)
	}
}

func (w *witness) Event(ctx context.Context, o functions.Observed) {
	w.add(ctx, "event %s %s lag %s %v", o.Verdict.Outcome, o.Verdict.Kind, o.Lag, o.Timed)
}

// An observer is told of each invocation, Sync and event once, in contexts that
// lie within each other; a lag is never negative, and only what was synced has
// one.
func TestObserver(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	inSync := ""
	f := &fake{answer: func(ctx context.Context, key string) (replicate.Result, error) {
		inSync, _ = ctx.Value(mark{}).(string)
		if key == "busy" {
			return replicate.Result{Bytes: 3, Attempts: 8}, fail(store.Throttled, 0)
		}
		return replicate.Result{Action: replicate.Copy, Bytes: 5, Attempts: 1}, nil
	}}
	w := &witness{}
	p, _ := processor(t, f, functions.Options{Now: func() time.Time { return noon }, Observer: w, Concurrency: 1})
	p.Process(t.Context(), []functions.Event{
		{Bucket: "other", Key: "k", Time: noon},
		{Bucket: "b", Key: "k", Time: noon.Add(-time.Minute)},
		{Bucket: "b", Key: "busy", Time: noon},
		{Bucket: "b", Key: "k", Time: noon.Add(time.Minute)},
		{Bucket: "b", Key: "k"},
	})
	want := []string{
		"invocation of 5",
		"invocation: event dead-letter invalid lag 0s false",
		"invocation: copy 5 bytes 1 attempts 0s ack unknown",
		"sync: event ack unknown lag 1m0s true",
		"sync: event ack unknown lag 0s true",
		"sync: event ack unknown lag 0s false",
		"invocation: skip 3 bytes 8 attempts 0s retry throttled",
		"sync: event retry throttled lag 0s false",
		"end, 0 open",
	}
	if !slices.Equal(w.lines, want) || inSync != "sync: " {
		t.Errorf("in %q:\n%s\nwant\n%s", inSync, strings.Join(w.lines, "\n"), strings.Join(want, "\n"))
	}
}

// What never came to a Sync is not told as one: time that ran out before its
// turn, signals, and what a migration refuses.
func TestObserverWithoutSync(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	refuses := &fakeMigration{begin: fail(store.Unavailable, 0), synced: &fake{}}
	signals := &fakeMigration{synced: &fake{}}
	for _, c := range []struct {
		name  string
		ctx   context.Context
		m     functions.Migration
		key   string
		event string
	}{
		{"no time", gone, nil, "k", "retry unknown"},
		{"refused", t.Context(), refuses, "k", "retry unavailable"},
		{"signal", t.Context(), signals, ".crossfade/m/signal/b1", "ack unknown"},
	} {
		w := &witness{}
		p, _ := processor(t, &fake{}, functions.Options{Observer: w, Migration: c.m})
		p.Process(c.ctx, []functions.Event{{Bucket: "b", Key: c.key, Time: time.Now()}})
		want := []string{"invocation of 1", "invocation: event " + c.event + " lag 0s false", "end, 0 open"}
		if !slices.Equal(w.lines, want) {
			t.Errorf("%s: %q, want %q", c.name, w.lines, want)
		}
	}
}

// BenchmarkProcess is the way of one event through a Processor, without an
// observer and with one that does nothing but take part.
func BenchmarkProcess(b *testing.B) {
	for name, o := range map[string]functions.Observer{"none": nil, "silent": silent{}} {
		b.Run(name, func(b *testing.B) {
			p, err := functions.New(still{}, functions.Options{Bucket: "b", Now: time.Now, Observer: o})
			if err != nil {
				b.Fatal(err)
			}
			events := []functions.Event{{Bucket: "b", Key: "k", Time: time.Now()}}
			b.ReportAllocs()
			for b.Loop() {
				p.Process(b.Context(), events)
			}
		})
	}
}

type still struct{}

func (still) Sync(context.Context, string, replicate.Hint) (replicate.Result, error) {
	return replicate.Result{Action: replicate.Skip, Attempts: 1}, nil
}

type silent struct{}

func (silent) Invocation(ctx context.Context, _ int) (context.Context, func()) {
	return ctx, func() {}
}

func (silent) Sync(ctx context.Context) (context.Context, func(functions.Synced)) {
	return ctx, func(functions.Synced) {}
}

func (silent) Event(context.Context, functions.Observed) {}
