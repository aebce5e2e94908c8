package replicate_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/crossfade-io/crossfade/replicate"
)

type brokenReader struct {
	io.ReadCloser
	left int
	err  error
	flip bool
}

func (b *brokenReader) Read(p []byte) (int, error) {
	if b.left <= 0 && b.err != nil {
		return 0, b.err
	}
	if b.err != nil {
		p = p[:min(len(p), b.left)]
	}
	n, err := b.ReadCloser.Read(p)
	if b.flip && n > 0 {
		p[0] ^= 1
	}
	b.left -= n
	return n, err
}

// A failed, short or corrupt read leaves the old object, and the key is tried
// again; when that is in vain, the error says so.
func TestBrokenReads(t *testing.T) {
	t.Parallel()
	old, fresh := strings.Repeat("o", 1000), strings.Repeat("n", 1000)
	for name, broken := range map[string]brokenReader{
		"reset":   {left: 500, err: errors.New("connection reset")},
		"short":   {left: 500, err: io.EOF},
		"corrupt": {flip: true},
	} {
		for _, small := range []int64{1 << 20, -1} {
			for _, forEver := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/small %d/for ever %v", name, small, forEver), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, func(o *replicate.Options) { o.SmallBytes = small })
					w.write(old)
					w.sync(0)
					w.write(fresh)
					var times atomic.Int32
					w.src.body = func(r io.ReadCloser) io.ReadCloser {
						if times.Add(1) > 2 && !forEver {
							return r
						}
						b := broken
						b.ReadCloser = r
						return &b
					}
					w.dst.after = func(string, int) {
						if body, _ := w.read(w.dst); body != old && body != fresh {
							t.Errorf("the target has %.20q…", body)
						}
					}
					_, err := w.r.Sync(t.Context(), key, 0)
					if !forEver {
						if err != nil {
							t.Fatal(err)
						}
						w.wantEqual()
						return
					}
					if err == nil {
						t.Fatal("no error")
					}
					if body, _ := w.read(w.dst); body != old {
						t.Errorf("the target has %.20q…", body)
					}
				})
			}
		}
	}
}
