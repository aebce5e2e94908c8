package gcs_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/storetest"
)

// small are options under which bodies of a test go up in several chunks.
func small() gcs.Options {
	return gcs.Options{SmallBytes: 256 << 10, ChunkSize: 256 << 10, ReadSize: 100_000, MemoryBytes: 1 << 20, Backoff: time.Millisecond}
}

func serve(t testing.TB, opts cloudsim.GCSOptions) (*cloudsim.Core, *gcs.Client) {
	t.Helper()
	core := cloudsim.NewCore(nil)
	return core, connect(t, cloudsim.NewGCS(core, opts))
}

func connect(t testing.TB, face http.Handler) *gcs.Client {
	t.Helper()
	server := httptest.NewServer(face)
	t.Cleanup(server.Close)
	client, err := gcs.NewClient(t.Context(), gcs.ClientOptions{Endpoint: server.URL, Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// inPages makes face list at most n objects at once.
func inPages(n int, face http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/o") {
			r.URL.RawQuery += fmt.Sprintf("&maxResults=%d", n)
		}
		face.ServeHTTP(w, r)
	})
}

// badKey are the names that Cloud Storage documents as not allowed.
func badKey(key string) bool {
	return strings.ContainsAny(key, "\r\n") || key == "." || key == ".." || strings.HasPrefix(key, ".well-known/acme-challenge/")
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name, prefix string
		versioned    bool
		keys, page   int // of the paging case
	}{
		{"bucket", "", false, 1100, 1000},
		{"prefix", "p é+/", false, 100, 14},
		{"versioned", "", true, 100, 30},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			core := cloudsim.NewCore(nil)
			client := connect(t, inPages(x.page, cloudsim.NewGCS(core, cloudsim.GCSOptions{})))
			var n atomic.Int64
			storetest.Run(t, storetest.Harness{
				New: func(*testing.T) store.Store {
					bucket := fmt.Sprintf("bucket-%d", n.Add(1))
					core.CreateBucket(bucket, x.versioned)
					return gcs.New(client, bucket, x.prefix, small())
				},
				BadKey: func(key string) bool {
					return badKey(x.prefix+key) || len(x.prefix+key) > 1024
				},
				FoldsMetadataCase: true,
				MultipartSize:     2*256<<10 + 7,
				ListKeys:          x.keys,
				Sizes:             []int64{256<<10 - 1, 256 << 10, 256<<10 + 1, 512 << 10, 512<<10 + 1},
				BigSize:           4 << 20, // 16 chunks
				MaxReaders:        4,
			})
		})
	}
}
