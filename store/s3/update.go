package s3

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/crossfade-io/crossfade/store"
)

// UpdateMetadata copies the object onto itself with other attributes, which is
// the only way on S3 (S3 API reference, CopyObject). It costs a HEAD besides,
// because a copy loses the storage class, Expires and the website redirect
// unless they are named again. Objects above 5 GiB yield Invalid.
func (s *Store) UpdateMetadata(ctx context.Context, key string, attrs store.Attrs, cond store.Condition) (*store.Object, error) {
	const op = "update"
	if err := s.checkKey(op, key); err != nil {
		return nil, err
	}
	if cond.Absent {
		return nil, s.errorf(op, key, store.Invalid, "an update cannot be bound to an absent object")
	}
	if err := checkAttrs(attrs); err != nil {
		return nil, s.errorf(op, key, store.Invalid, "%w", err)
	}
	meta, err := encodeMetadata(attrs.Metadata)
	if err != nil {
		return nil, s.errorf(op, key, store.Invalid, "%w", err)
	}
	head, err := s.head(ctx, key)
	if err != nil {
		return nil, s.fail(op, key, err)
	}
	now, err := s.headed(key, head)
	if err != nil {
		return nil, err
	}
	switch {
	case cond.Match != "" && !now.Version.Covers(cond.Match):
		return nil, s.errorf(op, key, store.Precondition, "the object is another version")
	case now.Size > maxCopyBytes:
		return nil, s.errorf(op, key, store.Invalid, "S3 copies no more than 5 GiB in one request, and the object has %d bytes", now.Size)
	}
	return s.replace(ctx, key, attrs, meta, head, now)
}

// replace copies now onto itself, bound to it at both ends.
func (s *Store) replace(ctx context.Context, key string, attrs store.Attrs, meta map[string]string, head *s3.HeadObjectOutput, now *store.Object) (*store.Object, error) {
	source := escapePath(s.bucket) + "/" + escapePath(s.prefix+key)
	in := &s3.CopyObjectInput{
		Bucket: &s.bucket, Key: s.key(key), Metadata: meta,
		MetadataDirective: types.MetadataDirectiveReplace, CopySource: &source,
		ContentType: given(attrs.ContentType), CacheControl: given(attrs.CacheControl), ContentEncoding: given(attrs.ContentEncoding),
		ContentDisposition: given(attrs.ContentDisposition), ContentLanguage: given(attrs.ContentLanguage),
		StorageClass: head.StorageClass, WebsiteRedirectLocation: head.WebsiteRedirectLocation, Expires: expires(head),
	}
	if head.ServerSideEncryption != types.ServerSideEncryptionAes256 { // else the bucket's default
		in.ServerSideEncryption, in.SSEKMSKeyId = head.ServerSideEncryption, head.SSEKMSKeyId
	}
	fns := s.always
	if s.opts.Interop {
		match := store.Condition{Match: now.Version}
		fns = s.with(interopMatch(match, "x-goog-if-"), interopMatch(match, "x-goog-copy-source-if-"))
	} else {
		etag, _ := split(now.Version)
		in.CopySourceIfMatch, in.IfMatch = quoted(etag), quoted(etag)
	}
	out, err := s.client.CopyObject(ctx, in, fns...)
	if err != nil {
		return nil, s.fail("update", key, err)
	}
	o := *now
	o.Attrs = attrs
	o.Metadata = lowered(attrs.Metadata)
	o.ModTime = aws.ToTime(out.CopyObjectResult.LastModified)
	o.Version = version(out.CopyObjectResult.ETag, out.VersionId)
	if s.opts.Interop {
		o.Version = interopVersion(o.Version, rawHeader(out.ResultMetadata))
		return &o, nil
	}
	o.Checksums = checksums(sums{
		out.CopyObjectResult.ETag, out.CopyObjectResult.ChecksumCRC32C, out.CopyObjectResult.ChecksumCRC64NVME,
		out.CopyObjectResult.ChecksumType, out.ServerSideEncryption, out.SSECustomerAlgorithm,
	})
	return &o, nil
}

// escapePath is the encoding of x-amz-copy-source: everything but the
// unreserved characters and slashes.
func escapePath(p string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(p), "+", "%20"), "%2F", "/")
}

// expires is the Expires header, unless it is no date.
func expires(head *s3.HeadObjectOutput) *time.Time {
	t, err := http.ParseTime(aws.ToString(head.ExpiresString))
	if err != nil {
		return nil
	}
	return &t
}
