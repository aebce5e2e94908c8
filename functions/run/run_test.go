package run_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/run"
	"github.com/crossfade-io/crossfade/store"
)

const token = "hunter2-hunter2-hunter2"

func notification(key string) string {
	return fmt.Sprintf(`{"EventName":"s3:ObjectCreated:Put","Key":"shop/x","Records":[{"eventVersion":"2.0","eventSource":"minio:s3","eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"shop"},"object":{"key":%q}}}]}`, key)
}

// A webhook takes what carries its token, and answers by the verdict; what no
// retry can help is taken too.
func TestWebhook(t *testing.T) {
	t.Parallel()
	proc := sink(func(_ context.Context, e functions.Event) functions.Verdict {
		switch {
		case e.Malformed != nil:
			return functions.Verdict{Outcome: functions.DeadLetter, Kind: store.Invalid, Reason: "malformed"}
		case e.Key == "throttled":
			return functions.Verdict{Outcome: functions.Retry, Kind: store.Throttled, After: 7 * time.Second}
		case e.Key != "a/b c" || e.Bucket != "shop":
			return functions.Verdict{Outcome: functions.Retry, Kind: store.Unknown}
		}
		return functions.Verdict{}
	})
	var log bytes.Buffer
	hook := run.Webhook{Name: "s3", Token: token, Handler: run.S3(proc, slog.New(slog.NewTextHandler(&log, nil)))}
	w := start(t, run.Options{Webhooks: []run.Webhook{hook}, Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "measured") })})
	bearer := []string{"Authorization", "Bearer " + token}
	for _, c := range []struct {
		what, method, path, body string
		header                   []string
		status                   int
	}{
		{"done", "POST", "/events/s3", notification("a%2Fb+c"), bearer, 200},
		{"by the URL", "POST", "/events/s3?token=" + token, notification("a%2Fb+c"), nil, 200},
		{"in small letters", "POST", "/events/s3", notification("a%2Fb+c"), []string{"Authorization", "bearer " + token}, 200},
		{"throttled", "POST", "/events/s3", notification("throttled"), bearer, 429},
		{"failed", "POST", "/events/s3", notification("other"), bearer, 503},
		{"nonsense", "POST", "/events/s3", "nonsense", bearer, 202},
		{"too large", "POST", "/events/s3", strings.Repeat(" ", 2<<20+1), bearer, 413},
		{"is anyone there", "HEAD", "/events/s3", "", bearer, 200},
		{"delete", "DELETE", "/events/s3", "", bearer, 405},
		{"no token", "POST", "/events/s3", notification("a"), nil, 401},
		{"another token", "POST", "/events/s3", notification("a"), []string{"Authorization", "Bearer " + token + "x"}, 401},
		{"the token without its scheme", "POST", "/events/s3", notification("a"), []string{"Authorization", token}, 401},
		{"another scheme", "POST", "/events/s3", notification("a"), []string{"Authorization", "Basic " + token}, 401},
		{"empty token", "POST", "/events/s3?token=", notification("a"), []string{"Authorization", "Bearer "}, 401},
		{"another kind", "POST", "/events/gcs", "{}", bearer, 404},
		{"alive", "GET", "/healthz", "", nil, 200},
		{"ready", "GET", "/readyz", "", nil, 200},
		{"metrics", "GET", "/metrics", "", nil, 200},
		{"nothing", "GET", "/", "", nil, 404},
	} {
		status, body := w.ask(c.method, c.path, c.body, c.header...)
		if status != c.status || strings.Contains(body, "hunter2") {
			t.Errorf("%s: %d %q, want %d", c.what, status, body, c.status)
		}
	}
	if strings.Contains(log.String()+w.log.String(), "hunter2") {
		t.Errorf("the token is logged: %s%s", log.String(), w.log.String())
	}
	w.stop()
	w.over("")
}

// The end: readiness goes first, what waits for its turn is given back, what is
// in work is finished, and only then is it over.
func TestDrain(t *testing.T) {
	t.Parallel()
	began, proceed := make(chan string, 10), make(chan struct{})
	proc := sink(func(ctx context.Context, e functions.Event) functions.Verdict {
		began <- e.Key
		<-proceed
		if ctx.Err() != nil {
			t.Error("the work was cancelled")
		}
		return functions.Verdict{}
	})
	hook := run.Webhook{Name: "s3", Handler: run.S3(proc, slog.New(slog.DiscardHandler))}
	a, b := newSource(), newSource()
	w := start(t, run.Options{
		Processor: proc, Concurrency: 2, Grace: time.Minute, Webhooks: []run.Webhook{hook},
		Pulls: []run.Pull{{Name: "a", Source: a}, {Name: "b", Source: b}},
	})
	a.in <- "one"
	<-began
	posted := make(chan int, 1)
	go func() {
		status, _ := w.ask("POST", "/events/s3", notification("two"))
		posted <- status
	}()
	<-began
	b.in <- "waits"
	for len(b.in) > 0 {
		runtime.Gosched()
	}
	w.stop()
	if v := <-b.out; v.Outcome != functions.Retry {
		t.Errorf("what waited: %+v", v)
	}
	if status, body := w.ask("GET", "/readyz", ""); status != 503 || body != "stopping\n" {
		t.Errorf("ready: %d %q", status, body)
	}
	if status, _ := w.ask("GET", "/healthz", ""); status != 200 {
		t.Errorf("alive: %d", status)
	}
	if status, _ := w.ask("POST", "/events/s3", notification("late")); status != 503 {
		t.Errorf("late: %d", status)
	}
	select {
	case err := <-w.end:
		t.Fatalf("over already: %v", err)
	default:
	}
	close(proceed)
	if v, status := <-a.out, <-posted; v.Outcome != functions.Ack || status != 200 {
		t.Errorf("what was in work: %+v, %d", v, status)
	}
	w.over("")
	if len(began) != 0 || strings.Contains(w.log.String(), "cut short") {
		t.Errorf("%d more begun:\n%s", len(began), w.log.String())
	}
}

