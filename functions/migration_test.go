package functions_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// fakeMigration knows one signal, and remembers.
type fakeMigration struct {
	begin, signal error

	mu      sync.Mutex
	begun   [][]string
	early   bool // a Sync was there before Begin
	synced  *fake
	signals []string
}

func (m *fakeMigration) Begin(_ context.Context, keys []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun = append(m.begun, keys)
	m.early = m.early || len(m.synced.calls) > 0
	return m.begin
}

func (m *fakeMigration) Signal(_ context.Context, key string) (bool, string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signals = append(m.signals, key)
	if key != ".crossfade/m/signal/b1" {
		return false, "", nil
	}
	return true, "carried", m.signal
}

// A migration is told of all keys of an invocation before the first Sync, once
// each, and is handed what lies below the control prefix.
func TestMigration(t *testing.T) {
	t.Parallel()
	f := &fake{}
	m := &fakeMigration{synced: f}
	p, lines := processor(t, f, functions.Options{Prefix: "in/", Migration: m})
	var events []functions.Event
	for _, key := range []string{"in/b", "in/.crossfade/m/signal/b1", "in/a", "in/b", "out/x", "in/.crossfade/m/state.json", "in/.crossfade/m/signal/b1"} {
		events = append(events, functions.Event{Bucket: "b", Key: key})
	}
	events = append(events, functions.Event{Bucket: "c", Key: "in/.crossfade/m/signal/b1"})
	verdicts := p.Process(t.Context(), events)
	var reasons []string
	for _, v := range verdicts {
		reasons = append(reasons, v.Outcome.String()+" "+v.Reason)
	}
	if want := []string{"ack new", "ack carried", "ack new", "ack new", "ack outside the prefix", "ack control object", "ack carried", "dead-letter another bucket"}; !slices.Equal(reasons, want) {
		t.Errorf("%q, want %q", reasons, want)
	}
	if len(m.begun) != 1 || !slices.Equal(m.begun[0], []string{"b", "a"}) || m.early {
		t.Errorf("begun with %q, after a Sync: %v", m.begun, m.early)
	}
	slices.Sort(m.signals)
	if want := []string{".crossfade/m/signal/b1", ".crossfade/m/state.json"}; !slices.Equal(m.signals, want) || len(f.calls) != 2 {
		t.Errorf("signals %q, want %q; %d Syncs", m.signals, want, len(f.calls))
	}
	if n := len(lines()); n != len(events) {
		t.Errorf("%d log lines for %d events", n, len(events))
	}
}

// An invocation of signals only, or of nothing, has nothing to announce.
func TestMigrationWithoutKeys(t *testing.T) {
	t.Parallel()
	f := &fake{}
	m := &fakeMigration{synced: f, begin: errors.New("no")}
	p, _ := processor(t, f, functions.Options{Migration: m})
	for _, events := range [][]functions.Event{nil, {{Bucket: "b", Key: ".crossfade/m/signal/b1"}}, {{Ignored: "test event"}}} {
		if v := functions.Worst(p.Process(t.Context(), events)...); v.Outcome != functions.Ack {
			t.Errorf("%+v: %+v", events, v)
		}
	}
	if len(m.begun) > 0 {
		t.Errorf("begun with %q", m.begun)
	}
}

// What could not be announced is not synced, and the whole batch comes again.
func TestMigrationFails(t *testing.T) {
	t.Parallel()
	unavailable := &store.Error{Op: "journal", Kind: store.Unavailable, RetryAfter: time.Minute, Err: errors.New("no")}
	f := &fake{}
	m := &fakeMigration{synced: f, begin: unavailable}
	p, lines := processor(t, f, functions.Options{Migration: m})
	events := []functions.Event{{Bucket: "b", Key: "a"}, {Bucket: "b", Key: "k"}, {Bucket: "b", Key: "a"}, {Bucket: "b", Key: ".crossfade/m/signal/b1"}}
	for i, v := range p.Process(t.Context(), events) {
		if v.Outcome != functions.Retry || v.After != time.Minute {
			t.Errorf("%s: %+v", events[i].Key, v)
		}
	}
	if len(f.calls)+len(m.signals) > 0 {
		t.Errorf("synced %v, signals %q", f.calls, m.signals)
	}
	for _, line := range lines() {
		if line["error"] == nil || line["verdict"] != "retry" {
			t.Errorf("logged %v", line)
		}
	}
	m.begin, m.signal = nil, unavailable
	for i, v := range p.Process(t.Context(), events) {
		want := functions.Ack
		if i == 3 {
			want = functions.Retry
		}
		if v.Outcome != want {
			t.Errorf("%s: %+v", events[i].Key, v)
		}
	}
	// The time runs out while the keys are announced.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.answer = func(context.Context, string) (replicate.Result, error) {
		t.Error("synced")
		return replicate.Result{}, nil
	}
	if v := p.Process(ctx, events[:1]); v[0].Outcome != functions.Retry {
		t.Errorf("%+v", v)
	}
}
