package eventgrid_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/eventgrid"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// syncer fails the keys it was told to, and remembers all.
type syncer struct {
	fails map[string]store.Kind
	after time.Duration

	mu    sync.Mutex
	hints map[string]replicate.Hint
}

func (s *syncer) Sync(_ context.Context, key string, hint replicate.Hint) (replicate.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hints == nil {
		s.hints = map[string]replicate.Hint{}
	}
	s.hints[key] = hint
	if kind, ok := s.fails[key]; ok {
		return replicate.Result{}, &store.Error{Op: "put", Store: "s3://copy", Key: key, Kind: kind, RetryAfter: s.after, Err: errors.New("secret detail")}
	}
	return replicate.Result{Action: replicate.Copy}, nil
}

// do sends one request to a handler of container photos in account acct.
func do(t testing.TB, s functions.Syncer, method string, header http.Header, body []byte) (*http.Response, string) {
	t.Helper()
	proc, err := functions.New(s, functions.Options{Bucket: "photos", Account: "acct", Prefix: "in/", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(eventgrid.New(proc, slog.New(slog.DiscardHandler)))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/api/crossfade", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	res, err := loopback.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

var notification = http.Header{"Aeg-Event-Type": {"Notification"}, "Aeg-Delivery-Count": {"0"}, "Content-Type": {"application/json; charset=utf-8"}}

// One status answers a whole delivery.
func TestStatus(t *testing.T) {
	t.Parallel()
	type fails = map[string]store.Kind
	for _, c := range []struct {
		name, doc string
		fails     fails
		status    int
		retry     string // Retry-After
	}{
		{"created", "created", nil, 200, ""},
		{"deleted", "deleted", nil, 200, ""},
		{"cloudevent", "cloudevent", nil, 200, ""},
		{"nothing to do", "tier-changed", nil, 200, ""},
		{"unknown type", "unknown-type", nil, 200, ""},
		{"batch", "batch", nil, 200, ""},
		{"one throttled", "batch", fails{"good2": store.Throttled}, 429, "10"},
		{"one to retry", "batch", fails{"good": store.Corrupt}, 503, ""},
		{"one never", "batch", fails{"good": store.TooLarge}, 400, ""},
		{"one never, one to retry", "batch", fails{"good": store.TooLarge, "good2": store.Unavailable}, 503, "10"},
		{"another container", "another-container", nil, 400, ""},
		{"another account", "another-account", nil, 400, ""},
		{"damaged key", "damaged-key", nil, 400, ""},
		{"rename", "renamed", nil, 400, ""},
		{"wrong types", "wrong-types", nil, 400, ""},
		{"not JSON", "not-json", nil, 400, ""},
		{"empty", "empty", nil, 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res, body := do(t, &syncer{fails: c.fails}, http.MethodPost, notification, golden(t, c.doc))
			if res.StatusCode != c.status || res.Header.Get("Retry-After") != c.retry {
				t.Errorf("status %d, Retry-After %q; want %d, %q", res.StatusCode, res.Header.Get("Retry-After"), c.status, c.retry)
			}
			if strings.Contains(body, "secret") || strings.Contains(body, "s3://") || strings.Contains(body, "good") {
				t.Errorf("the answer tells %q", body)
			}
		})
	}
}

// A Retry-After of a fraction of a second is not sent as none.
func TestRetryAfterRoundsUp(t *testing.T) {
	t.Parallel()
	res, _ := do(t, &syncer{fails: map[string]store.Kind{"good": store.Throttled}, after: 1200 * time.Millisecond}, http.MethodPost, notification, golden(t, "batch"))
	if got := res.Header.Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q", got)
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	again := maps.Clone(notification)
	again["Aeg-Delivery-Count"] = []string{"1"} // counted from 0
	for _, c := range []struct {
		doc    string
		header http.Header
		want   map[string]replicate.Hint
	}{
		{"created", notification, map[string]replicate.Hint{"new-file.txt": replicate.HintNew}},
		{"created", again, map[string]replicate.Hint{"new-file.txt": replicate.HintNone}},
		{"deleted", again, map[string]replicate.Hint{"gone": replicate.HintRemoved}},
		{"batch", notification, map[string]replicate.Hint{"good": replicate.HintNone, "good2": replicate.HintNew}},
	} {
		s := &syncer{}
		do(t, s, http.MethodPost, c.header, golden(t, c.doc))
		if !maps.Equal(s.hints, c.want) {
			t.Errorf("%s: synced %v, want %v", c.doc, s.hints, c.want)
		}
	}
}

// The handshake of the Event Grid schema: 200 with the code, and no event.
func TestSubscriptionValidation(t *testing.T) {
	t.Parallel()
	s := &syncer{}
	header := http.Header{"Aeg-Event-Type": {"SubscriptionValidation"}}
	res, body := do(t, s, http.MethodPost, header, golden(t, "validation"))
	if res.StatusCode != 200 || strings.TrimSpace(body) != `{"validationResponse":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}` || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	for _, doc := range []string{"created", "not-json", "empty"} {
		if res, _ := do(t, s, http.MethodPost, header, golden(t, doc)); res.StatusCode != 400 {
			t.Errorf("%s as a handshake: status %d", doc, res.StatusCode)
		}
	}
	if len(s.hints) > 0 {
		t.Errorf("synced %v", s.hints)
	}
}

// The handshake of CloudEvents webhooks.
func TestOptions(t *testing.T) {
	t.Parallel()
	res, _ := do(t, &syncer{}, http.MethodOptions, http.Header{"Webhook-Request-Origin": {"eventgrid.azure.net"}}, nil)
	if res.StatusCode != 200 || res.Header.Get("WebHook-Allowed-Origin") != "eventgrid.azure.net" || !slices.Contains(strings.Split(res.Header.Get("Allow"), ", "), "POST") {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if res, _ := do(t, &syncer{}, http.MethodOptions, nil, nil); res.StatusCode != 400 {
		t.Errorf("without origin: status %d", res.StatusCode)
	}
}

func TestMethodsAndSize(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		if res, _ := do(t, &syncer{}, method, nil, nil); res.StatusCode != 405 {
			t.Errorf("%s: status %d", method, res.StatusCode)
		}
	}
	if res, _ := do(t, &syncer{}, http.MethodPost, notification, bytes.Repeat([]byte(" "), 3<<20)); res.StatusCode != 413 {
		t.Errorf("3 MiB: status %d", res.StatusCode)
	}
}
