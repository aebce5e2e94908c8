package functions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
)

// call is one Sync that a fake saw.
type call struct {
	key  string
	hint replicate.Hint
}

// fake is a Syncer that answers as told and remembers.
type fake struct {
	answer func(ctx context.Context, key string) (replicate.Result, error)

	mu       sync.Mutex
	calls    []call
	busy     map[string]bool // keys being synced
	now, max int             // in flight
	twice    bool            // one key at once
}

func (f *fake) Sync(ctx context.Context, key string, hint replicate.Hint) (replicate.Result, error) {
	f.mu.Lock()
	f.calls = append(f.calls, call{key, hint})
	if f.busy == nil {
		f.busy = map[string]bool{}
	}
	f.twice = f.twice || f.busy[key]
	f.busy[key] = true
	f.now++
	f.max = max(f.max, f.now)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.busy[key] = false
		f.now--
		f.mu.Unlock()
	}()
	if f.answer == nil {
		return replicate.Result{Action: replicate.Copy, Reason: "new", Attempts: 1}, nil
	}
	return f.answer(ctx, key)
}

// keys lists the calls by key.
func (f *fake) keys() map[string]replicate.Hint {
	m := map[string]replicate.Hint{}
	for _, c := range f.calls {
		m[c.key] = c.hint
	}
	return m
}

// processor returns a Processor on bucket "b", and the lines that it logs.
func processor(t testing.TB, f functions.Syncer, opts functions.Options) (*functions.Processor, func() []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	if opts.Bucket == "" {
		opts.Bucket = "b"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	opts.Log = slog.New(slog.NewJSONHandler(&out, nil))
	p, err := functions.New(f, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p, func() (lines []map[string]any) {
		for line := range bytes.Lines(out.Bytes()) {
			var m map[string]any
			if err := json.Unmarshal(line, &m); err != nil {
				t.Fatalf("not JSON: %q: %v", line, err)
			}
			lines = append(lines, m)
		}
		return lines
	}
}
