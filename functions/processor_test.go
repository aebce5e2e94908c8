package functions_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := functions.Options{Bucket: "b", Now: time.Now}
	for name, change := range map[string]func(*functions.Options){
		"no bucket":            func(o *functions.Options) { o.Bucket = "" },
		"no clock":             func(o *functions.Options) { o.Now = nil },
		"negative concurrency": func(o *functions.Options) { o.Concurrency = -1 },
		"negative timeout":     func(o *functions.Options) { o.Timeout = -1 },
		"negative margin":      func(o *functions.Options) { o.Margin = -1 },
	} {
		opts := good
		change(&opts)
		if _, err := functions.New(&fake{}, opts); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := functions.New(nil, good); err == nil {
		t.Error("no Syncer: accepted")
	}
	if _, err := functions.New(&fake{}, good); err != nil {
		t.Error(err)
	}
}

// What is decided before any Sync.
func TestAdmission(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		event  functions.Event
		synced string // the key that Sync gets; "" for none
		want   functions.Outcome
		reason string
	}{
		{"inside", functions.Event{Bucket: "b", Key: "in/a"}, "a", functions.Ack, "new"},
		{"inside, odd key", functions.Event{Bucket: "b", Key: "in//a+b %2F"}, "/a+b %2F", functions.Ack, "new"},
		{"another bucket", functions.Event{Bucket: "c", Key: "in/a"}, "", functions.DeadLetter, "another bucket"},
		{"a bucket with the same start", functions.Event{Bucket: "b2", Key: "in/a"}, "", functions.DeadLetter, "another bucket"},
		{"no bucket", functions.Event{Key: "in/a"}, "", functions.DeadLetter, "malformed"},
		{"no key", functions.Event{Bucket: "b"}, "", functions.DeadLetter, "malformed"},
		{"key not UTF-8", functions.Event{Bucket: "b", Key: "in/\xff"}, "", functions.DeadLetter, "malformed"},
		{"key of 1024 bytes", functions.Event{Bucket: "b", Key: "in/" + strings.Repeat("k", 1021)}, strings.Repeat("k", 1021), functions.Ack, "new"},
		{"key of 1025 bytes", functions.Event{Bucket: "b", Key: "in/" + strings.Repeat("k", 1022)}, "", functions.DeadLetter, "malformed"},
		{"malformed", functions.Event{Bucket: "b", Key: "in/a", Malformed: errors.New("x")}, "", functions.DeadLetter, "malformed"},
		{"ignored", functions.Event{Ignored: "test event"}, "", functions.Ack, "test event"},
		{"outside", functions.Event{Bucket: "b", Key: "out/a"}, "", functions.Ack, "outside the prefix"},
		{"the prefix without its slash", functions.Event{Bucket: "b", Key: "in"}, "", functions.Ack, "outside the prefix"},
		{"the prefix itself", functions.Event{Bucket: "b", Key: "in/"}, "", functions.Ack, "outside the prefix"},
		{"control object", functions.Event{Bucket: "b", Key: "in/.crossfade/m/phase"}, "", functions.Ack, "control object"},
		{"control name deeper down", functions.Event{Bucket: "b", Key: "in/x/.crossfade/m"}, "x/.crossfade/m", functions.Ack, "new"},
		{"another bucket's ignored type", functions.Event{Bucket: "c", Ignored: "unknown event type"}, "", functions.Ack, "unknown event type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			p, lines := processor(t, f, functions.Options{Prefix: "in/"})
			v := p.Process(t.Context(), []functions.Event{c.event})
			if len(v) != 1 || v[0].Outcome != c.want || v[0].Reason != c.reason {
				t.Errorf("verdicts %+v, want %s: %s", v, c.want, c.reason)
			}
			want := map[string]replicate.Hint{}
			if c.synced != "" {
				want[c.synced] = replicate.HintNone
			}
			if got := f.keys(); !maps.Equal(got, want) {
				t.Errorf("synced %q, want %q", got, want)
			}
			if n := len(lines()); n != 1 {
				t.Errorf("%d log lines for one event", n)
			}
		})
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		own, events string
		want        functions.Outcome
	}{
		{"", "", functions.Ack},
		{"", "other", functions.Ack},
		{"mine", "mine", functions.Ack},
		{"mine", "other", functions.DeadLetter},
		{"mine", "", functions.DeadLetter},
	} {
		f := &fake{}
		p, _ := processor(t, f, functions.Options{Account: c.own})
		v := p.Process(t.Context(), []functions.Event{{Bucket: "b", Key: "k", Account: c.events}})
		if v[0].Outcome != c.want || (len(f.calls) == 1) != (c.want == functions.Ack) {
			t.Errorf("own %q, event's %q: %s and %d calls, want %s", c.own, c.events, v[0].Outcome, len(f.calls), c.want)
		}
	}
}

