package paced_test

import (
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/paced"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// BenchmarkHead is what the decorators cost a call that takes no time itself.
func BenchmarkHead(b *testing.B) {
	inner := memstore.Fresh()
	if _, err := inner.Put(b.Context(), "k", store.Bytes("x"), store.PutOptions{}); err != nil {
		b.Fatal(err)
	}
	for _, x := range []struct {
		name string
		s    store.Store
	}{{"bare", inner}, {"paced", paced.New("mem://b", inner, paced.Options{Now: time.Now})}} {
		b.Run(x.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := x.s.Head(b.Context(), "k"); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
