package s3

import (
	"context"
	"iter"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/crossfade-io/crossfade/store"
)

// List pages through ListObjectsV2. Listings carry no attributes, so objects are
// Partial, and none of their ETags is offered as an MD5: a listing does not say
// which objects are encrypted with KMS keys, whose ETags are none. A server that
// lists out of byte order ends the sequence with Invalid.
func (s *Store) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		last := ""
		for c, err := range s.contents(ctx, opts) {
			if err != nil {
				yield(nil, err)
				return
			}
			key := strings.TrimPrefix(aws.ToString(c.Key), s.prefix)
			switch {
			case key == "" || key <= opts.After:
				continue // the marker of the prefix itself; see startAfter
			case opts.Until != "" && key > opts.Until && !opts.AnyOrder:
				return
			case opts.Until != "" && key > opts.Until:
				continue
			case !opts.AnyOrder && key <= last:
				yield(nil, s.errorf("list", "", store.Invalid, "the listing is not in byte order: %q comes behind %q", key, last))
				return
			}
			last = key
			if !yield(listed(key, c), nil) {
				return
			}
		}
	}
}

// startAfter is after, or where Cloud Storage would repeat it in XML that cannot
// hold it, the part of it before the first such character: what is listed too
// much is left out here.
func (s *Store) startAfter(after string) string {
	if i := strings.IndexFunc(after, notInXML); i >= 0 && s.opts.Interop {
		return after[:i]
	}
	return after
}

func listed(key string, c types.Object) *store.Object {
	return &store.Object{
		Key: key, Size: aws.ToInt64(c.Size), Version: version(c.ETag, nil), ModTime: aws.ToTime(c.LastModified),
		Partial: true,
	}
}

// contents yields what the bucket lists in the range and, at its end, beyond, names
// decoded.
func (s *Store) contents(ctx context.Context, opts store.ListOptions) iter.Seq2[types.Object, error] {
	return func(yield func(types.Object, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: given(s.prefix + s.startAfter(opts.Prefix()))}
		if after := s.startAfter(opts.After); after != "" {
			in.StartAfter = s.key(after)
		}
		if !s.opts.Interop {
			in.EncodingType = types.EncodingTypeUrl // XML cannot hold control characters
		}
		for {
			out, err := s.client.ListObjectsV2(ctx, in, s.always...)
			if err != nil {
				yield(types.Object{}, s.fail("list", "", err))
				return
			}
			for _, c := range out.Contents {
				if out.EncodingType == types.EncodingTypeUrl { // some servers ignore it
					key, err := url.QueryUnescape(aws.ToString(c.Key))
					if err != nil {
						yield(types.Object{}, s.errorf("list", "", store.Invalid, "a listed key cannot be decoded: %w", err))
						return
					}
					c.Key = &key
				}
				if !strings.HasPrefix(aws.ToString(c.Key), s.prefix) {
					yield(types.Object{}, s.errorf("list", "", store.Invalid, "the server lists %q, which is not below the prefix", aws.ToString(c.Key)))
					return
				}
				if !yield(c, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) {
				return
			}
			next := aws.ToString(out.NextContinuationToken)
			if next == "" || next == aws.ToString(in.ContinuationToken) {
				yield(types.Object{}, s.errorf("list", "", store.Unavailable, "the server says that there is more, and not where"))
				return
			}
			in.ContinuationToken = &next
		}
	}
}
