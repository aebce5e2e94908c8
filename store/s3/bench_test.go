package s3_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// BenchmarkFace measures face, SDK and driver together over loopback: it bounds
// what any test or benchmark on cloudsim can reach.
func BenchmarkFace(b *testing.B) {
	s := serve(b, cloudsim.S3Options{Credentials: map[string]string{}})
	s.core.CreateBucket("b", false)
	st := s.store("b")
	small := store.Bytes(bytes.Repeat([]byte("x"), 4096))
	var n atomic.Int64
	b.Run("Put4KiB", func(b *testing.B) {
		parallel(b, func(ctx context.Context) error {
			_, err := st.Put(ctx, fmt.Sprintf("k%08d", n.Add(1)), small, store.PutOptions{If: store.IfAbsent()})
			return err
		})
	})
	b.Run("Get4KiB", func(b *testing.B) {
		var i atomic.Int64
		parallel(b, func(ctx context.Context) error {
			r, err := st.Open(ctx, fmt.Sprintf("k%08d", 1+i.Add(1)%n.Load()), store.ReadOptions{})
			if err != nil {
				return err
			}
			defer r.Body.Close()
			_, err = io.Copy(io.Discard, r.Body)
			return err
		})
	})
	b.Run("List", func(b *testing.B) {
		bucket := s.core.CreateBucket("list", false)
		for i := range 10000 {
			if _, err := bucket.Put(cloudsim.NewObject(fmt.Sprintf("dir%d/key%08d", i%10, i), nil), cloudsim.Origin{}, nil, nil); err != nil {
				b.Fatal(err)
			}
		}
		list := s.store("list")
		keys := 0
		for b.Loop() {
			for _, err := range list.List(b.Context(), store.ListOptions{}) {
				if err != nil {
					b.Fatal(err)
				}
				keys++
			}
		}
		b.ReportMetric(float64(keys)/b.Elapsed().Seconds(), "keys/s")
	})
	b.Run("Put64MiB", func(b *testing.B) {
		big := store.Bytes(make([]byte, 64<<20))
		b.SetBytes(int64(len(big)))
		for b.Loop() {
			if _, err := st.Put(b.Context(), "big", big, store.PutOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func parallel(b *testing.B, do func(context.Context) error) {
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := do(b.Context()); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
