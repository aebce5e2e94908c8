package cloudsim_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// recordedTest is a testing.TB that Check may fail.
type recordedTest struct {
	errors   []string
	cleanups []func()
}

func (r *recordedTest) Helper()           {}
func (r *recordedTest) Cleanup(fn func()) { r.cleanups = append(r.cleanups, fn) }
func (r *recordedTest) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func faultFaces(f *cloudsim.Faults) (*cloudsim.Core, map[string]http.Handler) {
	core := cloudsim.NewCore(nil)
	b := core.CreateBucket("bucket", false)
	if _, err := b.Put(cloudsim.NewObject("k", []byte("0123456789")), cloudsim.Origin{}, nil, nil); err != nil {
		panic(err) // without a condition nothing can fail
	}
	return core, map[string]http.Handler{
		"s3":    cloudsim.NewS3(core, cloudsim.S3Options{Faults: f}),
		"gcs":   cloudsim.NewGCS(core, cloudsim.GCSOptions{Faults: f}),
		"azure": cloudsim.NewAzure(core, cloudsim.AzureOptions{Faults: f}),
	}
}

// TestFaultAnswers compares the answers with what the clouds document.
func TestFaultAnswers(t *testing.T) {
	t.Parallel()
	path := map[string]string{"s3": "/bucket/k", "gcs": "/bucket/k", "gcs json": "/storage/v1/b/bucket/o/k", "azure": "/devstoreaccount1/bucket/k"}
	for _, tt := range []struct {
		cloud      string
		kind       cloudsim.FaultKind
		status     int
		code       string
		retryAfter string
	}{
		{"s3", cloudsim.Throttle, 503, "<Code>SlowDown</Code>", ""},
		{"s3", cloudsim.ServerError, 500, "<Code>InternalError</Code>", ""},
		{"s3", cloudsim.Expired, 400, "<Code>ExpiredToken</Code>", ""},
		{"s3", cloudsim.Denied, 403, "<Code>AccessDenied</Code>", ""},
		{"s3", cloudsim.Archived, 403, "<Code>InvalidObjectState</Code>", ""},
		{"gcs", cloudsim.Throttle, 429, "<Code>SlowDown</Code>", ""},
		{"gcs json", cloudsim.Throttle, 429, `"reason":"rateLimitExceeded"`, ""},
		{"gcs json", cloudsim.ServerError, 500, `"reason":"internalError"`, ""},
		{"gcs json", cloudsim.Expired, 401, `"reason":"authError"`, ""},
		{"gcs json", cloudsim.Denied, 403, `"reason":"forbidden"`, ""},
		{"azure", cloudsim.Throttle, 503, "<Code>ServerBusy</Code>", "1"},
		{"azure", cloudsim.ServerError, 500, "<Code>InternalError</Code>", ""},
		{"azure", cloudsim.Expired, 403, "<Code>AuthenticationFailed</Code>", ""},
		{"azure", cloudsim.Denied, 403, "<Code>AuthorizationPermissionMismatch</Code>", ""},
		{"azure", cloudsim.Archived, 409, "<Code>BlobArchived</Code>", ""},
	} {
		t.Run(tt.cloud+"/"+string(tt.kind), func(t *testing.T) {
			t.Parallel()
			f := cloudsim.NewFaults(nil, cloudsim.FaultRule{Kind: tt.kind, From: 2}).Check(t)
			_, faces := faultFaces(f)
			url, stop := cloudsim.Serve(faces[strings.TrimSuffix(tt.cloud, " json")])
			defer stop()
			get := func() (*http.Response, string) {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path[tt.cloud], nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := loopback.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				return resp, string(body)
			}
			for n := 1; n <= 3; n++ {
				resp, body := get()
				if n != 2 {
					if resp.StatusCode != http.StatusOK {
						t.Errorf("request %d: %s %s", n, resp.Status, body)
					}
					continue
				}
				if resp.StatusCode != tt.status || !strings.Contains(body, tt.code) || resp.Header.Get("Retry-After") != tt.retryAfter {
					t.Errorf("%s, Retry-After %q: %s", resp.Status, resp.Header.Get("Retry-After"), body)
				}
			}
			if n := f.Counts()[tt.kind]; n != 1 {
				t.Errorf("%d counted", n)
			}
		})
	}
}

