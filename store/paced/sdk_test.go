package paced_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/store/retry"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// front stands before a cloud, counts requests and answers some of them itself.
type front struct {
	face http.Handler

	mu    sync.Mutex
	seen  int
	fault func(r *http.Request) (status int) // 0 lets the request through
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.seen++
	status := 0
	if f.fault != nil {
		status = f.fault(r)
	}
	f.mu.Unlock()
	if status == 0 {
		f.face.ServeHTTP(w, r)
		return
	}
	w.WriteHeader(status)
}

// with answers by fault from now on, and counts anew.
func (f *front) with(fault func(*http.Request) int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen, f.fault = 0, fault
}

func (f *front) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// sdk is a cloud whose store is opened as the programs do it.
type sdk struct {
	name string
	face func(*cloudsim.Core) http.Handler
	open func(t *testing.T, server string) (store.Store, error)
	part func(r *http.Request) bool // requests with bytes of a large body
}

var sdks = []sdk{
	{
		"s3", func(c *cloudsim.Core) http.Handler { return cloudsim.NewS3(c, cloudsim.S3Options{}) },
		func(t *testing.T, server string) (store.Store, error) {
			dir := t.TempDir()
			for name, v := range map[string]string{
				"AWS_CONFIG_FILE": filepath.Join(dir, "config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "credentials"),
				"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_MAX_ATTEMPTS": "2", "AWS_RETRY_MODE": "", // it is of parts only
			} {
				t.Setenv(name, v)
			}
			return s3.Open(t.Context(), &url.URL{Scheme: "s3", Host: "bucket", RawQuery: "endpoint=" + server})
		},
		func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "2" },
	},
	{
		"gs", func(c *cloudsim.Core) http.Handler { return cloudsim.NewGCS(c, cloudsim.GCSOptions{}) },
		func(t *testing.T, server string) (store.Store, error) {
			t.Setenv("STORAGE_EMULATOR_HOST", server)
			return gcs.Open(t.Context(), &url.URL{Scheme: "gs", Host: "bucket"})
		},
		func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/upload/") },
	},
	{
		"az", func(c *cloudsim.Core) http.Handler {
			return cloudsim.NewAzure(c, cloudsim.AzureOptions{AccountKey: cloudsim.AzureAccountKey})
		},
		func(t *testing.T, server string) (store.Store, error) {
			t.Setenv("AZURE_STORAGE_CONNECTION_STRING", cloudsim.AzureConnectionString(server, "", ""))
			return azblob.Open(t.Context(), &url.URL{Scheme: "az", Host: "bucket"})
		},
		func(r *http.Request) bool { return r.URL.Query().Get("comp") == "block" },
	},
}

func (x sdk) start(t *testing.T) (*front, store.Store, *cloudsim.Bucket) {
	t.Helper()
	core := cloudsim.NewCore(nil)
	bucket := core.CreateBucket("bucket", false)
	f := &front{face: x.face(core)}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	s, err := x.open(t, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return f, s, bucket
}

// singles are the calls of one request each.
var singles = map[string]func(context.Context, store.Store) error{
	"head": func(ctx context.Context, s store.Store) error { _, err := s.Head(ctx, "k"); return err },
	"open": func(ctx context.Context, s store.Store) error {
		_, err := s.Open(ctx, "k", store.ReadOptions{})
		return err
	},
	"put": func(ctx context.Context, s store.Store) error {
		_, err := s.Put(ctx, "new", store.Bytes("x"), store.PutOptions{If: store.IfAbsent()})
		return err
	},
	"list": func(ctx context.Context, s store.Store) error {
		for _, err := range s.List(ctx, store.ListOptions{}) {
			return err
		}
		return nil
	},
	"check": func(ctx context.Context, s store.Store) error {
		c, _ := store.As[store.Checker](s)
		return c.Check(ctx)
	},
	"update": func(ctx context.Context, s store.Store) error {
		u, _ := store.As[store.MetadataUpdater](s)
		_, err := u.UpdateMetadata(ctx, "k", store.Attrs{}, store.IfMatch("1.1"))
		return err
	},
}

// TestAttemptsDoNotMultiply: as the programs open a store its SDK makes one
// request of one, and the decorator as many as it says, of every kind of call and
// for every status that may pass.
func TestAttemptsDoNotMultiply(t *testing.T) {
	for _, x := range sdks {
		t.Run(x.name, func(t *testing.T) {
			f, s, _ := x.start(t)
			r := retry.New(s, time.Now, retry.Options{Attempts: 4, Burst: 1e6, Sleep: func(context.Context, time.Duration) error { return nil }})
			for name, call := range singles {
				for _, status := range []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable} {
					f.with(func(*http.Request) int { return status })
					if err := call(t.Context(), s); !store.KindOf(err).Retryable() || f.requests() != 1 {
						t.Errorf("%s, %d: %d requests by the SDK alone, %v", name, status, f.requests(), err)
					}
					f.with(func(*http.Request) int { return status })
					if err := call(t.Context(), r); !store.KindOf(err).Retryable() || f.requests() != 4 {
						t.Errorf("%s, %d: %d requests, want 4: %v", name, status, f.requests(), err)
					}
				}
			}
		})
	}
}

