package gcs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/gcs"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// syncer fails the keys it was told to, and remembers all.
type syncer struct {
	fails map[string]error

	mu    sync.Mutex
	hints map[string]replicate.Hint
}

func (s *syncer) Sync(ctx context.Context, key string, hint replicate.Hint) (replicate.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hints == nil {
		s.hints = map[string]replicate.Hint{}
	}
	s.hints[key] = hint
	if err := ctx.Err(); err != nil {
		return replicate.Result{}, err
	}
	if err := s.fails[key]; err != nil {
		return replicate.Result{Attempts: 1}, fmt.Errorf("sync: %w", err)
	}
	return replicate.Result{Action: replicate.Copy}, nil
}

func fail(kind store.Kind) error {
	return &store.Error{Op: "put", Store: "s3://copy", Key: "100%!d(MISSING)", Kind: kind, Err: errors.New("%s%n secret detail")}
}

// serve runs the function on a server.
func serve(t testing.TB, s functions.Syncer) string {
	t.Helper()
	proc, err := functions.New(s, functions.Options{Bucket: "photos", Prefix: "in/", Now: time.Now, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gcs.New(proc))
	t.Cleanup(server.Close)
	return server.URL
}

// post sends a delivery in the binary content mode and returns the answer.
func post(t testing.TB, url string, d delivery) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(d.Body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range d.Headers {
		req.Header.Set(name, value)
	}
	res, err := loopback.Client().Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return res.StatusCode, string(b)
}

// Over the wire, each delivery gets the status of its verdict and never a
// blanket 500, and the answer tells nothing but the verdict.
func TestStatus(t *testing.T) {
	t.Parallel()
	s := &syncer{}
	url := serve(t, s)
	for _, c := range []struct {
		doc    string
		err    error // of its Sync
		status int
	}{
		{"finalized", nil, 200},
		{"deleted", nil, 200},
		{"archived", nil, 200},
		{"metadata-updated", nil, 200},
		{"no-subject", nil, 200},
		{"odd-key-encoded-subject", nil, 200},
		{"unknown-type", nil, 200},
		{"finalized", fail(store.Throttled), 429},
		{"finalized", fail(store.Unavailable), 503},
		{"finalized", fail(store.Denied), 503},
		{"finalized", fail(store.Unknown), 503},
		{"finalized", errors.New("no kind"), 503},
		{"finalized", context.DeadlineExceeded, 503},
		{"finalized", fail(store.TooLarge), 400},
		{"finalized", fail(store.Archived), 400},
		{"another-bucket", nil, 400},
		{"another-source", nil, 400},
		{"another-subject", nil, 400},
		{"array", nil, 400},
		{"no-name", nil, 400},
		{"pubsub", nil, 200},
		{"push-finalize", fail(store.Throttled), 429},
		{"push-finalize", fail(store.TooLarge), 400},
		{"audit-log", nil, 400},
	} {
		s.mu.Lock()
		s.fails = map[string]error{"Happy Face.jpg": c.err}
		s.mu.Unlock()
		status, body := post(t, url, golden(t, c.doc))
		if status != c.status {
			t.Errorf("%s, %v: status %d, want %d", c.doc, c.err, status, c.status)
		}
		for _, leak := range []string{"%", "!", "secret", "Happy", "s3://"} {
			if strings.Contains(body, leak) {
				t.Errorf("%s, %v: the answer has %q: %s", c.doc, c.err, leak, body)
			}
		}
	}
	if got := slices.Sorted(maps.Keys(s.hints)); !slices.Equal(got, []string{"Happy Face.jpg", "a.txt", "gone", "ü"}) {
		t.Errorf("synced %q", got)
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]replicate.Hint{
		"finalized": replicate.HintNew, "deleted": replicate.HintRemoved, "archived": replicate.HintRemoved, "metadata-updated": replicate.HintNone,
	} {
		s := &syncer{}
		post(t, serve(t, s), golden(t, doc))
		for key, got := range s.hints {
			if got != want {
				t.Errorf("%s: hint %d for %q, want %d", doc, got, key, want)
			}
		}
		if len(s.hints) != 1 {
			t.Errorf("%s: synced %v", doc, s.hints)
		}
	}
}

// The structured content mode: the whole event is the body.
func TestStructured(t *testing.T) {
	t.Parallel()
	s := &syncer{}
	d := delivery{Headers: map[string]string{"Content-Type": "application/cloudevents+json"}, Body: []byte(`{
		"specversion": "1.0", "id": "1", "type": "google.cloud.storage.object.v1.deleted",
		"source": "//storage.googleapis.com/projects/_/buckets/photos", "subject": "objects/in/ü b",
		"data": {"bucket": "photos", "name": "in/ü b", "generation": "17"}}`)}
	if status, body := post(t, serve(t, s), d); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if want := map[string]replicate.Hint{"ü b": replicate.HintRemoved}; !maps.Equal(s.hints, want) {
		t.Errorf("synced %v", s.hints)
	}
}

// What is no CloudEvent at all is dead-lettered, and nothing is synced.
func TestNotACloudEvent(t *testing.T) {
	t.Parallel()
	s := &syncer{}
	url := serve(t, s)
	d := golden(t, "finalized")
	for _, header := range []string{"Ce-Id", "Ce-Type", "Ce-Source", "Ce-Specversion"} {
		cut := delivery{Headers: maps.Clone(d.Headers), Body: d.Body}
		delete(cut.Headers, header)
		if status, _ := post(t, url, cut); status != 400 {
			t.Errorf("without %s: status %d", header, status)
		}
	}
	for contentType, body := range map[string]string{
		"application/cloudevents+json":       `{"specversion":"1.0"}`,
		"application/cloudevents-batch+json": `[]`,
		"text/plain":                         "hello",
	} {
		d := delivery{Headers: map[string]string{"Content-Type": contentType}, Body: []byte(body)}
		if status, _ := post(t, url, d); status != 400 {
			t.Errorf("%s: status %d", contentType, status)
		}
	}
	if res, err := loopback.Client().Get(url); err != nil || res.StatusCode != 405 { //nolint:noctx // a loopback server of this test
		t.Errorf("GET: %v, %v", res, err)
	}
	if len(s.hints) > 0 {
		t.Errorf("synced %v", s.hints)
	}
}

// Many at once: each is answered for itself, and none is left without an
// answer, as the SDK's receiver does.
func TestConcurrentDeliveries(t *testing.T) {
	t.Parallel()
	s := &syncer{fails: map[string]error{}}
	url := serve(t, s)
	d := golden(t, "finalized")
	var wg sync.WaitGroup
	for i := range 200 {
		key, want := fmt.Sprintf("%03d", i), 200
		if i%3 == 0 {
			s.mu.Lock()
			s.fails[key], want = fail(store.Throttled), 429
			s.mu.Unlock()
		}
		mine := delivery{Headers: maps.Clone(d.Headers), Body: bytes.ReplaceAll(d.Body, []byte("in/Happy Face.jpg"), []byte("in/"+key))}
		mine.Headers["Ce-Subject"] = "objects/in/" + key
		wg.Go(func() {
			if status, body := post(t, url, mine); status != want {
				t.Errorf("%s: status %d, want %d: %s", key, status, want, body)
			}
		})
	}
	wg.Wait()
	if len(s.hints) != 200 {
		t.Errorf("%d of 200 synced", len(s.hints))
	}
}
