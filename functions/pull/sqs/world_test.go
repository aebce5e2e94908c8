package sqs_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/pull/sqs"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/sqssim"
)

// notification is a message of S3 for some keys.
func notification(keys ...string) string {
	var records []string
	for _, key := range keys {
		records = append(records, fmt.Sprintf(`{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-11-03T10:15:30Z","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"shop"},"object":{"key":%q}}}`, key))
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}

// sink answers by the function, and keeps what it was given.
type sink struct {
	do func(ctx context.Context, e functions.Event) functions.Verdict

	mu    sync.Mutex
	calls [][]functions.Event
}

func (s *sink) Process(ctx context.Context, events []functions.Event) []functions.Verdict {
	s.mu.Lock()
	s.calls = append(s.calls, events)
	s.mu.Unlock()
	verdicts := make([]functions.Verdict, len(events))
	for i, e := range events {
		if s.do != nil {
			verdicts[i] = s.do(ctx, e)
		}
		if e.Malformed != nil {
			verdicts[i] = functions.Verdict{Outcome: functions.DeadLetter, Kind: store.Invalid, Reason: "malformed"}
		}
	}
	return verdicts
}

// deliveries are the counts of what was processed, by key, in order.
func (s *sink) deliveries(key string) (n []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, events := range s.calls {
		for _, e := range events {
			if e.Key == key {
				n = append(n, e.Deliveries)
			}
		}
	}
	return n
}

// world is a queue with a dead-letter queue, and what takes events from it.
type world struct {
	*sqssim.Server
	t    *testing.T
	log  bytes.Buffer
	stop context.CancelFunc
	err  func() error // of the Puller
	end  chan error
}

func start(t *testing.T, proc *sink, opts sqs.Options) *world {
	t.Helper()
	w := &world{Server: sqssim.New(), t: t, end: make(chan error, 1)}
	w.Create("dead", 0, "")
	w.Create("q", 4, "dead")
	w.again(proc, opts)
	return w
}

// again starts a Puller on the same queue.
func (w *world) again(proc *sink, opts sqs.Options) {
	w.t.Helper()
	opts.Queue, opts.Random = sqssim.URL("q"), func() float64 { return 0 }
	opts.Log = slog.New(slog.NewTextHandler(&w.log, nil))
	p, err := sqs.New(w.Client(), opts)
	if err != nil {
		w.t.Fatal(err)
	}
	var ctx context.Context
	ctx, w.stop = context.WithCancel(w.t.Context())
	w.err = p.Err
	go func() { w.end <- p.Run(ctx, proc) }()
}

// Wait is as of the server, within what is a day to the test.
func (w *world) Wait(queue string) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 24*time.Hour)
	defer cancel()
	return w.Server.Wait(ctx, queue)
}

// over stops the Puller; the bubble of the test then sees that nothing is left.
func (w *world) over() {
	w.t.Helper()
	w.stop()
	if err := <-w.end; err != nil {
		w.t.Error(err)
	}
}
