package file

import (
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/storetest"
)

func fresh(t *testing.T, opts Options) *Store {
	t.Helper()
	s, err := New(t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	for _, x := range []struct {
		name  string
		opts  Options
		part  int64
		sizes []int64
	}{
		{"Attributes", Options{NoSync: true}, 1 << 20, []int64{2<<20 - 1, 2 << 20, 2<<20 + 1, partSize + 1}},
		{"Sidecar", Options{Sidecar: true, NoSync: true}, 1 << 20, nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			storetest.Run(t, storetest.Harness{
				New: func(t *testing.T) store.Store {
					s := fresh(t, x.opts)
					s.part = x.part
					return s
				},
				NoKeyBelowKey: true,
				MultipartSize: 1<<20 + 1,
				Sizes:         x.sizes,
			})
		})
	}
}
