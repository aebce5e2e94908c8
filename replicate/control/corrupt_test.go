package control_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// flipping changes a digit of what is read, the first few times.
type flipping struct {
	store.Store
	from, to []byte
	left     int
}

func (f *flipping) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	r, err := f.Store.Open(ctx, key, opts)
	if err != nil || f.left == 0 {
		return r, err
	}
	f.left--
	b, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(bytes.Replace(b, f.from, f.to, 1)))
	return r, err
}

// A document whose bytes were changed on their way is still a valid one; it is
// not believed.
func TestBytesChangedOnTheirWay(t *testing.T) {
	t.Parallel()
	st := &flipping{Store: memstore.Fresh(), from: []byte(`"epoch": 7`), to: []byte(`"epoch": 9`)}
	s := following()
	s.Epoch = 7
	d, _ := created(t, st, s)
	for _, tt := range []struct {
		times int
		kind  store.Kind
	}{{1, 0}, {1000, store.Corrupt}} {
		st.left = tt.times
		held, err := d.Load(t.Context())
		if store.KindOf(err) != tt.kind && err != nil || err == nil && (tt.kind != 0 || held.Epoch != 7) {
			t.Errorf("%d times: epoch %d, %v", tt.times, held.Epoch, err)
		}
	}

	st.left, st.from, st.to = 0, []byte(`"kind":"barrier"`), []byte(`"kind":"barriez"`)
	if _, err := control.Send(t.Context(), st, "photos", control.Signal{ID: "one", Kind: control.Barrier}); err != nil {
		t.Fatal(err)
	}
	st.left = 1
	if got, _, err := control.Receive(t.Context(), st, "photos", "one"); err != nil || got.Kind != control.Barrier {
		t.Errorf("%+v, %v", got, err)
	}
	st.left = 1000
	if _, _, err := control.Receive(t.Context(), st, "photos", "one"); store.KindOf(err) != store.Corrupt {
		t.Errorf("a signal that never arrives whole: %v", err)
	}
}
