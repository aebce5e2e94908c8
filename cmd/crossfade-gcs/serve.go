package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
)

// grace is what deliveries in flight have to end after a SIGTERM. Cloud Run kills
// ten seconds after it, and what telemetry is left is sent in between.
const grace = 4 * time.Second

// serve serves h until it fails or ctx is done, then lets the deliveries in
// flight end. The framework has no way to be told to.
func serve(ctx context.Context, host, port string, h http.Handler) error {
	d := &deliveries{to: h}
	// By path, not by name: it is then served at "/" whatever FUNCTION_TARGET is.
	if err := funcframework.RegisterHTTPFunctionContext(ctx, "/", d.ServeHTTP); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- funcframework.StartHostPort(host, port) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		d.end(grace)
		return nil
	}
}

// deliveries knows whether there are any.
type deliveries struct {
	to   http.Handler
	busy sync.RWMutex // read by each
}

// ServeHTTP passes a delivery on.
func (d *deliveries) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.busy.RLock()
	defer d.busy.RUnlock()
	d.to.ServeHTTP(w, r)
}

// end takes no more deliveries, and waits so long for those in flight. It reports
// whether all have ended.
func (d *deliveries) end(limit time.Duration) bool {
	idle := make(chan struct{})
	go func() {
		d.busy.Lock() // and for good: the process ends
		close(idle)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return false
	}
}
