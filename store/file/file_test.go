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
	const part = 256 << 10 // partSize, but where that is at stake
	for _, x := range []struct {
		name  string
		opts  Options
		sizes []int64
	}{
		{"Attributes", Options{NoSync: true}, []int64{2*part - 1, 2 * part, 2*part + 1, partSize + 1}},
		{"Sidecar", Options{Sidecar: true, NoSync: true}, nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			storetest.Run(t, storetest.Harness{
				New: func(t *testing.T) store.Store {
					s := fresh(t, x.opts)
					s.part = part
					return s
				},
				NoKeyBelowKey: true,
				MultipartSize: 2*part + 1,
				Sizes:         x.sizes,
				ListKeys:      250,
				BigSize:       16 * part,
			})
		})
	}
}