func TestFaultThatNeverHappens(t *testing.T) {
	t.Parallel()
	for _, rule := range []cloudsim.FaultRule{
		{Kind: cloudsim.Throttle, Op: "PutObject"},                             // not asked
		{Kind: cloudsim.Throttle, Op: cloudsim.ClassRead, Key: "other"},        // another key
		{Kind: cloudsim.ServerError, Op: cloudsim.ClassHead, From: 3},          // asked once
		{Kind: cloudsim.CorruptRead, Op: cloudsim.ClassHead},                   // has no body
		{Kind: cloudsim.CorruptWrite, Op: "GetObject", Times: cloudsim.Always}, // brings none
	} {
		r := &recordedTest{}
		f := cloudsim.NewFaults(nil, rule).Check(r)
		_, faces := faultFaces(f)
		url, stop := cloudsim.Serve(faces["s3"])
		req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, url+"/bucket/k", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := loopback.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		stop()
		for _, fn := range r.cleanups {
			fn()
		}
		if len(r.errors) != 1 || !strings.Contains(r.errors[0], "never happened") {
			t.Errorf("%+v: %q", rule, r.errors)
		}
	}
}

// TestSeededFaultsRecur: the same seed befalls the same requests.
func TestSeededFaultsRecur(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		f := cloudsim.NewFaults(rand.New(rand.NewPCG(seed, 0)), cloudsim.FaultRule{
			Mix: []cloudsim.FaultKind{cloudsim.Throttle, cloudsim.ServerError, cloudsim.Denied}, Share: 0.3,
		})
		_, faces := faultFaces(f)
		url, stop := cloudsim.Serve(faces["s3"])
		defer stop()
		var out strings.Builder
		for range 60 {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, url+"/bucket/k", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := loopback.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			fmt.Fprint(&out, resp.StatusCode, " ")
		}
		return out.String()
	}
	first := run(1)
	if first != run(1) || first == run(2) || !strings.Contains(first, "503") || !strings.Contains(first, "200") {
		t.Errorf("%s\n%s\n%s", first, run(1), run(2))
	}
}

// TestListingFailsOnItsThirdPage: a listing that breaks ends in an error, and is
// never taken for the whole.
func TestListingFailsOnItsThirdPage(t *testing.T) {
	t.Parallel()
	const keys = 2500
	core := cloudsim.NewCore(nil) // for all: nobody writes any more
	b := core.CreateBucket("bucket", false)
	for i := range keys {
		if _, err := b.Put(cloudsim.NewObject(fmt.Sprintf("key-%05d", i), nil), cloudsim.Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	for cloud, open := range faultStores {
		for _, kind := range []cloudsim.FaultKind{
			cloudsim.Throttle, cloudsim.ServerError, cloudsim.ResetBefore, cloudsim.CutBody, cloudsim.Expired, cloudsim.Denied,
		} {
			t.Run(cloud+"/"+string(kind), func(t *testing.T) {
				t.Parallel()
				s := open(t, core, cloudsim.NewFaults(nil, cloudsim.FaultRule{
					Kind: kind, Op: cloudsim.ClassList, From: 3, Times: cloudsim.Always, RetryAfter: -1,
				}))
				n := 0
				var failed error
				for o, err := range s.List(t.Context(), store.ListOptions{}) {
					if err != nil {
						failed = err
						continue
					}
					if want := fmt.Sprintf("key-%05d", n); o.Key != want {
						t.Fatalf("%s, want %s", o.Key, want)
					}
					n++
				}
				if failed == nil || n == keys || store.KindOf(failed) == store.NotFound {
					t.Errorf("%d of %d keys, and %v", n, keys, failed)
				}
			})
		}
	}
}

// TestArchivedObjects can be looked at, and not read.
func TestArchivedObjects(t *testing.T) {
	t.Parallel()
	for _, cloud := range []string{"s3", "azure"} {
		core := cloudsim.NewCore(nil)
		core.CreateBucket("bucket", false)
		s := faultStores[cloud](t, core, cloudsim.NewFaults(nil, cloudsim.FaultRule{Kind: cloudsim.Archived, Times: cloudsim.Always}))
		if _, err := s.Put(t.Context(), "k", store.Bytes("frozen"), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if o, err := s.Head(t.Context(), "k"); err != nil || o.Size != 6 {
			t.Errorf("%s: %+v, %v", cloud, o, err)
		}
		if _, err := s.Open(t.Context(), "k", store.ReadOptions{}); store.KindOf(err) != store.Archived {
			t.Errorf("%s: %v", cloud, err)
		}
	}
}

// TestReleaseEndsHangs: a test that is over can close its server.
func TestReleaseEndsHangs(t *testing.T) {
	t.Parallel()
	hanging := make(chan struct{})
	core, _ := faultFaces(nil)
	f := cloudsim.NewFaults(nil, cloudsim.FaultRule{Kind: cloudsim.HangBefore, Op: cloudsim.ClassHead, Times: cloudsim.Always, Happened: func() {
		select {
		case hanging <- struct{}{}:
		default:
		}
	}})
	s := openFaultAzure(t, core, f)
	done := make(chan error)
	go func() {
		_, err := s.Head(context.WithoutCancel(t.Context()), "k")
		done <- err
	}()
	<-hanging
	f.Release()
	if err := <-done; err == nil || store.KindOf(err) == store.NotFound {
		t.Errorf("%v", err)
	}
}
