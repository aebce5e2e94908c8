package cloudsim_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// BenchmarkGCS measures what the face can serve, so that one knows what a
// benchmark on top of it measures. Insert and Get go by plain HTTP, 32 at once,
// and by the official client beside it.
func BenchmarkGCS(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 4096)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	do := func(b *testing.B, method, url string, body []byte) {
		req, err := http.NewRequestWithContext(b.Context(), method, url, bytes.NewReader(body))
		if err != nil {
			b.Error(err)
			return
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			b.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b.Errorf("%s: %s", url, resp.Status)
		}
	}
	parallel := func(b *testing.B, f func(i int64)) {
		var n atomic.Int64
		b.SetParallelism(16)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				f(n.Add(1))
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	}
	b.Run("insert", func(b *testing.B) {
		g := newGCS(b, false)
		parallel(b, func(i int64) {
			do(b, "POST", fmt.Sprintf("%s/upload/storage/v1/b/bucket/o?uploadType=media&name=k%d", g.url, i), body)
		})
	})
	b.Run("get", func(b *testing.B) {
		g := newGCS(b, false)
		g.put(b, "k", body, nil)
		parallel(b, func(int64) { do(b, "GET", g.url+"/bucket/k", nil) })
	})
	b.Run("insertSDK", func(b *testing.B) {
		g := newGCS(b, false)
		parallel(b, func(i int64) {
			if _, err := gcsWrite(b, g.object(fmt.Sprint(i)), string(body), func(w *storage.Writer) { w.ChunkSize = 0 }); err != nil {
				b.Error(err)
			}
		})
	})
	b.Run("getSDK", func(b *testing.B) {
		g := newGCS(b, false)
		g.put(b, "k", body, nil)
		parallel(b, func(int64) {
			if _, err := gcsRead(b.Context(), g.object("k")); err != nil {
				b.Error(err)
			}
		})
	})
	b.Run("listSDK", func(b *testing.B) {
		g := newGCS(b, false)
		for i := range 10_000 {
			g.put(b, fmt.Sprintf("key/%06d", i), nil, func(o *cloudsim.Object) { o.Metadata = map[string]string{"crossfade": strings.Repeat("s", 150)} })
		}
		b.ResetTimer()
		keys := 0
		for b.Loop() {
			for it := g.client.Bucket("bucket").Objects(b.Context(), nil); ; keys++ {
				if _, err := it.Next(); errors.Is(err, iterator.Done) {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(keys)/b.Elapsed().Seconds(), "keys/s")
	})
	b.Run("read64MiB", func(b *testing.B) {
		g := newGCS(b, false)
		g.put(b, "big", make([]byte, 64<<20), nil)
		b.SetBytes(64 << 20)
		for b.Loop() {
			do(b, "GET", g.url+"/bucket/big", nil)
		}
	})
	b.Run("insert64MiB", func(b *testing.B) {
		g := newGCS(b, false)
		big := make([]byte, 64<<20)
		b.SetBytes(64 << 20)
		for b.Loop() {
			do(b, "POST", g.url+"/upload/storage/v1/b/bucket/o?uploadType=media&name=big", big)
		}
	})
}
