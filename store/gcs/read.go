package gcs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"cloud.google.com/go/storage"

	"github.com/crossfade-io/crossfade/store"
)

// Open reads by the XML API, where one request brings the bytes and nearly all
// attributes. Only where the headers cannot be trusted to be what is stored a
// second one asks for the attributes of just this version.
//
// The pin is a precondition and not the generation in the URL: that would go
// on to read a generation that is noncurrent, and not notice new attributes.
// A read that breaks is continued by the SDK on the same generation.
func (s *Store) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	name, err := s.name("open", key)
	if err != nil {
		return nil, err
	}
	if opts.Offset < 0 || opts.Length < 0 {
		return nil, &store.Error{Op: "open", Store: s.id, Key: key, Kind: store.Invalid, Err: fmt.Errorf("range %d+%d", opts.Offset, opts.Length)}
	}
	obj := s.handle.Object(name)
	if opts.Version != "" {
		conds, ok := conditions(opts.Version)
		if !ok {
			return nil, s.unmet("open", key, errForeignVersion)
		}
		obj = obj.If(conds)
	}
	length := int64(-1)
	if opts.Length > 0 {
		length = opts.Length
	}
	rctx, seen := observe(ctx)
	r, err := obj.ReadCompressed(true).NewRangeReader(rctx, opts.Offset, length, storage.WithDisableReaderChecksum())
	if err != nil {
		return nil, s.openError(ctx, key, name, seen, err)
	}
	reader, err := s.reader(ctx, key, name, opts, seen, r)
	if err != nil {
		_ = r.Close() // nothing of it was used
		return nil, err
	}
	return reader, nil
}

// openError lets NotFound through only where the service named the key.
func (s *Store) openError(ctx context.Context, key, name string, seen *observation, err error) error {
	if !errors.Is(err, storage.ErrObjectNotExist) {
		return s.fail("open", key, err)
	}
	switch seen.code {
	case "NoSuchKey":
		return s.fail("open", key, err)
	case "NoSuchBucket":
		return s.fail("open", key, fmt.Errorf("%w: %s", storage.ErrBucketNotExist, s.bucket))
	}
	if e := s.confirmAbsent(ctx, "open", key, name); e != nil {
		return e
	}
	return s.fail("open", key, err)
}

func (s *Store) reader(ctx context.Context, key, name string, opts store.ReadOptions, seen *observation, r *storage.Reader) (*store.Reader, error) {
	fail := func(kind store.Kind, err error) (*store.Reader, error) {
		return nil, &store.Error{Op: "open", Store: s.id, Key: key, Kind: kind, Err: err}
	}
	if r.Attrs.Decompressed {
		return fail(store.Corrupt, errors.New("the server decoded the object's gzip though it was asked not to"))
	}
	o, exact, err := headerObject(key, seen.header)
	if err == nil && !exact {
		o, err = s.exact(ctx, key, name, r.Attrs)
	}
	if e, ok := errors.AsType[*store.Error](err); ok {
		return nil, e
	}
	switch {
	case err != nil:
		return fail(store.Unknown, err)
	case opts.Version != "" && o.Version != opts.Version:
		return fail(store.Precondition, errors.New("the server sent another version than the pinned one"))
	}
	body := &body{s: s, key: key, r: r, left: max(o.Size-opts.Offset, 0)}
	if opts.Length > 0 {
		body.left = min(body.left, opts.Length)
	}
	if body.left == o.Size && o.Checksums.CRC32C != nil {
		body.want, body.crc = binary.BigEndian.Uint32(o.Checksums.CRC32C), crc32.New(castagnoli)
	}
	return &store.Reader{Object: o, Body: body}, nil
}

// exact asks for the attributes of the version that is being read.
func (s *Store) exact(ctx context.Context, key, name string, reading storage.ReaderObjectAttrs) (store.Object, error) {
	conds := storage.Conditions{GenerationMatch: reading.Generation, MetagenerationMatch: reading.Metageneration}
	attrs, err := s.handle.Object(name).If(conds).Attrs(ctx)
	if err != nil {
		e := s.fail("open", key, err)
		if errors.Is(err, storage.ErrObjectNotExist) {
			e.Kind = store.Precondition // it was there a moment ago
		}
		return store.Object{}, e
	}
	if attrs.Generation != reading.Generation {
		return store.Object{}, s.unmet("open", key, errors.New("the object was replaced while it was opened"))
	}
	return *s.object(attrs), nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// body ends without an error only after as many bytes as there have to be,
// with the right checksum where the object is read whole.
type body struct {
	s    *Store
	key  string
	r    *storage.Reader
	left int64
	want uint32
	crc  hash.Hash32 // nil for a range
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.left -= int64(n)
	if b.crc != nil {
		b.crc.Write(p[:n])
	}
	corrupt := func(err error) error {
		return &store.Error{Op: "read", Store: b.s.id, Key: b.key, Kind: store.Corrupt, Err: err}
	}
	switch {
	case b.left < 0:
		return n, corrupt(fmt.Errorf("%d bytes more than promised", -b.left))
	case err == nil:
		return n, nil
	case err != io.EOF: //nolint:errorlint // the contract of io.Reader
		return n, b.s.fail("read", b.key, err)
	case b.left > 0:
		return n, corrupt(fmt.Errorf("ended %d bytes early", b.left))
	case b.crc != nil && b.crc.Sum32() != b.want:
		return n, corrupt(errors.New("CRC32C of the bytes is not the object's"))
	}
	return n, io.EOF
}

func (b *body) Close() error { return b.r.Close() }
