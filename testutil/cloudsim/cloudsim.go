package cloudsim

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
)

// Call is one request that a face served.
type Call struct {
	Op     string // the cloud's name of the operation: GetObject, objects.insert, Put Blob, …
	Bucket string
	Key    string
	Status int
}

// Recorder counts the requests that a face serves, and keeps those made while
// keeping is on. The zero value is ready.
type Recorder struct {
	mu     sync.Mutex
	counts map[string]int
	calls  []Call
	keep   bool
}

// Record is called by the faces, once a request.
func (r *Recorder) Record(c Call) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[string]int{}
	}
	r.counts[c.Op]++
	if r.keep {
		r.calls = append(r.calls, c)
	}
}

// Keep starts to keep calls, dropping those kept before and all counts.
func (r *Recorder) Keep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep, r.calls, r.counts = true, nil, nil
}

// Calls returns the calls since Keep.
func (r *Recorder) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Call(nil), r.calls...)
}

// Counts returns the number of requests by operation.
func (r *Recorder) Counts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}

// Serve starts a face on a free loopback port and returns its URL and what
// stops it.
func Serve(face http.Handler) (url string, stop func()) {
	s := httptest.NewServer(face)
	return s.URL, s.Close
}
