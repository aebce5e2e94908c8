package functions_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// One line tells what an event was and what became of it.
func TestLogLine(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	tick := clock
	now := func() time.Time { tick = tick.Add(250 * time.Millisecond); return tick }
	event := functions.Event{
		ID: "id-1", Source: "aws:s3", Type: "ObjectCreated:Put", Bucket: "b", Key: "p/k", Version: "v1",
		Sequencer: "0A", Time: clock.Add(-time.Second), Created: true, Deliveries: 2,
	}
	conflict := replicate.Result{Action: replicate.Conflict, Reason: "foreign object on the target", Attempts: 1}
	for _, c := range []struct {
		name   string
		result replicate.Result
		err    error
		want   map[string]any
		absent []string
	}{
		{
			"copied",
			replicate.Result{Action: replicate.Copy, Reason: "absent on the target", Bytes: 12, Attempts: 2},
			nil,
			map[string]any{
				"level": "INFO", "msg": "event", "event": "id-1", "source": "aws:s3", "type": "ObjectCreated:Put", "key": "p/k",
				"version": "v1", "sequencer": "0A", "deliveries": 2.0, "verdict": "ack", "action": "copy", "reason": "absent on the target",
				"bytes": 12.0, "attempts": 2.0, "ms": 250.0,
			},
			[]string{"error", "bucket", "retry_after_ms", "shared"},
		},
		{"conflict", conflict, nil, map[string]any{"level": "WARN", "verdict": "ack", "action": "conflict"}, nil},
		{"retry", replicate.Result{Attempts: 8}, fail(store.Throttled, 0), map[string]any{
			"level": "WARN", "verdict": "retry", "reason": "throttled", "attempts": 8.0, "retry_after_ms": 10000.0,
			"error": "sync: put gs://t/k: throttled: cause",
		}, []string{"action", "lag_ms"}},
		{"dead letter", replicate.Result{}, fail(store.TooLarge, 0), map[string]any{"level": "ERROR", "verdict": "dead-letter", "reason": "too large"}, []string{"action"}},
	} {
		f := &fake{answer: func(context.Context, string) (replicate.Result, error) { return c.result, c.err }}
		p, lines := processor(t, f, functions.Options{Prefix: "p/", Now: now})
		p.Process(t.Context(), []functions.Event{event})
		line := lines()[0]
		for name, want := range c.want {
			if line[name] != want {
				t.Errorf("%s: %s is %v, want %v", c.name, name, line[name], want)
			}
		}
		for _, name := range c.absent {
			if v, ok := line[name]; ok {
				t.Errorf("%s: %s is there: %v", c.name, name, v)
			}
		}
		if lag, ok := line["lag_ms"].(float64); c.err == nil && (!ok || lag < 1000) {
			t.Errorf("%s: lag_ms is %v", c.name, line["lag_ms"])
		}
	}
}

// The bucket is told when it is not the function's own, and why an event was
// not understood.
func TestLogRefusals(t *testing.T) {
	t.Parallel()
	p, lines := processor(t, &fake{}, functions.Options{})
	p.Process(t.Context(), []functions.Event{
		{ID: "1", Bucket: "other", Key: "k"},
		{ID: "2", Bucket: "b", Key: "k", Malformed: errors.New("no good")},
		{ID: "3", Bucket: "b"},
	})
	got := lines()
	if got[0]["bucket"] != "other" || got[0]["level"] != "ERROR" {
		t.Errorf("another bucket: %v", got[0])
	}
	if got[1]["error"] != "no good" || got[2]["error"] != "the event names no object" {
		t.Errorf("malformed: %v, %v", got[1], got[2])
	}
}

// No part of an event can end a line, forge one, or hide behind control
// characters, whichever handler writes it.
func TestLogInjection(t *testing.T) {
	t.Parallel()
	hostile := []string{
		"a\n{\"level\":\"INFO\",\"msg\":\"forged\"}", "a\r\nb", "a\x00b", "\x1b[2J\x1b[31mred", "a\x7fb", "a\u009b31mb",
		"right\u202eleft", "a\u2028b", "zero\u200bwidth", `quote" verdict=ack`, "bad\xffutf8",
	}
	handlers := map[string]func(*bytes.Buffer) slog.Handler{
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
	}
	for name, handler := range handlers {
		for _, s := range hostile {
			var out bytes.Buffer
			f := &fake{answer: func(context.Context, string) (replicate.Result, error) {
				return replicate.Result{}, fmt.Errorf("of %s: %w", s, fail(store.Unknown, 0))
			}}
			p, err := functions.New(f, functions.Options{Bucket: "b", Now: time.Now, Log: slog.New(handler(&out))})
			if err != nil {
				t.Fatal(err)
			}
			p.Process(t.Context(), []functions.Event{
				{ID: s, Source: s, Type: s, Bucket: "b", Key: s, Version: s, Sequencer: s},
				{ID: s, Bucket: s, Key: "k"},
			})
			if n := strings.Count(out.String(), "\n"); n != 2 {
				t.Errorf("%s, %q: %d lines for 2 events", name, s, n)
			}
			for i, r := range strings.TrimSuffix(out.String(), "\n") {
				if r != '\n' && (r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\u2028' || r == '\u200b' || r == '\ufffd') {
					t.Errorf("%s, %q: %U at byte %d of the log", name, s, r, i)
				}
			}
		}
	}
}

// A handler that does not want the level is not bothered.
func TestLogLevel(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p, err := functions.New(&fake{}, functions.Options{Bucket: "b", Now: time.Now, Log: slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	p.Process(t.Context(), []functions.Event{{Bucket: "b", Key: "k"}, {Bucket: "c", Key: "k"}})
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "another bucket") {
		t.Errorf("logged %q", got)
	}
}
