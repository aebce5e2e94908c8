package s3_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/s3"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// syncer fails the keys it was told to, and remembers all.
type syncer struct {
	fails map[string]store.Kind

	mu    sync.Mutex
	hints map[string][]replicate.Hint
}

func (s *syncer) Sync(ctx context.Context, key string, hint replicate.Hint) (replicate.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hints == nil {
		s.hints = map[string][]replicate.Hint{}
	}
	s.hints[key] = append(s.hints[key], hint)
	if kind, ok := s.fails[key]; ok {
		return replicate.Result{Attempts: 1}, &store.Error{Op: "put", Store: "gs://copy", Key: key, Kind: kind, Err: errors.New("no")}
	}
	return replicate.Result{Action: replicate.Copy}, ctx.Err()
}

// handler returns what Lambda's runtime would call.
func handler(t testing.TB, s functions.Syncer) lambda.Handler {
	t.Helper()
	proc, err := functions.New(s, functions.Options{Bucket: "photos", Prefix: "in/", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return lambda.NewHandler(s3.New(proc, nil))
}

func TestDirect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		doc  string
		want string // a part of the error; "" for success
	}{
		{"put", ""},
		{"delete-marker", ""},
		{"test-event", ""},
		{"acl", ""},
		{"unknown-type", ""},
		{"minio", ""},
		{"copy", "1 of 1 events not done: retry: denied"},
		{"multipart", "1 of 1 events not done: dead-letter: too large"},
		{"bad-keys", "5 of 6 events not done: dead-letter: malformed"},
		{"eventbridge", ""},
		{"eventbridge-deleted", ""},
		{"eventbridge-acl", ""},
		{"eventbridge-cloudtrail", "dead-letter: malformed"},
		{"sns-direct", ""},
		{"sns-direct-eventbridge", ""},
		{"sns-text", "dead-letter: malformed"},
		{"not-json", "dead-letter: malformed"},
	} {
		t.Run(c.doc, func(t *testing.T) {
			t.Parallel()
			h := handler(t, &syncer{fails: map[string]store.Kind{"copy": store.Denied, "large.bin": store.TooLarge}})
			out, err := h.Invoke(t.Context(), golden(t, c.doc))
			switch {
			case c.want == "" && (err != nil || string(out) != "null"):
				t.Errorf("%q, %v", out, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// failures invokes h with an SQS batch and returns the ids that it reports.
func failures(ctx context.Context, t testing.TB, h lambda.Handler, payload []byte) []string {
	t.Helper()
	out, err := h.Invoke(ctx, payload)
	if err != nil {
		t.Fatal(err)
	}
	var res events.SQSEventResponse
	if err := json.Unmarshal(out, &res); err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, f := range res.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}

// Each message of a batch is answered by itself.
func TestBatch(t *testing.T) {
	t.Parallel()
	s := &syncer{fails: map[string]store.Kind{"throttled": store.Throttled, "too-large": store.TooLarge}}
	got := failures(t.Context(), t, handler(t, s), golden(t, "sqs-batch"))
	if want := []string{"m2", "m3", "m5", "m7", "m9"}; !slices.Equal(got, want) {
		t.Errorf("failed %v, want %v", got, want)
	}
	if want := map[string][]replicate.Hint{
		"good":      {replicate.HintNone}, // created and removed: once, and who knows
		"good2":     {replicate.HintNew},
		"throttled": {replicate.HintNone}, // delivered for the second time
		"too-large": {replicate.HintNew},
		"x":         {replicate.HintNew}, // in SNS's envelope
	}; !reflect.DeepEqual(s.hints, want) {
		t.Errorf("synced %v, want %v", s.hints, want)
	}
}

// Messages of every form are taken from one queue.
func TestBatchOfForms(t *testing.T) {
	t.Parallel()
	s := &syncer{}
	got := failures(t.Context(), t, handler(t, s), golden(t, "sqs-forms"))
	if want := []string{"m7", "m8"}; !slices.Equal(got, want) { // a text, and EC2's
		t.Errorf("failed %v, want %v", got, want)
	}
	want := map[string][]replicate.Hint{
		"m9 Happy Face.jpg":  {replicate.HintNone},
		"m10 Happy Face.jpg": {replicate.HintRemoved},
	}
	for i := range 5 {
		want[fmt.Sprintf("m%d Happy Face.jpg", i+1)] = []replicate.Hint{replicate.HintNew}
	}
	if !reflect.DeepEqual(s.hints, want) {
		t.Errorf("synced %v, want %v", s.hints, want)
	}
}

// Of a key that may be read in two ways both are synced, and the message is done
// when both are.
func TestBothKeys(t *testing.T) {
	t.Parallel()
	for fails, want := range map[string][]string{"": {}, "a+b": {"m3"}, "a b": {"m3"}} {
		s := &syncer{fails: map[string]store.Kind{fails: store.Throttled}}
		payload := bytes.ReplaceAll(golden(t, "sqs-forms"), []byte("in/m3 Happy Face.jpg"), []byte("in/a+b"))
		got := failures(t.Context(), t, handler(t, s), payload)
		if want := append(want, "m7", "m8"); !slices.Equal(got, want) {
			t.Errorf("%q fails: %v, want %v", fails, got, want)
		}
		if len(s.hints["a+b"]) != 1 || len(s.hints["a b"]) != 1 {
			t.Errorf("synced %v", s.hints)
		}
	}
}

// The answer's exact form: an empty list where nothing failed, never null,
// which would be read as the failure of all.
func TestBatchAnswer(t *testing.T) {
	t.Parallel()
	out, err := handler(t, &syncer{}).Invoke(t.Context(), golden(t, "sqs-one"))
	if err != nil || strings.TrimSpace(string(out)) != `{"batchItemFailures":[]}` {
		t.Errorf("%s, %v", out, err)
	}
	out, err = handler(t, &syncer{fails: map[string]store.Kind{"Happy Face.jpg": store.Unknown}}).Invoke(t.Context(), golden(t, "sqs-one"))
	if err != nil || strings.TrimSpace(string(out)) != `{"batchItemFailures":[{"itemIdentifier":"059f36b4-87a3-44ab-83d2-661975830a7d"}]}` {
		t.Errorf("%s, %v", out, err)
	}
}

// When the time runs out, what was not done comes again; what needs no time
// does not.
func TestBatchOutOfTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &syncer{}
	got := failures(ctx, t, handler(t, s), golden(t, "sqs-batch"))
	if want := []string{"m1", "m2", "m3", "m5", "m6", "m7", "m8", "m9"}; !slices.Equal(got, want) {
		t.Errorf("failed %v, want %v", got, want)
	}
	if len(s.hints) > 0 {
		t.Errorf("synced %v", s.hints)
	}
}

// A batch whose messages cannot be told apart fails as a whole.
func TestBatchUnreadable(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{
		"no id":         `{"Records":[{"eventSource":"aws:sqs","body":"{}"}]}`,
		"mixed sources": `{"Records":[{"eventSource":"aws:sqs","messageId":"1","body":"{}"},{"eventSource":"aws:s3"}]}`,
		"not UTF-8":     "{\"Records\":[{\"eventSource\":\"aws:sqs\",\"messageId\":\"1\",\"body\":\"\xff\"}]}",
		"body no text":  `{"Records":[{"eventSource":"aws:sqs","messageId":"1","body":{"Records":[]}}]}`,
	} {
		if out, err := handler(t, &syncer{}).Invoke(t.Context(), []byte(payload)); err == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// BenchmarkHandler is the handler alone, with a Sync that does nothing: batches
// of ten messages, as the event source mapping sends them by default.
func BenchmarkHandler(b *testing.B) {
	h := handler(b, discard{})
	record := strings.TrimSpace(string(golden(b, "put")))
	type message struct {
		ID     string            `json:"messageId"`
		Body   string            `json:"body"`
		Source string            `json:"eventSource"`
		Attr   map[string]string `json:"attributes"`
	}
	var batch struct{ Records []message }
	for i := range 10 {
		body := strings.Replace(record, "Happy+Face", fmt.Sprintf("Happy+Face+%d", i), 1)
		batch.Records = append(batch.Records, message{fmt.Sprintf("m%d", i), body, "aws:sqs", map[string]string{"ApproximateReceiveCount": "1"}})
	}
	payload, err := json.Marshal(batch)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if ids := failures(b.Context(), b, h, payload); len(ids) > 0 {
			b.Fatal(ids)
		}
	}
	b.ReportMetric(float64(b.N)*float64(len(batch.Records))/b.Elapsed().Seconds(), "events/s")
}

type discard struct{}

func (discard) Sync(context.Context, string, replicate.Hint) (replicate.Result, error) {
	return replicate.Result{Action: replicate.Copy, Attempts: 1}, nil
}
