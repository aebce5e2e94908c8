package gcs_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// fault decides what happens to a request instead of serving it; it returns
// false to have it served.
type fault func(w http.ResponseWriter, r *http.Request, face http.Handler) bool

// rig is a store whose requests a test counts and breaks.
type rig struct {
	*gcs.Store
	core   *cloudsim.Core
	bucket *cloudsim.Bucket
	rec    cloudsim.Recorder

	mu    sync.Mutex
	fault fault
	seen  int // requests that the fault was asked about
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{core: cloudsim.NewCore(nil)}
	r.bucket = r.core.CreateBucket("bucket", false)
	face := cloudsim.NewGCS(r.core, cloudsim.GCSOptions{Recorder: &r.rec})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		f := r.fault
		if f != nil {
			r.seen++
		}
		r.mu.Unlock()
		if f == nil || !f(w, req, face) {
			face.ServeHTTP(w, req)
		}
	}))
	t.Cleanup(server.Close)
	client, err := gcs.NewClient(t.Context(), gcs.ClientOptions{Endpoint: server.URL, Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	r.Store = gcs.New(client, "bucket", "", small())
	return r
}

// with runs f while requests meet the fault, and returns how many did.
func (r *rig) with(f fault, run func()) int {
	r.mu.Lock()
	r.fault, r.seen = f, 0
	r.mu.Unlock()
	run()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = nil
	return r.seen
}

// times lets f happen to the first n requests.
func times(n int, f fault) fault {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request, face http.Handler) bool {
		mu.Lock()
		n--
		hit := n >= 0
		mu.Unlock()
		return hit && f(w, r, face)
	}
}

func answer(status int, header http.Header, body string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}
}

// hangUp closes the connection: before the request is served, or after.
func hangUp(served bool) fault {
	return func(_ http.ResponseWriter, r *http.Request, face http.Handler) bool {
		if served {
			face.ServeHTTP(httptest.NewRecorder(), r)
		}
		panic(http.ErrAbortHandler)
	}
}

func (r *rig) must(t *testing.T) func(*store.Object, error) *store.Object {
	t.Helper()
	return func(o *store.Object, err error) *store.Object {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
}

// operations are all that make requests; each returns its error.
func (r *rig) operations(t *testing.T) map[string]func() error {
	big := store.Bytes(strings.Repeat("x", 600<<10))
	return map[string]func() error{
		"head": func() error { _, err := r.Head(t.Context(), "k"); return err },
		"open": func() error {
			o, err := r.Open(t.Context(), "k", store.ReadOptions{})
			if err == nil {
				_ = o.Body.Close()
			}
			return err
		},
		"put": func() error {
			_, err := r.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{})
			return err
		},
		"put if absent": func() error {
			_, err := r.Put(t.Context(), "new", store.Bytes("x"), store.PutOptions{If: store.IfAbsent()})
			return err
		},
		"put large": func() error { _, err := r.Put(t.Context(), "k", big, store.PutOptions{}); return err },
		"put large if absent": func() error {
			_, err := r.Put(t.Context(), "new", big, store.PutOptions{If: store.IfAbsent()})
			return err
		},
		"delete":          func() error { return r.Delete(t.Context(), "k", store.Condition{}) },
		"delete if match": func() error { return r.Delete(t.Context(), "k", store.IfMatch("1.1")) },
		"list": func() error {
			for _, err := range r.List(t.Context(), store.ListOptions{}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"update": func() error {
			_, err := r.UpdateMetadata(t.Context(), "k", store.Attrs{}, store.Condition{})
			return err
		},
		"check": func() error { return r.Check(t.Context()) },
	}
}

// TestBoundedAttempts: the SDK tries conditional uploads until the context
// ends; no operation may, whatever fails.
func TestBoundedAttempts(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"503":     answer(503, nil, `{"error":{"code":503,"message":"Backend Error"}}`),
		"429":     answer(429, nil, `{"error":{"code":429,"message":"slow down"}}`),
		"hang up": hangUp(false),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for op, run := range r.operations(t) {
				var err error
				n := r.with(f, func() { err = run() })
				if err == nil {
					t.Errorf("%s succeeded", op)
				}
				want := store.Unavailable
				if name == "429" {
					want = store.Throttled
				}
				if k := store.KindOf(err); k != want {
					t.Errorf("%s: Kind %v, want %v: %v", op, k, want, err)
				}
				// 5 by default; net/http repeats a GET by itself when a kept connection breaks.
				if n < 5 || n > 10 {
					t.Errorf("%s made %d requests, want 5: %v", op, n, err)
				}
			}
			if r.bucket.Len() != 0 {
				t.Errorf("%d objects were stored", r.bucket.Len())
			}
		})
	}
}

