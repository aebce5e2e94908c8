package demoapp

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// timers are fired by hand.
type timers struct {
	mu  sync.Mutex
	all []*timer
}

type timer struct {
	d       time.Duration
	f       func()
	stopped bool
}

func (t *timers) after(d time.Duration, f func()) func() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := &timer{d: d, f: f}
	t.all = append(t.all, x)
	return func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		was := x.stopped
		x.stopped = true
		return !was
	}
}

// fire lets all pass that were not stopped; with late, those too that were, as
// one whose function has begun already when it is stopped.
func (t *timers) fire(late bool) (n int) {
	t.mu.Lock()
	all := t.all
	t.all = nil
	t.mu.Unlock()
	for _, x := range all {
		if late || !x.stopped {
			x.f()
			n++
		}
	}
	return n
}

// controlled is an application that is told by hooks.
type controlled struct {
	*Sides
	t      *testing.T
	timers timers
	url    string
	token  string
}

func control(t *testing.T, source, target Client) *controlled {
	c := &controlled{t: t, token: "secret"}
	c.Sides = NewSides(source, target, c.timers.after)
	srv := httptest.NewServer(c.Hooks("secret"))
	t.Cleanup(srv.Close)
	c.url = srv.URL + "/hooks"
	return c
}

func (c *controlled) post(body string) (status int, answer string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := loopback.Client().Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(bytes.TrimSpace(b))
}

func (c *controlled) hook(want int, call Call) string {
	c.t.Helper()
	b, err := json.Marshal(call)
	if err != nil {
		c.t.Fatal(err)
	}
	got, answer := c.post(string(b))
	if got != want {
		c.t.Fatalf("%+v: %d %s, want %d", call, got, answer, want)
	}
	return answer
}

func (c *controlled) is(at Side, held bool) {
	c.t.Helper()
	if a, h := c.At(); a != at || h != held {
		c.t.Fatalf("at the %s, held %v; want %s, %v", a, h, at, held)
	}
}
