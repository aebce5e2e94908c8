package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// Content is a body of known size that can be read in ranges, several at once
// and more than once: large objects go up in parallel parts, and a part that
// failed is read again.
type Content interface {
	Size() int64
	// Open returns a reader of just length bytes from offset. It may yield
	// fewer or more when the source misbehaves; the reader of it must notice.
	Open(ctx context.Context, offset, length int64) (io.ReadCloser, error)
}

// Bytes is a Content held in memory.
type Bytes []byte

// Size is the length in bytes.
func (b Bytes) Size() int64 { return int64(len(b)) }

// Open returns a reader of a part of b.
func (b Bytes) Open(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 || length < 0 || offset+length > int64(len(b)) {
		return nil, fmt.Errorf("range %d+%d outside of %d bytes", offset, length, len(b))
	}
	return io.NopCloser(bytes.NewReader(b[offset : offset+length])), nil
}

// ReadContent reads [offset, offset+len(buf)) of c into buf. A reader that ends
// early yields io.ErrUnexpectedEOF; one that runs long, an error as well.
func ReadContent(ctx context.Context, c Content, offset int64, buf []byte) (err error) {
	if b, ok := c.(Bytes); ok && offset >= 0 && offset+int64(len(buf)) <= int64(len(b)) {
		copy(buf, b[offset:])
		return nil
	}
	r, err := c.Open(ctx, offset, int64(len(buf)))
	if err != nil {
		return err
	}
	defer func() {
		if cerr := r.Close(); err == nil {
			err = cerr
		}
	}()
	return ReadExactly(r, buf)
}

// ReadExactly fills buf from r and requires that r ends there.
func ReadExactly(r io.Reader, buf []byte) error {
	n, err := io.ReadFull(r, buf)
	if err == io.EOF && len(buf) > 0 || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("body ended after %d of %d bytes: %w", n, len(buf), io.ErrUnexpectedEOF)
	}
	if err != nil && err != io.EOF {
		return err
	}
	var one [1]byte
	switch n, err := io.ReadFull(r, one[:]); {
	case n > 0:
		return fmt.Errorf("body goes on after the promised %d bytes", len(buf))
	case err != io.EOF:
		return err
	}
	return nil
}

// NewObjectContent returns one version of a stored object as Content.
func NewObjectContent(s Store, o *Object) Content { return &objectContent{s, o} }

type objectContent struct {
	store  Store
	object *Object
}

func (c *objectContent) Size() int64 { return c.object.Size }

func (c *objectContent) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if length == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	r, err := c.store.Open(ctx, c.object.Key, ReadOptions{Version: c.object.Version, Offset: offset, Length: length})
	if err != nil {
		return nil, err
	}
	return r.Body, nil
}
