//go:build servers

package servertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	pull "github.com/crossfade-io/crossfade/functions/pull/sqs"
	"github.com/crossfade-io/crossfade/testutil/lambdaapi"
	"github.com/crossfade-io/crossfade/testutil/release"
)

// sink answers an event by its key, and keeps the deliveries that it saw.
type sink struct {
	mu   sync.Mutex
	seen map[string][]int
}

func (s *sink) Process(ctx context.Context, events []functions.Event) []functions.Verdict {
	verdicts := make([]functions.Verdict, len(events))
	for i, e := range events {
		s.mu.Lock()
		s.seen[e.Key] = append(s.seen[e.Key], e.Deliveries)
		s.mu.Unlock()
		switch {
		case strings.HasPrefix(e.Key, "twice") && e.Deliveries < 2:
			verdicts[i] = functions.Verdict{Outcome: functions.Retry, Reason: "the first time"}
		case strings.HasPrefix(e.Key, "never"):
			verdicts[i] = functions.Verdict{Outcome: functions.Retry, Reason: "never"}
		case strings.HasPrefix(e.Key, "slow"): // past the time for which it is hidden
			select {
			case <-time.After(5 * time.Second):
			case <-ctx.Done():
			}
		}
	}
	return verdicts
}

// The puller, by SQS's own rules: what is done is deleted, what is slow is kept
// hidden, what fails comes again with its count, and in the end is buried by the
// redrive policy.
func TestPullSQS(t *testing.T) {
	q := newQueue(t, "pull", 3*time.Second, 3)
	for i := range 30 {
		q.send(t, notification("ObjectCreated:Put", "shop", fmt.Sprint("once/ä b+", i)))
	}
	q.send(t, notification("ObjectCreated:Put", "shop", "twice"), notification("ObjectCreated:Put", "shop", "slow"))
	never := notification("ObjectCreated:Put", "shop", "never")
	q.send(t, never)

	s := &sink{seen: map[string][]int{}}
	p, err := pull.New(queues, pull.Options{Queue: q.url, Visibility: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx, s) }()
	q.empty(t)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := p.Err(); err != nil {
		t.Error(err)
	}
	want := map[string][]int{"twice": {1, 2}, "slow": {1}, "never": {1, 2, 3}}
	for i := range 30 {
		want[fmt.Sprint("once/ä b+", i)] = []int{1}
	}
	for key, counts := range want {
		if !slices.Equal(s.seen[key], counts) {
			t.Errorf("%s: deliveries %v, want %v", key, s.seen[key], counts)
		}
	}
	if len(s.seen) != len(want) {
		t.Errorf("%d keys were seen, want %d", len(s.seen), len(want))
	}
	if got, reasons := q.buried(t); len(got) != 1 || got[0] != never || len(reasons) > 0 {
		t.Errorf("dead letters: %q, %q", got, reasons)
	}
}

// The released bootstrap on Lambda, fed from the queue by a mapping, and killed
// in the middle: what can be done is done, what cannot is buried with the reason.
func TestLambdaFromSQS(t *testing.T) {
	source, target := clouds["s3"], clouds["gs"]
	for _, c := range []cloud{source, target} {
		if err := c.create(t.Context(), "lambda-sqs"); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(t.TempDir(), "bootstrap")
	if err := release.Build(t.Context(), bin, release.Options{Tags: []string{"noazure"}}, "cmd/crossfade-s3"); err != nil {
		t.Fatal(err)
	}
	q := newQueue(t, "lambda", 3*time.Second, 4)
	want := map[string][]byte{}
	for i := range 40 {
		key := fmt.Sprint("dir/ä b+", i)
		want[key] = fmt.Appendf(nil, "body %d", i)
		if err := source.put(t.Context(), "lambda-sqs", key, object{body: want[key]}); err != nil {
			t.Fatal(err)
		}
		q.send(t, notification("ObjectCreated:Put", "lambda-sqs", key))
	}
	if err := target.put(t.Context(), "lambda-sqs", "foreign", object{body: []byte("not ours")}); err != nil {
		t.Fatal(err)
	}
	want["foreign"] = []byte("not ours")
	poison := []string{`{"hello":1}`, notification("ObjectCreated:Put", "another", "x")}
	q.send(t, append(poison, notification("ObjectRemoved:Delete", "lambda-sqs", "foreign"))...)

	var log syncBuffer
	taken := make(chan struct{}, 100)
	f := lambdaapi.New(lambdaapi.Options{Timeout: 30 * time.Second, Freeze: true, InHand: func(delta int) {
		if delta > 0 {
			taken <- struct{}{}
		}
	}})
	f.Deploy(lambdaapi.Bootstrap{Path: bin, Stdout: &log, Stderr: &log, Env: append(os.Environ(),
		"CROSSFADE_SOURCE=s3://lambda-sqs", "CROSSFADE_TARGET=gs://lambda-sqs", "CROSSFADE_DEAD_LETTER="+q.dead)})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- mapping{q, f}.run(ctx) }()
	<-taken
	if err := f.Signal(syscall.SIGKILL); err != nil { // with a batch in hand
		t.Error(err)
	}
	q.empty(t)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	f.Shutdown(0)

	keys, err := target.list(t.Context(), "lambda-sqs")
	if err != nil || len(keys) != len(want) {
		t.Errorf("%d objects on the target, want %d; %v", len(keys), len(want), err)
	}
	for key, body := range want {
		if o, err := target.get(t.Context(), "lambda-sqs", key); err != nil || !bytes.Equal(o.body, body) {
			t.Errorf("%s: %q, %v", key, o.body, err)
		}
	}
	got, reasons := q.buried(t)
	slices.Sort(got)
	slices.Sort(poison)
	slices.Sort(reasons)
	if !slices.Equal(got, poison) || len(reasons) != 2 || reasons[0] != "another bucket" || !strings.HasPrefix(reasons[1], "malformed: ") {
		t.Errorf("dead letters %q for %q, want %q", got, reasons, poison)
	}
	if text := log.String(); len(f.Stats().Inits) != 2 || !strings.Contains(text, `"deliveries":2`) || t.Failed() {
		t.Errorf("%+v\n%s", f.Stats(), text)
	}
}

// syncBuffer is a bytes.Buffer for two goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
