package cloudsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

func keyDocument(c Change) []Document {
	if c.Kind == MetadataUpdated {
		return nil
	}
	return []Document{{Header: http.Header{"X-Key": {c.Object.Name}}, Body: []byte(fmt.Sprintf("%d:%s", c.Kind, c.Object.Name))}}
}

func put(t *testing.T, b *Bucket, key string) {
	t.Helper()
	if _, err := b.Put(NewObject(key, []byte(key)), Origin{}, nil, nil); err != nil {
		t.Fatal(err)
	}
}

func TestDeliveryPostsEveryChange(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := map[string]int{}
	refusals := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if want := fmt.Sprint(refusals[r.Header.Get("X-Key")] + 1); r.Header.Get("X-Receives") != want {
			t.Errorf("delivery %s is said to be %q", want, r.Header.Get("X-Receives"))
		}
		if key := r.Header.Get("X-Key"); refusals[key] < 2 && len(key)%2 == 0 {
			refusals[key]++
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		got[string(body)]++
	}))
	defer srv.Close()

	b := NewCore(nil).CreateBucket("b", false)
	put(t, b, "before") // nobody listened yet
	var acked []time.Duration
	d := Deliver(t.Context(), b, DeliveryOptions{
		Encode: keyDocument, Send: PostEach(srv.Client(), srv.URL, func(m Message) http.Header { return http.Header{"X-Receives": {fmt.Sprint(m.Receives)}} }), Backoff: time.Millisecond,
		Acked: func(m Message, at time.Time) {
			mu.Lock()
			defer mu.Unlock()
			acked = append(acked, at.Sub(m.Committed))
		},
	})
	want := map[string]int{}
	for i := range 40 {
		key := fmt.Sprintf("%0*d", i%4+2, i)
		put(t, b, key)
		want["0:"+key]++
	}
	if _, _, err := b.Delete("before", Origin{}, false, nil); err != nil {
		t.Fatal(err)
	}
	want["1:before"]++
	if _, err := b.Update("00", Origin{}, nil, func(o *Object) { o.ContentType = "text/plain" }); err != nil {
		t.Fatal(err)
	}
	if err := d.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.Stop()
	put(t, b, "after") // nobody listens any more
	mu.Lock()
	defer mu.Unlock()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	s := d.Stats()
	if s.Sent != 41 || s.Acked != 41 || s.Redelivered == 0 || s.Dead != 0 || s.Waiting+s.InFlight != 0 || len(acked) != 41 {
		t.Errorf("stats %+v, %d acked", s, len(acked))
	}
	if slices.Min(acked) < 0 {
		t.Errorf("a negative lag: %v", slices.Min(acked))
	}
}

func TestDeliveryGivesUp(t *testing.T) {
	t.Parallel()
	b := NewCore(nil).CreateBucket("b", false)
	d := Deliver(t.Context(), b, DeliveryOptions{
		Encode: keyDocument, Attempts: 3, Backoff: time.Millisecond,
		Send: func(_ context.Context, batch []Message) []error {
			errs := make([]error, len(batch))
			for i, m := range batch {
				if m.Key == "poison" {
					errs[i] = errors.New("no")
				}
			}
			return errs
		},
		Batch: 4,
	})
	defer d.Stop()
	for _, key := range []string{"a", "poison", "b"} {
		put(t, b, key)
	}
	if err := d.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	dead := d.DeadLetters()
	if len(dead) != 1 || dead[0].Key != "poison" || dead[0].Receives != 3 {
		t.Errorf("dead letters: %+v", dead)
	}
	if s := d.Stats(); s.Acked != 2 || s.Dead != 1 {
		t.Errorf("stats: %+v", s)
	}
}

// A sender that answers for fewer messages than it was given acknowledges only
// those.
func TestDeliveryShortAnswer(t *testing.T) {
	t.Parallel()
	b := NewCore(nil).CreateBucket("b", false)
	d := Deliver(t.Context(), b, DeliveryOptions{
		Encode: keyDocument, Attempts: 2, Backoff: time.Millisecond,
		Send: func(context.Context, []Message) []error { return nil },
	})
	defer d.Stop()
	put(t, b, "a")
	if err := d.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(d.DeadLetters()) != 1 {
		t.Error("an unanswered message was acknowledged")
	}
}

