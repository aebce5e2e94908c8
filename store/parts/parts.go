// Package parts feeds large bodies to multipart uploads: ranges are read in
// parallel into a bounded number of bytes, hashed in order, and handed on.
package parts

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/crossfade-io/crossfade/store"
)

// MiB is 2^20 bytes.
const MiB = 1 << 20

// Pool bounds the bytes that all uploads sharing it hold in buffers.
type Pool struct {
	sem *semaphore.Weighted
	max int64
	buf chan []byte // idle buffers of the usual size
	std int64
}

// NewPool allows max bytes in buffers, keeping idle ones of std bytes for the
// next upload.
func NewPool(maxBytes, std int64) *Pool {
	return &Pool{sem: semaphore.NewWeighted(maxBytes), max: maxBytes, std: std, buf: make(chan []byte, maxBytes/std)}
}

// PartSize is the size of part for a body of size bytes: at least smallest, and
// so large that maxParts suffice, in whole MiB.
func PartSize(size, smallest int64, maxParts int) int64 {
	part := (size + int64(maxParts) - 1) / int64(maxParts)
	if part <= smallest {
		return smallest
	}
	return (part + MiB - 1) / MiB * MiB
}

// Part is one piece of a body. Data is valid until the upload function returns.
type Part struct {
	Number int // from 0
	Offset int64
	Data   []byte
}

// Upload reads c in parts of partSize and calls upload for each, up to parallel
// at once. When it returns nil every part was uploaded and the whole had the
// size and checksums of want; the caller may then commit. On any error the
// caller must not commit. The error is what the reader or upload returned, or a
// *store.Error of Kind Corrupt.
func (p *Pool) Upload(ctx context.Context, c store.Content, partSize int64, parallel int, want store.Checksums, upload func(context.Context, Part) error) (store.Checksums, error) {
	size := c.Size()
	hash := store.NewHasher(want)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	turn := make(chan struct{}) // closed when the parts before have been hashed
	close(turn)
	for n, off := 0, int64(0); off < size; n, off = n+1, off+partSize {
		length := min(partSize, size-off)
		weight := min(length, p.max)
		if p.sem.Acquire(gctx, weight) != nil {
			break // the group's error says why
		}
		mine, next := turn, make(chan struct{})
		turn = next
		g.Go(func() error {
			defer p.sem.Release(weight)
			buf := p.get(length)
			defer p.put(buf)
			if err := store.ReadContent(gctx, c, off, buf); err != nil {
				return err
			}
			select {
			case <-mine:
			case <-gctx.Done():
				return gctx.Err()
			}
			hash.Write(buf) //nolint:errcheck // never fails
			close(next)
			return upload(gctx, Part{Number: n, Offset: off, Data: buf})
		})
	}
	if err := g.Wait(); err != nil {
		return store.Checksums{}, err
	}
	if err := ctx.Err(); err != nil {
		return store.Checksums{}, err
	}
	if err := hash.Verify(size); err != nil {
		return store.Checksums{}, &store.Error{Op: "put", Kind: store.Corrupt, Err: err}
	}
	return hash.Sum(), nil
}

// Whole reads all of c, which must be small, and verifies it against want.
func Whole(ctx context.Context, c store.Content, want store.Checksums) ([]byte, store.Checksums, error) {
	buf, ok := c.(store.Bytes)
	if !ok {
		buf = make([]byte, c.Size())
		if err := store.ReadContent(ctx, c, 0, buf); err != nil {
			return nil, store.Checksums{}, fmt.Errorf("reading the source: %w", err)
		}
	}
	hash := store.NewHasher(want)
	hash.Write(buf) //nolint:errcheck // never fails
	if err := hash.Verify(c.Size()); err != nil {
		return nil, store.Checksums{}, &store.Error{Op: "put", Kind: store.Corrupt, Err: err}
	}
	return buf, hash.Sum(), nil
}

func (p *Pool) get(n int64) []byte {
	if n <= p.std && n > p.std/2 { // a small last part does not take a whole one
		select {
		case b := <-p.buf:
			return b[:n]
		default:
			return make([]byte, n, p.std)
		}
	}
	return make([]byte, n)
}

func (p *Pool) put(b []byte) {
	if int64(cap(b)) != p.std {
		return
	}
	select {
	case p.buf <- b:
	default:
	}
}