// The hint follows the event, and events of one key that disagree give none.
func TestHints(t *testing.T) {
	t.Parallel()
	created := functions.Event{Bucket: "b", Key: "k", Created: true, Deliveries: 1}
	again := created
	again.Deliveries = 2
	untold := created
	untold.Deliveries = 0
	removed := functions.Event{Bucket: "b", Key: "k", Removed: true, Deliveries: 7}
	changed := functions.Event{Bucket: "b", Key: "k"}
	for _, c := range []struct {
		name   string
		events []functions.Event
		want   replicate.Hint
	}{
		{"created", []functions.Event{created}, replicate.HintNew},
		{"created, deliveries untold", []functions.Event{untold}, replicate.HintNew},
		{"created, delivered again", []functions.Event{again}, replicate.HintNone},
		{"removed", []functions.Event{removed}, replicate.HintRemoved},
		{"metadata", []functions.Event{changed}, replicate.HintNone},
		{"created twice", []functions.Event{created, created}, replicate.HintNew},
		{"created and removed", []functions.Event{created, removed}, replicate.HintNone},
		{"created, removed, created", []functions.Event{created, removed, created}, replicate.HintNone},
		{"one of them again", []functions.Event{created, again}, replicate.HintNone},
	} {
		f := &fake{}
		p, _ := processor(t, f, functions.Options{})
		p.Process(t.Context(), c.events)
		if len(f.calls) != 1 || f.calls[0].hint != c.want {
			t.Errorf("%s: calls %v, want one with hint %d", c.name, f.calls, c.want)
		}
	}
}

// Against a model: every event gets its key's verdict, every key is synced once
// and never twice at a time, and there is one line an event.
func TestProcessProperty(t *testing.T) {
	t.Parallel()
	kinds := []store.Kind{store.Unknown, store.NotFound, store.Denied, store.Invalid, store.Archived, store.Throttled}
	rapid.Check(t, func(rt *rapid.T) {
		keys := []string{"p/a", "p/b", "p/c", "p/d", "q/a", "p/.crossfade/x"}
		failing := map[string]store.Kind{}
		for _, k := range []string{"a", "b", "c", "d"} {
			if rapid.Bool().Draw(rt, k+" fails") {
				failing[k] = rapid.SampledFrom(kinds).Draw(rt, k+" kind")
			}
		}
		f := &fake{answer: func(_ context.Context, key string) (replicate.Result, error) {
			if kind, ok := failing[key]; ok {
				return replicate.Result{Attempts: 1}, fail(kind, 0)
			}
			return replicate.Result{Action: replicate.Copy}, nil
		}}
		n := rapid.IntRange(0, 30).Draw(rt, "events")
		events := make([]functions.Event, n)
		for i := range events {
			events[i] = functions.Event{
				ID: fmt.Sprint(i), Key: rapid.SampledFrom(keys).Draw(rt, "key"),
				Bucket:  rapid.SampledFrom([]string{"b", "b", "b", "x"}).Draw(rt, "bucket"),
				Created: rapid.Bool().Draw(rt, "created"),
			}
		}
		p, lines := processor(t, f, functions.Options{Prefix: "p/", Concurrency: rapid.IntRange(1, 4).Draw(rt, "concurrency")})
		verdicts := p.Process(t.Context(), events)
		want := map[string]bool{}
		for i, e := range events {
			rel, inside := strings.CutPrefix(e.Key, "p/")
			model := functions.Ack
			switch kind, fails := failing[rel]; {
			case e.Bucket != "b":
				model = functions.DeadLetter
			case !inside || strings.HasPrefix(rel, ".crossfade/"):
			default:
				want[rel] = true
				if fails {
					model = functions.Judge(replicate.Result{}, fail(kind, 0)).Outcome
				}
			}
			if verdicts[i].Outcome != model {
				rt.Fatalf("event %d %+v: %s, want %s", i, e, verdicts[i].Outcome, model)
			}
		}
		if len(f.calls) != len(want) || f.twice {
			rt.Fatalf("%d syncs of %d keys, one twice at once: %v", len(f.calls), len(want), f.twice)
		}
		if got := len(lines()); got != n {
			rt.Fatalf("%d lines for %d events", got, n)
		}
	})
}