// deliveredOrder is what a single worker is sent, all changes being there
// before it begins.
func deliveredOrder(t *testing.T, seed uint64) (order []string) {
	t.Helper()
	b := NewCore(nil).CreateBucket("b", false)
	clock := &manualClock{t: time.Unix(1000, 0)}
	release := make(chan struct{})
	d := Deliver(t.Context(), b, DeliveryOptions{
		Encode: keyDocument, Workers: 1, Seed: seed, Duplicate: 0.3, Window: time.Hour, Now: clock.now,
		Send: func(_ context.Context, batch []Message) []error {
			<-release
			order = append(order, batch[0].ID)
			return make([]error, 1)
		},
	})
	for i := range 30 {
		put(t, b, fmt.Sprint(i))
	}
	for {
		d.mu.Lock()
		pending, settled := d.pending, d.settled
		d.mu.Unlock()
		if pending == 0 {
			break
		}
		<-settled
	}
	d.queue.mu.Lock()
	clock.advance(2 * time.Hour)
	d.queue.broadcast()
	d.queue.mu.Unlock()
	close(release)
	if err := d.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.Stop()
	return order
}

func TestDeliveryHostilityIsSeeded(t *testing.T) {
	t.Parallel()
	a, again, other := deliveredOrder(t, 1), deliveredOrder(t, 1), deliveredOrder(t, 2)
	if !slices.Equal(a, again) {
		t.Errorf("the same seed gave\n%v\n%v", a, again)
	}
	if slices.Equal(a, other) {
		t.Error("another seed gave the same order")
	}
	if len(a) < 32 || len(a) > 55 {
		t.Errorf("%d deliveries of 30 messages, of which 30 %% should be twice", len(a))
	}
	sorted := slices.Clone(a)
	slices.Sort(sorted)
	if slices.Equal(sorted, a) {
		t.Error("nothing was out of order")
	}
}

func TestInvokeWithSQS(t *testing.T) {
	t.Parallel()
	batch := []Message{
		{ID: "m1", Document: Document{Body: []byte(`{"n":1}`)}, Receives: 1, receipt: 7},
		{ID: "m2", Document: Document{Body: []byte(`{"n":2}`)}, Receives: 3, receipt: 8},
	}
	tests := []struct {
		name   string
		status int
		header string
		answer string
		failed []bool
	}{
		{"nothing", 200, "", ``, []bool{false, false}},
		{"null", 200, "", `null`, []bool{false, false}},
		{"no failures", 200, "", `{"batchItemFailures":[]}`, []bool{false, false}},
		{"one failure", 200, "", `{"batchItemFailures":[{"itemIdentifier":"m2"}]}`, []bool{false, true}},
		{"empty identifier", 200, "", `{"batchItemFailures":[{"itemIdentifier":""}]}`, []bool{true, true}},
		{"null identifier", 200, "", `{"batchItemFailures":[{"itemIdentifier":null}]}`, []bool{true, true}},
		{"wrong name", 200, "", `{"batchItemFailures":[{"id":"m1"}]}`, []bool{true, true}},
		{"unknown message", 200, "", `{"batchItemFailures":[{"itemIdentifier":"m9"}]}`, []bool{true, true}},
		{"no JSON", 200, "", `oops`, []bool{true, true}},
		{"function error", 200, "Unhandled", `{"errorMessage":"x"}`, []bool{true, true}},
		{"refused", 429, "", ``, []bool{true, true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var body []byte
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ = io.ReadAll(r.Body)
				if tt.header != "" {
					w.Header().Set("X-Amz-Function-Error", tt.header)
				}
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.answer)
			}))
			defer srv.Close()
			errs := InvokeWithSQS(srv.Client(), srv.URL, "arn:aws:sqs:us-east-1:000000000000:q")(t.Context(), batch)
			for i, err := range errs {
				if (err != nil) != tt.failed[i] {
					t.Errorf("message %d: %v, want failed %v", i, err, tt.failed[i])
				}
			}
			const first = `{"Records":[{"messageId":"m1","receiptHandle":"7","body":"{\"n\":1}","attributes":{"ApproximateReceiveCount":"1",`
			if len(body) < len(first) || string(body[:len(first)]) != first {
				t.Errorf("sent %s", body)
			}
		})
	}
}
