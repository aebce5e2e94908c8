package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crossfade-io/crossfade/store"
)

// streamed sends a large body to Cloud Storage in one request: its multipart
// uploads take no conditions ("XML API multipart uploads"). The last byte is
// held back until size and checksums are found right, and a request that lacks
// it stores nothing.
func (w *write) streamed(ctx context.Context) (*store.Object, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &heldReader{ctx: ctx, stop: cancel, content: w.content, want: w.opts.Checksums}
	defer r.Close() //nolint:errcheck // reading; errors surfaced in Read
	in := w.input()
	in.Body = r
	in.ContentLength = aws.Int64(w.content.Size())
	fns := w.with(
		interopMatch(w.opts.If, "x-goog-if-"),
		s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware),
	)
	if crc := w.opts.Checksums.CRC32C; crc != nil {
		fns = append(fns, setHeader("x-goog-hash", "crc32c="+*encode64(crc)))
	}
	out, err := w.client.PutObject(ctx, in, fns...)
	sum, fault := r.result()
	if err != nil {
		if fault != nil {
			return nil, w.source(fault)
		}
		return nil, w.failed(err)
	}
	o := w.stored(version(out.ETag, out.VersionId), sum, out.ResultMetadata)
	var told store.Object
	interopDescribe(&told, rawHeader(out.ResultMetadata))
	if name := told.Checksums.Differ(sum); name != "" {
		return nil, w.errorf("put", w.key, store.Corrupt, "the %s of what was stored is not that of what was sent", name)
	}
	return o, nil
}

// heldReader reads a Content from its start, as often as the SDK rewinds it,
// and gives out the last byte only when the whole has been verified.
type heldReader struct {
	ctx     context.Context    //nolint:containedctx // io.Reader has none to pass
	stop    context.CancelFunc // ends the request: it must not be tried again
	content store.Content
	want    store.Checksums

	mu    sync.Mutex // the transport may still read when the request has failed
	pos   int64
	body  io.ReadCloser
	hash  *store.Hasher
	fault error
}

func (r *heldReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := r.content.Size()
	switch {
	case r.fault != nil:
		return 0, r.fault
	case r.pos == size:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	n, err := r.read(p[:min(int64(len(p)), size-r.pos)], size)
	if err != nil {
		r.fault = err
		r.stop()
		return 0, err
	}
	return n, nil
}

func (r *heldReader) read(p []byte, size int64) (int, error) {
	if r.body == nil {
		if r.pos != 0 {
			return 0, errors.New("the content can only be read from its start")
		}
		body, err := r.content.Open(r.ctx, 0, size)
		if err != nil {
			return 0, err
		}
		r.body, r.hash = body, store.NewHasher(r.want)
	}
	n, err := io.ReadAtLeast(r.body, p, 1)
	r.hash.Write(p[:n]) //nolint:errcheck // never fails
	r.pos += int64(n)
	switch {
	case n == 0 && err == io.EOF:
		return 0, fmt.Errorf("body ended after %d of %d bytes: %w", r.pos, size, io.ErrUnexpectedEOF)
	case n == 0:
		return 0, err
	case r.pos < size:
		return n, nil
	}
	return n, r.verify(size)
}

// verify is called before the last bytes are handed on.
func (r *heldReader) verify(size int64) error {
	var one [1]byte
	switch n, err := io.ReadFull(r.body, one[:]); {
	case n > 0:
		return fmt.Errorf("body goes on after the promised %d bytes", size)
	case err != io.EOF:
		return err
	}
	if err := r.hash.Verify(size); err != nil {
		return &store.Error{Op: "put", Kind: store.Corrupt, Err: err}
	}
	return r.ctx.Err() // a reader need not notice
}

// Seek is for the SDK, which measures and rewinds.
func (r *heldReader) Seek(offset int64, whence int) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.content.Size()
	}
	if offset == r.pos {
		return offset, nil
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	r.closeBody()
	r.pos = offset
	return offset, nil
}

// Close ends reading for good.
func (r *heldReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeBody()
	if r.fault == nil {
		r.fault = errors.New("the content is closed")
	}
	return nil
}

func (r *heldReader) closeBody() {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
}

// result is the checksums of all that was read, or why reading failed.
func (r *heldReader) result() (store.Checksums, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault != nil || r.hash == nil {
		return store.Checksums{}, r.fault
	}
	return r.hash.Sum(), nil
}
