package killtest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/functest"
)

// Platform runs a function: it takes events at URL and hands them to the one
// process that there is, which may come and go.
type Platform interface {
	URL() string

	// Start begins with a new process.
	Start(t testing.TB, env []string, path string) *Process

	// Busy waits until the process has an event in hand.
	Busy(ctx context.Context) error

	// Kill kills the process, gives back what it had in hand, to be delivered
	// again, and returns how much that was; false if it had ended by itself.
	Kill(p *Process) (broken int, killed bool)
}

// flights counts the events that the process of now has in hand.
type flights struct {
	mu      sync.Mutex
	n       int
	changed chan struct{} // closed and replaced at every change
}

func (f *flights) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n += n
	if f.changed != nil {
		close(f.changed)
	}
	f.changed = make(chan struct{})
}

// wait returns once ok holds for the number of events in hand.
func (f *flights) wait(ctx context.Context, ok func(n int) bool) error {
	for {
		f.mu.Lock()
		if f.changed == nil {
			f.changed = make(chan struct{})
		}
		n, changed := f.n, f.changed
		f.mu.Unlock()
		if ok(n) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Busy waits until the process has an event in hand.
func (f *flights) Busy(ctx context.Context) error {
	return f.wait(ctx, func(n int) bool { return n > 0 })
}

// CloudRun is a service of Cloud Run with one instance.
type CloudRun struct {
	flights
	server *httptest.Server

	lock   sync.Mutex
	proxy  http.Handler // to the process; nil where there is none
	failed int          // requests that the process did not answer
}

// NewCloudRun serves until the test ends.
func NewCloudRun(t testing.TB) *CloudRun {
	c := new(CloudRun)
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.lock.Lock()
		proxy := c.proxy
		if proxy != nil {
			c.add(1)
		}
		c.lock.Unlock()
		if proxy == nil {
			http.Error(w, "no instance", http.StatusServiceUnavailable)
			return
		}
		defer c.add(-1)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(c.server.Close)
	return c
}

// URL is where events go.
func (c *CloudRun) URL() string { return c.server.URL }

// Start waits until the process listens, and sends it what comes.
func (c *CloudRun) Start(t testing.TB, env []string, path string) *Process {
	t.Helper()
	var p *Process
	var port string
	for n := 1; ; n++ {
		port = functest.FreePort(t)
		p = Start(t, append(env, "PORT="+port, "LOCAL_ONLY=true"), nil, path)
		err := listening(t.Context(), p, "127.0.0.1:"+port)
		if err == nil {
			break
		}
		if n == 3 { // another may have taken the port, but not each time
			t.Fatalf("%v: %s", err, p.Stderr.Tail())
		}
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "127.0.0.1:" + port})
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) {
		c.lock.Lock()
		c.failed++
		c.lock.Unlock()
		w.WriteHeader(http.StatusBadGateway)
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	c.proxy, c.failed = proxy, 0
	return p
}

// Kill waits until every request of the dead process has failed.
func (c *CloudRun) Kill(p *Process) (broken int, killed bool) {
	c.lock.Lock()
	c.proxy = nil // nothing more comes to it
	c.lock.Unlock()
	killed = p.Kill()
	c.wait(context.Background(), func(n int) bool { return n == 0 }) //nolint:errcheck // without an end
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.failed, killed
}

// listening waits until p accepts connections.
func listening(ctx context.Context, p *Process, addr string) error {
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.Done():
			return errors.New("the process has ended")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}