// TestPassingFaults: a fault that passes is not seen by the caller.
func TestPassingFaults(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"503": answer(503, nil, ""), "429": answer(429, nil, ""), "408": answer(408, nil, ""), "hang up": hangUp(false),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for op := range newRig(t).operations(t) {
				r := newRig(t)
				v := r.must(t)(r.Put(t.Context(), "k", store.Bytes("before"), store.PutOptions{})).Version
				run := r.operations(t)[op]
				if op == "delete if match" {
					run = func() error { return r.Delete(t.Context(), "k", store.IfMatch(v)) }
				}
				var err error
				r.with(times(2, f), func() { err = run() })
				if err != nil {
					t.Errorf("%s: %v", op, err)
				}
			}
		})
	}
}

// TestFaultInEachChunk: a large body survives a fault at any of its requests,
// also one after which the server has done what was asked.
func TestFaultInEachChunk(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{"503": answer(503, nil, ""), "lost": hangUp(false), "lost reply": hangUp(true)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := []byte(strings.Repeat("0123456789abcdef", 60_000))
			for at := range 5 { // the start, and 4 chunks of 256 KiB
				r := newRig(t)
				n := 0
				one := func(w http.ResponseWriter, req *http.Request, face http.Handler) bool {
					n++
					return n == at+1 && f(w, req, face)
				}
				var err error
				r.with(one, func() {
					_, err = r.Put(t.Context(), "k", store.Bytes(body), store.PutOptions{})
				})
				if err != nil {
					t.Errorf("fault at request %d: %v", at, err)
					continue
				}
				if o := r.bucket.Get("k"); o == nil || string(o.Body) != string(body) {
					t.Errorf("fault at request %d: another body was stored", at)
				}
			}
		})
	}
}

// TestLostReply: when the answer to a conditional write is lost, the second try
// finds the first one's work. It must be told apart from success only as
// Precondition, upon which a Sync looks again.
func TestLostReply(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var err error
	r.with(times(1, hangUp(true)), func() {
		_, err = r.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{If: store.IfAbsent()})
	})
	if store.KindOf(err) != store.Precondition {
		t.Errorf("Put: %v, want Kind precondition", err)
	}
	v := r.must(t)(r.Head(t.Context(), "k")).Version
	r.with(times(1, hangUp(true)), func() { err = r.Delete(t.Context(), "k", store.IfMatch(v)) })
	if store.KindOf(err) != store.NotFound {
		t.Errorf("Delete: %v, want Kind not found", err)
	}
	r.must(t)(r.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{}))
	r.with(times(1, hangUp(true)), func() {
		_, err = r.Put(t.Context(), "k", store.Bytes("y"), store.PutOptions{})
	})
	if err != nil {
		t.Errorf("unconditional Put: %v", err)
	}
}

// TestNoSecretInErrors: the URL of a resumable upload lets anyone write.
func TestNoSecretInErrors(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	breakChunks := func(w http.ResponseWriter, req *http.Request, face http.Handler) bool {
		if req.URL.Query().Has("upload_id") {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	var err error
	r.with(breakChunks, func() { err = r.operations(t)["put large"]() })
	if err == nil {
		t.Fatal("the upload succeeded")
	}
	for _, s := range []string{"upload_id", "http://"} {
		if strings.Contains(err.Error(), s) {
			t.Errorf("the error tells the session's URL: %v", err)
		}
	}
	if !strings.Contains(err.Error(), "put gs://bucket/k: unavailable: ") {
		t.Errorf("the error is not clear: %v", err)
	}
}