// large is a body that goes up in parts and is not in memory.
type large struct{ store.Bytes }

// TestPartsAreRepeated: a fault at one part of a large upload is mended by
// sending that part again, and not the whole.
func TestPartsAreRepeated(t *testing.T) {
	for _, x := range sdks {
		t.Run(x.name, func(t *testing.T) {
			f, s, bucket := x.start(t)
			r := retry.New(s, time.Now, retry.Options{Attempts: 4})
			body := strings.Repeat("0123456789abcdef", 9<<20/16)
			parts := 0
			f.with(func(r *http.Request) int {
				if x.part(r) {
					if parts++; parts == 1 {
						return http.StatusServiceUnavailable
					}
				}
				return 0
			})
			if _, err := r.Put(t.Context(), "k", &large{store.Bytes(body)}, store.PutOptions{If: store.IfAbsent()}); err != nil {
				t.Fatal(err)
			}
			if o := bucket.Get("k"); o == nil || string(o.Body) != body {
				t.Error("another body was stored")
			}
			if st := r.Stats(); st.Retries != 0 || parts < 2 {
				t.Errorf("%+v, %d requests for parts", st, parts)
			}
			// One that stays: tried as often as the SDK was told, and the whole once.
			parts = 0
			f.with(func(r *http.Request) int {
				if x.part(r) {
					parts++
					return http.StatusServiceUnavailable
				}
				return 0
			})
			if _, err := r.Put(t.Context(), "new", &large{store.Bytes(body)}, store.PutOptions{If: store.IfAbsent()}); err == nil || bucket.Get("new") != nil {
				t.Errorf("stored: %v", err)
			}
			// The second part on S3, the first chunk on GCS, either block on Azure.
			if most := map[string]int{"s3": 2, "gs": 5, "az": 8}[x.name]; parts < 2 || parts > most {
				t.Errorf("%d requests for parts, want %d at most", parts, most)
			}
		})
	}
}

// TestClockSkew: a machine whose clock is wrong is served all the same. It is the
// one thing that the SDK of S3 repeats of a single request, because only it knows
// how to mend it.
func TestClockSkew(t *testing.T) {
	ahead := func() time.Time { return time.Now().Add(time.Hour) }
	core := cloudsim.NewCore(ahead)
	core.CreateBucket("bucket", false)
	face := cloudsim.NewS3(core, cloudsim.S3Options{Credentials: map[string]string{"AKIAEXAMPLE": "example"}})
	f := &front{face: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", ahead().UTC().Format(http.TimeFormat))
		face.ServeHTTP(w, r)
	})}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	s, err := sdks[0].open(t, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{2, 3} {
		if _, err := s.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{}); err != nil || f.requests() != want {
			t.Errorf("%d requests, want %d: %v", f.requests(), want, err)
		}
	}
}
