package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/crossfade-io/crossfade/store"
)

// Synthetic is a Content of pseudo-random bytes that are computed as they are
// read, so that a body larger than memory costs none.
type Synthetic struct {
	Seed   uint64
	Length int64
}

// Size is the length in bytes.
func (s Synthetic) Size() int64 { return s.Length }

// Open returns a reader of a range.
func (s Synthetic) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 || length < 0 || offset+length > s.Length {
		return nil, fmt.Errorf("range %d+%d outside of %d bytes", offset, length, s.Length)
	}
	return io.NopCloser(&syntheticReader{ctx: ctx, seed: s.Seed, off: offset, end: offset + length}), nil
}

// Bytes returns all of it.
func (s Synthetic) Bytes() []byte {
	b := make([]byte, s.Length)
	fill(b, s.Seed, 0)
	return b
}

type syntheticReader struct {
	ctx      context.Context //nolint:containedctx // a reader ends with the context it was opened with
	seed     uint64
	off, end int64
}

func (r *syntheticReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.off == r.end {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), r.end-r.off))
	fill(p[:n], r.seed, r.off)
	r.off += int64(n)
	return n, nil
}

// noise is what all streams are cut from: making each word anew costs most of a
// test's time under the race detector, copying costs little.
var noise = sync.OnceValue(func() []byte {
	b := make([]byte, 0, 64<<10)
	for i := int64(0); len(b) < cap(b); i++ {
		b = binary.LittleEndian.AppendUint64(b, splitMix(0, i))
	}
	return b
})

// blockSize divides a stream into blocks that begin with a word of their own,
// which also says where in the noise the rest comes from: no two are alike.
const blockSize = 1 << 10

// fill writes the bytes of stream seed from offset off.
func fill(p []byte, seed uint64, off int64) {
	var word [8]byte
	all := noise()
	for len(p) > 0 {
		z := splitMix(seed, off/blockSize)
		in := off % blockSize
		from := int64(z%uint64(len(all)-blockSize)) + in
		n := copy(p, all[from:from+blockSize-in])
		if in < int64(len(word)) {
			binary.LittleEndian.PutUint64(word[:], z)
			copy(p[:n], word[in:])
		}
		p, off = p[n:], off+int64(n)
	}
}

// splitMix is the word at index i of SplitMix64 from seed.
func splitMix(seed uint64, i int64) uint64 {
	z := seed + uint64(i+1)*0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// ErrBroken is what a Faulty content fails with.
var ErrBroken = errors.New("storetest: the content broke")

// Fault is a way in which a content misbehaves.
type Fault uint8

// The faults.
const (
	NoFault    Fault = iota
	FailOpen         // Open of the range with byte At fails
	FailRead         // the reader fails before byte At
	EndEarly         // the reader ends before byte At
	RunLong          // the reader of the last range yields one byte too many, wherever At is
	CancelRead       // Cancel is called before byte At, and the reader ends with the context
	CancelOnly       // Cancel is called before byte At, and the bytes go on
)

// Faulty wraps a Content with a fault, and counts its readers.
type Faulty struct {
	store.Content
	Fault  Fault
	At     int64
	Cancel context.CancelFunc

	opened, closed, open, maxOpen atomic.Int64
	struck                        atomic.Bool
}

// Open returns a reader that has the fault if the range touches At.
func (f *Faulty) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	hit := f.At >= offset && (f.At < offset+length || f.At == 0 && length == 0)
	if f.Fault == FailOpen && hit {
		f.struck.Store(true)
		return nil, ErrBroken
	}
	if f.Fault == CancelOnly {
		ctx = context.WithoutCancel(ctx)
	}
	r, err := f.Content.Open(ctx, offset, length)
	if err != nil {
		return nil, err
	}
	f.opened.Add(1)
	now := f.open.Add(1)
	for m := f.maxOpen.Load(); now > m && !f.maxOpen.CompareAndSwap(m, now); m = f.maxOpen.Load() {
	}
	fr := &faultyReader{ReadCloser: r, f: f, left: -1}
	switch {
	case f.Fault == RunLong:
		if offset+length == f.Size() {
			fr.left = length
		}
	case f.Fault != NoFault && hit:
		fr.left = f.At - offset
	}
	return fr, nil
}

// Readers returns how many readers were opened and closed, and how many were
// open at once at most.
func (f *Faulty) Readers() (opened, closed, atOnce int64) {
	return f.opened.Load(), f.closed.Load(), f.maxOpen.Load()
}

// Struck reports whether the fault took place: a store that never read so far
// proves nothing.
func (f *Faulty) Struck() bool { return f.struck.Load() }

type faultyReader struct {
	io.ReadCloser
	f      *Faulty
	left   int64 // bytes before the fault; -1 for none
	closed atomic.Bool
}

func (r *faultyReader) Read(p []byte) (int, error) {
	if r.left == 0 && len(p) > 0 {
		r.f.struck.Store(true)
		switch r.f.Fault {
		case EndEarly:
			return 0, io.EOF
		case RunLong:
			r.left = -1
			p[0] = 'x'
			return 1, nil
		case CancelRead:
			r.f.Cancel()
			return 0, context.Canceled
		case CancelOnly:
			r.left = -1
			r.f.Cancel()
		default:
			return 0, ErrBroken
		}
	}
	if r.left > 0 && int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.ReadCloser.Read(p)
	if r.left > 0 {
		r.left -= int64(n)
	}
	return n, err
}

func (r *faultyReader) Close() error {
	if !r.closed.Swap(true) {
		r.f.closed.Add(1)
		r.f.open.Add(-1)
	}
	return r.ReadCloser.Close()
}
