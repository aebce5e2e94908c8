package file

import (
	"strconv"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/storetest"
)

func BenchmarkPut4KiB(b *testing.B) {
	for _, x := range []struct {
		name string
		opts Options
	}{{"Sync", Options{}}, {"NoSync", Options{NoSync: true}}, {"Sidecar", Options{NoSync: true, Sidecar: true}}} {
		b.Run(x.name, func(b *testing.B) {
			s, err := New(b.TempDir(), x.opts)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			body := store.Bytes(storetest.Synthetic{Length: 4096}.Bytes())
			n := 0
			for b.Loop() {
				n++
				if _, err := s.Put(b.Context(), "dir/sub/"+strconv.Itoa(n), body, store.PutOptions{If: store.IfAbsent()}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkList(b *testing.B) {
	s, err := New(b.TempDir(), Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const keys = 2000
	for i := range keys {
		if _, err := s.Put(b.Context(), "d"+strconv.Itoa(i%10)+"/"+strconv.Itoa(i), store.Bytes("x"), store.PutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		n := 0
		for _, err := range s.List(b.Context(), store.ListOptions{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != keys {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.N*keys)/b.Elapsed().Seconds(), "keys/s")
}
