package azblob_test

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// TestRetries: a passing fault is not seen; one that lasts is, with what the
// service said of when to come back.
func TestRetries(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	s, bucket := c.store(t, "", azblob.Options{})
	var tries atomic.Int32
	fail := func(times int32, header, v string) {
		tries.Store(0)
		c.intercept(func(_ http.Handler, w http.ResponseWriter, r *http.Request) bool {
			if tries.Add(1) > times {
				return false
			}
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("X-Ms-Error-Code", "ServerBusy")
			w.Header().Set(header, v)
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
	}
	fail(2, "X-Nothing", "")
	put(t, s, "k", "body", store.IfAbsent())
	if string(bucket.Get("k").Body) != "body" || tries.Load() != 3 {
		t.Errorf("%d tries", tries.Load())
	}
	fail(100, "X-Nothing", "")
	wantKind(t, "lasting", second(s.Head(t.Context(), "k")), store.Throttled)
	if tries.Load() != 4 {
		t.Errorf("%d tries", tries.Load())
	}
	fail(100, "Retry-After", "30")
	err := second(s.Head(t.Context(), "k"))
	wantKind(t, "with Retry-After", err, store.Throttled)
	if e, ok := errors.AsType[*store.Error](err); !ok || e.RetryAfter != 30*time.Second || tries.Load() != 1 {
		t.Errorf("%v after %d tries", err, tries.Load())
	}
}

// TestLostAnswer: the first Put is carried out, its answer is lost, and the retry
// meets its own blob: that is a failed precondition, and nothing is damaged.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	s, bucket := c.store(t, "", azblob.Options{})
	var lost atomic.Bool
	c.intercept(func(face http.Handler, _ http.ResponseWriter, r *http.Request) bool {
		if !lost.CompareAndSwap(false, true) {
			return false
		}
		face.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})
	_, err := s.Put(t.Context(), "k", store.Bytes("body"), store.PutOptions{If: store.IfAbsent()})
	wantKind(t, "Put", err, store.Precondition)
	if string(bucket.Get("k").Body) != "body" {
		t.Error("the body is not there")
	}
}

// TestBrokenBody cuts downloads, and overwrites the blob in between: what is
// read is one version whole, or an error.
func TestBrokenBody(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	s, _ := c.store(t, "", azblob.Options{})
	body := strings.Repeat("0123456789abcdef", 1<<12)
	first := put(t, s, "k", body, store.Condition{})
	var cuts atomic.Int32
	cut := func(times int32, then func()) {
		cuts.Store(0)
		c.intercept(func(face http.Handler, w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet || cuts.Add(1) > times {
				return false
			}
			whole := httptest.NewRecorder()
			face.ServeHTTP(whole, r)
			maps.Copy(w.Header(), whole.Header())
			w.WriteHeader(whole.Code)
			_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
			_ = http.NewResponseController(w).Flush()
			then()
			panic(http.ErrAbortHandler)
		})
	}
	for _, opts := range []store.ReadOptions{{}, {Version: first.Version}, {Offset: 5, Length: 40_000}, {Offset: 60_000}} {
		cut(3, func() {})
		r, err := s.Open(t.Context(), "k", opts)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r.Body)
		end := len(body)
		if opts.Length > 0 {
			end = int(opts.Offset + opts.Length)
		}
		if err != nil || string(got) != body[opts.Offset:end] || r.Size != int64(len(body)) {
			t.Errorf("%+v: %d bytes, size %d, %v", opts, len(got), r.Size, err)
		}
		r.Body.Close()
	}

	cut(1, func() {
		if _, err := c.Bucket("container-1").Put(cloudsim.NewObject("k", []byte(strings.ToUpper(body))), cloudsim.Origin{}, nil, nil); err != nil {
			t.Error(err)
		}
	})
	r, err := s.Open(t.Context(), "k", store.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r.Body)
	wantKind(t, "overwritten while it was read", err, store.Precondition)
	if !strings.HasPrefix(body, string(got)) {
		t.Error("bytes of two versions were mixed")
	}
	r.Body.Close()

	cut(100, func() {})
	if r, err = s.Open(t.Context(), "k", store.ReadOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(r.Body)
	if err == nil || !errors.Is(err, io.ErrUnexpectedEOF) || !store.KindOf(err).Retryable() {
		t.Errorf("a body that always breaks: %v", err)
	}
	r.Body.Close()
}