// When the grace is over, or at the second signal, what is in work is cut short.
func TestCutShort(t *testing.T) {
	t.Parallel()
	abort := make(chan struct{})
	close(abort)
	for name, opts := range map[string]run.Options{"grace": {Grace: 20 * time.Millisecond}, "abort": {Grace: time.Hour, Abort: abort}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := make(chan struct{})
			opts.Processor = sink(func(ctx context.Context, _ functions.Event) functions.Verdict {
				close(began)
				<-ctx.Done()
				return functions.Verdict{Outcome: functions.Retry, Reason: "ran out of time"}
			})
			s := newSource()
			opts.Pulls = []run.Pull{{Name: "a", Source: s}}
			w := start(t, opts)
			s.in <- "one"
			<-began
			w.stop()
			if v := <-s.out; v.Outcome != functions.Retry {
				t.Errorf("%+v", v)
			}
			w.over("")
			if !strings.Contains(w.log.String(), "cut short") {
				t.Error(w.log.String())
			}
		})
	}
}

// A source that ends by itself ends the process, which says which it was.
func TestSourceEnds(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{"events by b: it ended by itself": nil, "events by b: no such directory": errors.New("no such directory")} {
		a, b := newSource(), newSource()
		w := start(t, run.Options{Pulls: []run.Pull{{Name: "a", Source: a}, {Name: "b", Source: b}}})
		b.err = err
		close(b.in)
		w.over(want)
	}
}

// A source in trouble makes the process not ready, and does not end it.
func TestReady(t *testing.T) {
	t.Parallel()
	s := newSource()
	w := start(t, run.Options{Pulls: []run.Pull{{Name: "a", Source: s}}})
	for _, trouble := range []error{nil, errors.New("hunter2"), nil} {
		s.mu.Lock()
		s.trouble = trouble
		s.mu.Unlock()
		if status, body := w.ask("GET", "/readyz", ""); (status == 200) != (trouble == nil) || strings.Contains(body, "hunter2") {
			t.Errorf("%v: %d %q", trouble, status, body)
		}
	}
	if status, _ := w.ask("GET", "/metrics", ""); status != 404 {
		t.Errorf("metrics: %d", status)
	}
	w.stop()
	w.over("")
}

// All sources together have no more in work than is allowed.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now, most := 0, 0
	proc := sink(func(context.Context, functions.Event) functions.Verdict {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
		return functions.Verdict{}
	})
	a, b := newSource(), newSource()
	w := start(t, run.Options{Processor: proc, Concurrency: 3, Pulls: []run.Pull{{Name: "a", Source: a}, {Name: "b", Source: b}}})
	for i := range 50 {
		a.in <- fmt.Sprint("x", i)
		b.in <- fmt.Sprint("y", i)
	}
	for range 50 {
		<-a.out
		<-b.out
	}
	w.stop()
	w.over("")
	if most != 3 {
		t.Errorf("%d at once", most)
	}
}

// Events of one key are in work one after the other, whatever source they come
// from, and do not keep others from it.
func TestOneKey(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now, done := map[string]int{}, 0
	proceed := make(chan struct{})
	proc := sink(func(_ context.Context, e functions.Event) functions.Verdict {
		mu.Lock()
		now[e.Key]++
		if now[e.Key] > 1 {
			t.Errorf("%s is in work %d times", e.Key, now[e.Key])
		}
		mu.Unlock()
		if e.Key == "hot" {
			<-proceed
		}
		mu.Lock()
		defer mu.Unlock()
		now[e.Key]--
		done++
		return functions.Verdict{}
	})
	a, b := newSource(), newSource()
	w := start(t, run.Options{Processor: proc, Concurrency: 2, Pulls: []run.Pull{{Name: "a", Source: a}, {Name: "b", Source: b}}})
	for range 10 {
		a.in <- "hot"
		b.in <- "hot"
	}
	b.in <- "other"
	if v := <-b.out; v.Outcome != functions.Ack {
		t.Errorf("%+v", v)
	}
	mu.Lock()
	if done != 1 {
		t.Errorf("%d done", done)
	}
	mu.Unlock()
	close(proceed)
	for range 10 {
		<-a.out
		<-b.out
	}
	w.stop()
	w.over("")
}

// Nothing is left running.
func TestNoLeaks(t *testing.T) { // not parallel: it counts
	before := runtime.NumGoroutine()
	s := newSource()
	w := start(t, run.Options{Pulls: []run.Pull{{Name: "a", Source: s}}})
	s.in <- "one"
	<-s.out
	w.stop()
	w.over("")
	for end := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, and there were %d", runtime.NumGoroutine(), before)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	proc := sink(func(context.Context, functions.Event) functions.Verdict { return functions.Verdict{} })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pulls := []run.Pull{{Name: "a", Source: newSource()}}
	for want, opts := range map[string]run.Options{
		"no Processor":      {Listener: l, Pulls: pulls},
		"no Listener":       {Processor: proc, Pulls: pulls},
		"nothing to take":   {Processor: proc, Listener: l},
		"concurrency -1":    {Processor: proc, Listener: l, Pulls: pulls, Concurrency: -1},
		"grace -1s":         {Processor: proc, Listener: l, Pulls: pulls, Grace: -time.Second},
		"timeout -1s, grac": {Processor: proc, Listener: l, Pulls: pulls, Timeout: -time.Second},
	} {
		if err := run.Run(t.Context(), opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