// Concurrency is used, and not exceeded.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	const limit = 3
	var mu sync.Mutex
	waiting, full := 0, make(chan struct{})
	f := &fake{answer: func(ctx context.Context, _ string) (replicate.Result, error) {
		mu.Lock()
		if waiting++; waiting == limit {
			close(full)
		}
		mu.Unlock()
		select {
		case <-full: // as many as allowed are under way at once
			return replicate.Result{}, nil
		case <-ctx.Done():
			return replicate.Result{}, ctx.Err()
		}
	}}
	p, _ := processor(t, f, functions.Options{Concurrency: limit, Timeout: time.Minute})
	events := make([]functions.Event, 20)
	for i := range events {
		events[i] = functions.Event{Bucket: "b", Key: fmt.Sprint(i)}
	}
	for i, v := range p.Process(t.Context(), events) {
		if v.Outcome != functions.Ack {
			t.Errorf("event %d: %+v", i, v)
		}
	}
	if f.max != limit {
		t.Errorf("%d at once, want %d", f.max, limit)
	}
}

// The work ends a margin before the platform's limit.
func TestDeadline(t *testing.T) {
	t.Parallel()
	start := time.Now()
	in := func(d time.Duration) time.Time { return start.Add(d) }
	for _, c := range []struct {
		name     string
		platform time.Time // of the context; zero for none
		opts     functions.Options
		want     time.Time
	}{
		{"none", time.Time{}, functions.Options{}, time.Time{}},
		{"the context's", in(time.Hour), functions.Options{}, in(time.Hour - 3*time.Second)},
		{"the setting", time.Time{}, functions.Options{Timeout: time.Hour}, in(time.Hour - 3*time.Second)},
		{"the context's is sooner", in(time.Hour), functions.Options{Timeout: 2 * time.Hour}, in(time.Hour - 3*time.Second)},
		{"the setting is sooner", in(2 * time.Hour), functions.Options{Timeout: time.Hour}, in(time.Hour - 3*time.Second)},
		{"own margin", in(time.Hour), functions.Options{Margin: time.Minute}, in(59 * time.Minute)},
		{"at most a fifth", in(100 * time.Second), functions.Options{Margin: time.Minute}, in(80 * time.Second)},
	} {
		f := &fake{}
		var got time.Time
		f.answer = func(ctx context.Context, _ string) (replicate.Result, error) {
			got, _ = ctx.Deadline()
			return replicate.Result{}, nil
		}
		c.opts.Now = func() time.Time { return start }
		p, _ := processor(t, f, c.opts)
		ctx := t.Context()
		if !c.platform.IsZero() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, c.platform)
			defer cancel()
		}
		p.Process(ctx, []functions.Event{{Bucket: "b", Key: "k"}})
		if !got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", c.name, got.Sub(start), c.want.Sub(start))
		}
	}
}

// What was not begun when the time ran out is not begun, and comes again.
func TestOutOfTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{answer: func(ctx context.Context, _ string) (replicate.Result, error) {
		cancel()
		return replicate.Result{Action: replicate.Copy}, nil // done all the same
	}}
	p, _ := processor(t, f, functions.Options{Concurrency: 1})
	v := p.Process(ctx, []functions.Event{{Bucket: "b", Key: "1"}, {Bucket: "b", Key: "2"}, {Bucket: "b", Key: "1"}, {Bucket: "b", Key: "3"}})
	for i, want := range []functions.Outcome{functions.Ack, functions.Retry, functions.Ack, functions.Retry} {
		if v[i].Outcome != want {
			t.Errorf("event %d: %s, want %s", i, v[i].Outcome, want)
		}
	}
	if len(f.calls) != 1 {
		t.Errorf("synced %v", f.calls)
	}
}
