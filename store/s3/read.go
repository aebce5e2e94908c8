package s3

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/crossfade-io/crossfade/store"
)

// Head reads the attributes of the current object. S3 answers HEAD without a
// body, so a missing bucket looks like a missing key here (S3 API reference,
// HeadObject).
func (s *Store) Head(ctx context.Context, key string) (*store.Object, error) {
	if err := s.checkKey("head", key); err != nil {
		return nil, err
	}
	out, err := s.head(ctx, key)
	if err != nil {
		return nil, s.fail("head", key, err)
	}
	return s.headed(key, out)
}

func (s *Store) head(ctx context.Context, key string) (*s3.HeadObjectOutput, error) {
	in := &s3.HeadObjectInput{Bucket: &s.bucket, Key: s.key(key)}
	if !s.opts.Interop {
		in.ChecksumMode = types.ChecksumModeEnabled
	}
	return s.client.HeadObject(ctx, in, s.always...)
}

// headed turns the answer to a HEAD into an object.
func (s *Store) headed(key string, out *s3.HeadObjectOutput) (*store.Object, error) {
	o := &store.Object{
		Key:     key,
		Size:    aws.ToInt64(out.ContentLength),
		Version: version(out.ETag, out.VersionId),
		ModTime: aws.ToTime(out.LastModified),
		Attrs: store.Attrs{
			ContentType:        aws.ToString(out.ContentType),
			CacheControl:       aws.ToString(out.CacheControl),
			ContentEncoding:    aws.ToString(out.ContentEncoding),
			ContentDisposition: aws.ToString(out.ContentDisposition),
			ContentLanguage:    aws.ToString(out.ContentLanguage),
			Metadata:           decodeMetadata(out.Metadata),
		},
		Checksums: checksums(sums{out.ETag, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumType, out.ServerSideEncryption, out.SSECustomerAlgorithm}),
	}
	return o, s.complete("head", o, out.MissingMeta, out.ResultMetadata)
}

// complete adds what only the raw headers tell, and refuses an object of which
// S3 did not give all metadata.
func (s *Store) complete(op string, o *store.Object, missing *int32, meta middleware.Metadata) error {
	if n := aws.ToInt32(missing); n > 0 {
		return s.errorf(op, o.Key, store.Invalid, "%d metadata entries cannot be read: they hold characters that no header can carry (x-amz-missing-meta)", n)
	}
	if s.opts.Interop {
		interopDescribe(o, rawHeader(meta))
	}
	return nil
}

// Open reads an object, or a range of it, pinned by version id and ETag.
func (s *Store) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	if err := s.checkKey("open", key); err != nil {
		return nil, err
	}
	if opts.Offset < 0 || opts.Length < 0 {
		return nil, s.errorf("open", key, store.Invalid, "range %d+%d", opts.Offset, opts.Length)
	}
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: s.key(key), Range: byteRange(opts)}
	fns := s.always
	etag, id := split(opts.Version)
	if etag != "" {
		in.IfMatch = quoted(etag)
	}
	if s.opts.Interop {
		fns = s.with(interopMatch(store.Condition{Match: opts.Version}, "x-goog-if-"))
	} else {
		in.ChecksumMode = types.ChecksumModeEnabled
		in.VersionId = given(id)
	}
	out, err := s.client.GetObject(ctx, in, fns...)
	if err != nil {
		return nil, s.fail("open", key, err)
	}
	r, err := s.opened(key, in.Range != nil, out)
	if err != nil {
		out.Body.Close()
		return nil, err
	}
	return r, nil
}

