package s3

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/crossfade-io/crossfade/store"
)

var _ store.UploadAborter = (*Store)(nil)

// UploadClock asks for one upload: that needs s3:ListBucketMultipartUploads,
// and the answer has the server's time. Zero on Cloud Storage, where the driver
// uploads nothing in parts.
func (s *Store) UploadClock(ctx context.Context) (time.Time, error) {
	if s.opts.Interop {
		return time.Time{}, nil
	}
	in := s.uploadsInput()
	in.MaxUploads = aws.Int32(1)
	out, err := s.client.ListMultipartUploads(ctx, in, s.always...)
	if err != nil {
		kind, after := classify(err)
		if kind == store.Denied {
			err = fmt.Errorf("to abort uploads the credentials need s3:ListBucketMultipartUploads on the bucket, and s3:AbortMultipartUpload on its objects (%w)", err)
		}
		return time.Time{}, &store.Error{Op: "list uploads", Store: s.name, Kind: kind, RetryAfter: after, Err: err}
	}
	now := answeredAt(out.ResultMetadata)
	if now.IsZero() {
		return now, s.errorf("list uploads", "", store.Invalid, "the server's answer has no Date, without which no upload's age is known")
	}
	return now, nil
}

// Uploads pages through ListMultipartUploads.
func (s *Store) Uploads(ctx context.Context) iter.Seq2[store.Upload, error] {
	return func(yield func(store.Upload, error) bool) {
		if s.opts.Interop {
			return
		}
		in, byKey := s.uploadsInput(), false
		for {
			out, err := s.client.ListMultipartUploads(ctx, in, s.always...)
			if errorCode(err) == "InvalidArgument" && in.UploadIdMarker != nil {
				// versitygw does not know an upload that it named itself. From
				// the next key on, only uploads of the same key are passed over.
				in.UploadIdMarker, byKey = nil, true
				continue
			}
			if err != nil {
				yield(store.Upload{}, s.fail("list uploads", "", err))
				return
			}
			for _, u := range out.Uploads {
				upload, err := s.upload(out.EncodingType, u)
				if !yield(upload, err) || err != nil {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) {
				return
			}
			key, err := decoded(out.EncodingType, out.NextKeyMarker)
			id := aws.ToString(out.NextUploadIdMarker)
			if byKey {
				id = ""
			}
			if err != nil || key == "" || key == aws.ToString(in.KeyMarker) && id == aws.ToString(in.UploadIdMarker) {
				yield(store.Upload{}, s.errorf("list uploads", "", store.Unavailable, "the server says that there is more, and not where"))
				return
			}
			in.KeyMarker, in.UploadIdMarker = &key, given(id)
		}
	}
}

func (s *Store) uploadsInput() *s3.ListMultipartUploadsInput {
	return &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: given(s.prefix), EncodingType: types.EncodingTypeUrl}
}

// upload is u as the store names it. A server that ignores the prefix must not
// have others' uploads aborted.
func (s *Store) upload(encoding types.EncodingType, u types.MultipartUpload) (store.Upload, error) {
	key, err := decoded(encoding, u.Key)
	if err != nil {
		return store.Upload{}, s.errorf("list uploads", "", store.Invalid, "a listed key cannot be decoded: %w", err)
	}
	rest, ok := strings.CutPrefix(key, s.prefix)
	if !ok {
		return store.Upload{}, s.errorf("list uploads", "", store.Invalid, "the server lists %q, which is not below the prefix", key)
	}
	if u.Initiated == nil {
		return store.Upload{}, s.errorf("list uploads", rest, store.Invalid, "the server does not say when an upload was begun")
	}
	return store.Upload{Key: rest, ID: aws.ToString(u.UploadId), Begun: *u.Initiated}, nil
}

// decoded undoes encoding-type=url, which some servers ignore.
func decoded(encoding types.EncodingType, key *string) (string, error) {
	if encoding != types.EncodingTypeUrl {
		return aws.ToString(key), nil
	}
	return url.QueryUnescape(aws.ToString(key))
}

// AbortUpload gives the parts of u back.
func (s *Store) AbortUpload(ctx context.Context, u store.Upload) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: s.key(u.Key), UploadId: &u.ID}, s.always...)
	if err != nil && errorCode(err) != "NoSuchUpload" {
		return s.fail("abort upload", u.Key, err)
	}
	return nil
}
