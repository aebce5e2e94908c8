package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/parts"
)

// Put stores content in one request when it is small, in parts otherwise. A
// condition that held, but whose answer was lost and the request repeated by
// the SDK, yields Precondition although the object is ours: the caller looks
// again.
func (s *Store) Put(ctx context.Context, key string, content store.Content, opts store.PutOptions) (*store.Object, error) {
	if err := s.checkKey("put", key); err != nil {
		return nil, err
	}
	if err := checkAttrs(opts.Attrs); err != nil {
		return nil, s.errorf("put", key, store.Invalid, "%w", err)
	}
	meta, err := encodeMetadata(opts.Attrs.Metadata)
	if err != nil {
		return nil, s.errorf("put", key, store.Invalid, "%w", err)
	}
	if opts.If, err = s.resolve(ctx, "put", key, opts.If); err != nil {
		return nil, err
	}
	w := &write{Store: s, key: key, content: content, opts: opts, meta: meta}
	switch {
	case content.Size() <= s.opts.SmallBytes:
		return w.whole(ctx)
	case s.opts.Interop:
		return w.streamed(ctx)
	default:
		return w.multipart(ctx)
	}
}

// write is one Put.
type write struct {
	*Store
	key     string
	content store.Content
	opts    store.PutOptions
	meta    map[string]string
}

// whole sends the content from memory with its CRC32C, which the server checks.
func (w *write) whole(ctx context.Context) (*store.Object, error) {
	data, sum, err := parts.Whole(ctx, w.content, w.opts.Checksums)
	if err != nil {
		return nil, w.source(err)
	}
	in := w.input()
	in.Body = bytes.NewReader(data)
	in.ContentLength = aws.Int64(int64(len(data)))
	fns := w.always
	if w.Store.opts.Interop {
		fns = w.with(interopMatch(w.opts.If, "x-goog-if-"), setHeader("x-goog-hash", "crc32c="+*encode64(sum.CRC32C)))
	} else {
		in.ChecksumCRC32C = encode64(sum.CRC32C)
		in.IfMatch, in.IfNoneMatch = conditions(w.opts.If)
	}
	out, err := w.client.PutObject(ctx, in, fns...)
	if err != nil {
		return nil, w.failed(err)
	}
	return w.stored(version(out.ETag, out.VersionId), sum, out.ResultMetadata), nil
}

// input is a PutObject without body and condition.
func (w *write) input() *s3.PutObjectInput {
	a := w.opts.Attrs
	return &s3.PutObjectInput{
		Bucket: &w.bucket, Key: w.Store.key(w.key), Metadata: w.meta,
		ContentType: given(a.ContentType), CacheControl: given(a.CacheControl), ContentEncoding: given(a.ContentEncoding),
		ContentDisposition: given(a.ContentDisposition), ContentLanguage: given(a.ContentLanguage),
	}
}

// stored is the object that an accepted write made.
func (w *write) stored(v store.Version, sum store.Checksums, meta middleware.Metadata) *store.Object {
	o := &store.Object{
		Key: w.key, Size: w.content.Size(), Version: v, ModTime: answeredAt(meta), Attrs: w.opts.Attrs,
		Checksums: sum,
	}
	o.Metadata = lowered(o.Metadata)
	if w.Store.opts.Interop {
		o.Version = interopVersion(v, rawHeader(meta))
	}
	return o
}

// failed classifies the error of a write. An absent object can only have been
// missed by a condition: the write did not find what it was bound to.
func (w *write) failed(err error) error {
	e := w.fail("put", w.key, err)
	if se, ok := errors.AsType[*store.Error](e); ok && se.Kind == store.NotFound {
		se.Kind = store.Precondition
	}
	return e
}

// source reports an error of reading the content. One that has a Kind keeps it
// and the name of the store that it is of.
func (w *write) source(err error) error {
	if e, ok := errors.AsType[*store.Error](err); ok {
		if e.Store != "" {
			return err
		}
		return &store.Error{Op: "put", Store: w.name, Key: w.key, Kind: e.Kind, Err: e.Err}
	}
	kind := store.Unknown
	if errors.Is(err, io.ErrUnexpectedEOF) {
		kind = store.Corrupt
	}
	return &store.Error{Op: "put", Store: w.name, Key: w.key, Kind: kind, Err: fmt.Errorf("reading the content: %w", err)}
}

// conditions are the If-Match and If-None-Match of a write.
func conditions(c store.Condition) (match, noneMatch *string) {
	if c.Absent {
		return nil, aws.String("*")
	}
	if etag, _ := split(c.Match); etag != "" {
		return quoted(etag), nil
	}
	return nil, nil
}

// given is nil for the empty string, which the SDK would send as a header.
func given(v string) *string {
	if v == "" {
		return nil
	}
	return &v
}

func encode64(b []byte) *string { return aws.String(base64.StdEncoding.EncodeToString(b)) }
