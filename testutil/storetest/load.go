package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/crossfade-io/crossfade/store"
)

func loadCases() []testCase {
	return []testCase{
		{"Load/ManyKeysAtOnce", loadManyKeys},
		{"Load/BoundedReaders", loadBoundedReaders},
	}
}

// loadManyKeys runs the whole life of many objects, 16 at once.
func loadManyKeys(t *T) {
	var keys []string
	for i := range 100 {
		keys = append(keys, fmt.Sprintf("p%d/q%d/%d", i%3, i%11, i))
	}
	t.each(keys, func(key string) {
		one, err := t.Store.Put(t.ctx, key, store.Bytes(bodyFor(key)), store.PutOptions{If: store.IfAbsent(), Attrs: fullAttrs()})
		if err != nil {
			t.Errorf("Put %q: %v", key, err)
			return
		}
		if o, got, err := t.tryRead(key, store.ReadOptions{Version: one.Version}); err != nil || !bytes.Equal(got, bodyFor(key)) {
			t.Errorf("%q: %v holds %s, error %v", key, o, sketch(got), err)
		}
		two, err := t.Store.Put(t.ctx, key, store.Bytes("second"), store.PutOptions{If: store.IfMatch(one.Version)})
		if err != nil {
			t.Errorf("overwriting %q: %v", key, err)
			return
		}
		if h, err := t.Store.Head(t.ctx, key); err != nil || h.Version != two.Version {
			t.Errorf("Head %q: %v, error %v, want version %q", key, h, err, two.Version)
		}
		if key[1] == '1' { // a third of them stay
			return
		}
		if err := t.Store.Delete(t.ctx, key, store.IfMatch(two.Version)); err != nil {
			t.Errorf("Delete %q: %v", key, err)
		}
	})
	var stay []string
	for _, key := range keys {
		if key[1] == '1' {
			stay = append(stay, key)
		}
	}
	t.wantKeys(stay...)
}

// loadBoundedReaders sends a body that is computed as it is read, and counts
// how much of it is in flight: memory must not grow with the object.
func loadBoundedReaders(t *T) {
	c := Synthetic{Seed: t.rng.Uint64(), Length: t.BigSize}
	f := &Faulty{Content: lingering{c}}
	t.put("big", f, store.PutOptions{})
	opened, closed, atOnce := f.Readers()
	if opened != closed {
		t.Errorf("of %d readers only %d were closed", opened, closed)
	}
	if atOnce > int64(t.MaxReaders) {
		t.Errorf("%d readers of one body were open at once, want at most %d", atOnce, t.MaxReaders)
	}
	r, err := t.Store.Open(t.ctx, "big", store.ReadOptions{})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer r.Body.Close()
	if err := sameStream(t, c, r.Body); err != nil {
		t.Errorf("reading it back: %v", err)
	}
}

// lingering has readers that let others begin before they yield their bytes, so
// that all that may be open at once are.
type lingering struct{ store.Content }

func (l lingering) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	r, err := l.Content.Open(ctx, offset, length)
	if err != nil {
		return nil, err
	}
	return &lingeringReader{ReadCloser: r}, nil
}

type lingeringReader struct {
	io.ReadCloser
	begun bool
}

func (r *lingeringReader) Read(p []byte) (int, error) {
	for i := 0; i < 100 && !r.begun; i++ {
		runtime.Gosched()
	}
	r.begun = true
	return r.ReadCloser.Read(p)
}

var errDiffer = errors.New("other bytes")

// ended reports whether io.ReadFull met the end.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// sameStream compares r with c, block by block.
func sameStream(t *T, c store.Content, r io.Reader) error {
	want, err := c.Open(t.ctx, 0, c.Size())
	if err != nil {
		return err
	}
	defer want.Close()
	a, b := make([]byte, 256<<10), make([]byte, 256<<10)
	for off := int64(0); ; {
		n, aerr := io.ReadFull(want, a)
		m, berr := io.ReadFull(r, b)
		if !bytes.Equal(a[:n], b[:m]) {
			return fmt.Errorf("the bytes differ within %d of offset %d (%w)", len(a), off, errors.Join(errDiffer, berr))
		}
		if off += int64(n); ended(aerr) && ended(berr) {
			return nil
		}
		if aerr != nil || berr != nil {
			return fmt.Errorf("after %d bytes: %w", off, errors.Join(aerr, berr))
		}
	}
}
