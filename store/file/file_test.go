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
		name string
		opts Options
	}{
		{"Attributes", Options{NoSync: true}},
		{"Sidecar", Options{Sidecar: true, NoSync: true}},
	} {
		t.Run(x.name, func(t *testing.T) {
			storetest.Run(t, storetest.Harness{
				New:           func(t *testing.T) store.Store { return fresh(t, x.opts) },
				NoKeyBelowKey: true,
				MultipartSize: partSize + 1,
				Sizes:         []int64{partSize - 1, partSize, 2*partSize - 1, 2 * partSize, 2*partSize + 1},
			})
		})
	}
}