func (s *Store) opened(key string, ranged bool, out *s3.GetObjectOutput) (*store.Reader, error) {
	length := aws.ToInt64(out.ContentLength)
	r := &store.Reader{Object: store.Object{
		Key:     key,
		Size:    length,
		Version: version(out.ETag, out.VersionId),
		ModTime: aws.ToTime(out.LastModified),
		Attrs: store.Attrs{
			ContentType:        aws.ToString(out.ContentType),
			CacheControl:       aws.ToString(out.CacheControl),
			ContentEncoding:    aws.ToString(out.ContentEncoding),
			ContentDisposition: aws.ToString(out.ContentDisposition),
			ContentLanguage:    aws.ToString(out.ContentLanguage),
			Metadata:           decodeMetadata(out.Metadata),
		},
	}}
	sum := sums{out.ETag, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumType, out.ServerSideEncryption, out.SSECustomerAlgorithm}
	if ranged {
		size, err := rangeTotal(aws.ToString(out.ContentRange))
		if err != nil {
			return nil, s.errorf("open", key, store.Invalid, "the server did not serve a range: %w", err)
		}
		r.Size = size
		sum.crc32c, sum.crc64 = nil, nil // where given, they are of the range
	}
	if out.ContentLength == nil {
		return nil, s.errorf("open", key, store.Unavailable, "the answer has no Content-Length")
	}
	r.Checksums = checksums(sum)
	if err := s.complete("open", &r.Object, out.MissingMeta, out.ResultMetadata); err != nil {
		return nil, err
	}
	r.Body = &body{s: s, key: key, rc: out.Body, left: length}
	return r, nil
}

// byteRange is the Range header, or nil for the whole object.
func byteRange(o store.ReadOptions) *string {
	switch {
	case o.Length > 0:
		return aws.String(fmt.Sprintf("bytes=%d-%d", o.Offset, o.Offset+o.Length-1))
	case o.Offset > 0:
		return aws.String(fmt.Sprintf("bytes=%d-", o.Offset))
	}
	return nil
}

// rangeTotal reads the size of the whole from "bytes 0-1/2".
func rangeTotal(header string) (int64, error) {
	_, total, _ := strings.Cut(header, "/")
	n, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("Content-Range %q", header)
	}
	return n, nil
}

// body gives errors of reading their Kind.
type body struct {
	s    *Store
	key  string
	rc   io.ReadCloser
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.rc.Read(p)
	b.left -= int64(n)
	if err == nil || err == io.EOF && b.left == 0 {
		return n, err
	}
	e := &store.Error{Op: "read", Store: b.s.name, Key: b.key, Kind: store.Unavailable, Err: err}
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		e.Kind = store.Unknown
	case err == io.EOF:
		e.Err = io.ErrUnexpectedEOF
	case b.left == 0:
		// Every byte arrived: what failed is the SDK's comparison with the
		// checksum that S3 sent along.
		e.Kind = store.Corrupt
	}
	return n, e
}

func (b *body) Close() error { return b.rc.Close() }

// sums is what S3 says of an object's checksums.
type sums struct {
	etag, crc32c, crc64 *string
	kind                types.ChecksumType
	sse                 types.ServerSideEncryption
	ssec                *string
}

// checksums keeps those that are of the whole body: no composite ones (-N), and
// of ETags only the MD5 that a plain upload has when S3 holds no key of its own
// for it ("Common response headers", ETag).
func checksums(s sums) store.Checksums {
	var c store.Checksums
	if s.kind != types.ChecksumTypeComposite {
		c.CRC32C = decode64(s.crc32c, 4)
		c.CRC64NVME = decode64(s.crc64, 8)
	}
	plain := s.sse == "" || s.sse == types.ServerSideEncryptionAes256
	if plain && aws.ToString(s.ssec) == "" {
		if b, err := hex.DecodeString(strings.Trim(aws.ToString(s.etag), `"`)); err == nil && len(b) == 16 {
			c.MD5 = b
		}
	}
	return c
}

// decode64 is nil for anything but the base64 of n bytes.
func decode64(v *string, n int) []byte {
	b, err := base64.StdEncoding.DecodeString(aws.ToString(v))
	if err != nil || len(b) != n {
		return nil
	}
	return b
}

// answeredAt is the time of the server's answer, to the second: as near as a
// PUT tells to the object's Last-Modified.
func answeredAt(meta middleware.Metadata) time.Time {
	t, _ := time.Parse(time.RFC1123, rawHeader(meta).Get("Date"))
	return t
}
