package azhost_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/azhost"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

const done = `{"Outputs":{},"Logs":[],"ReturnValue":null}`

// handler is a custom handler that remembers what it was sent.
type handler struct {
	answer func(path string, data map[string]any) (status int, body string)

	mu    sync.Mutex
	calls []call
}

type call struct {
	path string
	body struct {
		Data     map[string]any
		Metadata map[string]any
	}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := call{path: r.URL.Path}
	if err := json.NewDecoder(r.Body).Decode(&c.body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	h.calls = append(h.calls, c)
	h.mu.Unlock()
	status, body := h.answer(c.path, c.body.Data)
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func run(t *testing.T, h http.Handler, opts azhost.Options) (*azhost.Host, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return azhost.New(server.URL, opts), ctx
}

// A message comes until it is done, with its count, or until it is poison.
func TestQueue(t *testing.T) {
	t.Parallel()
	for form, want := range map[azhost.Form]any{
		azhost.Text: `{"n":"x"}`, azhost.Object: map[string]any{"n": "x"}, azhost.Base64: "eyJuIjoieCJ9", azhost.Quoted: `"{\"n\":\"x\"}"`,
	} {
		h := &handler{answer: func(string, map[string]any) (int, string) { return 503, "no" }}
		host, ctx := run(t, h, azhost.Options{Form: form, MaxDequeueCount: 3})
		host.Send([]byte(`{"n":"x"}`))
		if err := host.Drain(ctx); err != nil {
			t.Fatal(err)
		}
		var counts []float64
		for _, c := range h.calls {
			n, _ := c.body.Metadata["DequeueCount"].(float64)
			counts = append(counts, n)
			got, err := json.Marshal(c.body.Data["queueItem"])
			expected, _ := json.Marshal(want)
			if err != nil || c.path != "/queue" || string(got) != string(expected) || c.body.Metadata["n"] != "x" {
				t.Errorf("form %d: called %+v, want %s", form, c, expected)
			}
		}
		if !slices.Equal(counts, []float64{1, 2, 3}) || len(host.Poison()) != 1 || len(host.Failures()) != 3 {
			t.Errorf("form %d: counts %v, poison %q, failures %v", form, counts, host.Poison(), host.Failures())
		}
	}
}

// A 2xx alone does not do: the answer must be of the protocol.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for body, poison := range map[string]int{done: 0, `{"Outputs":{"x":"y"},"Logs":["a"],"ReturnValue":"r"}`: 0, "": 1, "ok": 1, "{}": 1} {
		host, ctx := run(t, &handler{answer: func(string, map[string]any) (int, string) { return 200, body }}, azhost.Options{})
		host.Send([]byte("text"))
		if err := host.Drain(ctx); err != nil || len(host.Poison()) != poison {
			t.Errorf("%q: %v, poison %q", body, err, host.Poison())
		}
		if err := host.Event(ctx, []byte(`{"id":"1"}`)); (err != nil) != (poison > 0) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// HTTP requests are forwarded as they are, or wrapped.
func TestHTTP(t *testing.T) {
	t.Parallel()
	post := func(ctx context.Context, host *azhost.Host) (int, string) {
		server := httptest.NewServer(host)
		defer server.Close()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/api/webhook?x=1", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Aeg-Event-Type", "Notification")
		res, err := loopback.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	host, ctx := run(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.WriteHeader(418)
		io.WriteString(w, r.URL.String()+" "+r.Header.Get("Aeg-Event-Type")+" "+string(b))
	}), azhost.Options{ForwardHTTP: true})
	if status, body := post(ctx, host); status != 418 || body != "/api/webhook?x=1 Notification body" {
		t.Errorf("forwarded: %d %q", status, body)
	}
	host, ctx = run(t, &handler{answer: func(path string, data map[string]any) (int, string) {
		req, _ := data["req"].(map[string]any)
		if path != "/webhook" || req["Body"] != "body" || req["Method"] != "POST" {
			return 500, "?"
		}
		return 200, `{"Outputs":{"res":{"statusCode":418,"body":"tea"}},"Logs":[],"ReturnValue":null}`
	}}, azhost.Options{})
	if status, body := post(ctx, host); status != 418 || body != "tea" {
		t.Errorf("wrapped: %d %q", status, body)
	}
	host, ctx = run(t, &handler{answer: func(string, map[string]any) (int, string) { return 400, "no" }}, azhost.Options{})
	if status, _ := post(ctx, host); status != 500 || len(host.Failures()) != 1 {
		t.Errorf("failed: %d, %v", status, host.Failures())
	}
}
