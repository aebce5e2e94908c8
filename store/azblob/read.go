package azblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/crossfade-io/crossfade/store"
)

// readRetries is how often a body that breaks off is taken up again, always
// bound to the ETag that the first answer had.
const readRetries = 3

// Head returns the object under key (Get Blob Properties).
func (s *Store) Head(ctx context.Context, key string) (*store.Object, error) {
	return s.head(ctx, "head", key, "")
}

func (s *Store) head(ctx context.Context, op, key string, v store.Version) (*store.Object, error) {
	if err := s.checkKey(op, key); err != nil {
		return nil, err
	}
	resp, err := s.blob(key).GetProperties(ctx, &blob.GetPropertiesOptions{AccessConditions: matching(v)})
	if err != nil {
		return nil, s.classify(op, key, err)
	}
	if resp.ETag == nil || resp.ContentLength == nil {
		return nil, s.classify(op, key, errors.New("the answer has no ETag or no length"))
	}
	return &store.Object{
		Key:     key,
		Size:    *resp.ContentLength,
		Version: versionOf(resp.ETag),
		ModTime: value(resp.LastModified),
		Attrs: store.Attrs{
			ContentType:        value(resp.ContentType),
			CacheControl:       value(resp.CacheControl),
			ContentEncoding:    value(resp.ContentEncoding),
			ContentDisposition: value(resp.ContentDisposition),
			ContentLanguage:    value(resp.ContentLanguage),
			Metadata:           decodeMetadata(resp.Metadata),
		},
		Checksums: checksums(resp.ContentMD5),
	}, nil
}

// Open returns the stored bytes (Get Blob). A body that breaks off is taken up
// again a few times, bound to the same ETag; what cannot be mended so surfaces
// as an error of the body.
func (s *Store) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	if err := s.checkKey("open", key); err != nil {
		return nil, err
	}
	if opts.Offset < 0 || opts.Length < 0 {
		return nil, s.invalid("open", key, "range %d+%d", opts.Offset, opts.Length)
	}
	resp, err := s.blob(key).DownloadStream(ctx, &blob.DownloadStreamOptions{
		Range:            blob.HTTPRange{Offset: opts.Offset, Count: opts.Length},
		AccessConditions: matching(opts.Version),
	})
	if err != nil {
		return nil, s.classify("open", key, err)
	}
	if resp.Body == nil { // the SDK's answer to 304
		return nil, s.classify("open", key, errors.New("the answer has no body"))
	}
	size, err := wholeSize(resp)
	if err == nil && (resp.ETag == nil || opts.Version != "" && versionOf(resp.ETag) != opts.Version) {
		err = errors.New("the answer is of another version than was asked for")
	}
	if err != nil {
		_ = resp.Body.Close()
		return nil, s.classify("open", key, err)
	}
	md5 := resp.ContentMD5
	if resp.ContentRange != nil {
		md5 = resp.BlobContentMD5
	}
	return &store.Reader{
		Object: store.Object{
			Key:     key,
			Size:    size,
			Version: versionOf(resp.ETag),
			ModTime: value(resp.LastModified),
			Attrs: store.Attrs{
				ContentType:        value(resp.ContentType),
				CacheControl:       value(resp.CacheControl),
				ContentEncoding:    value(resp.ContentEncoding),
				ContentDisposition: value(resp.ContentDisposition),
				ContentLanguage:    value(resp.ContentLanguage),
				Metadata:           decodeMetadata(resp.Metadata),
			},
			Checksums: checksums(md5),
		},
		Body: &body{
			ReadCloser: resp.NewRetryReader(ctx, &blob.RetryReaderOptions{MaxRetries: readRetries, EarlyCloseAsError: true}),
			left:       *resp.ContentLength,
			fail:       func(err error) error { return s.classify("read", key, err) },
		},
	}, nil
}

// body requires as many bytes as the answer announced.
type body struct {
	io.ReadCloser
	left int64
	fail func(error) error
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case err == nil, errors.Is(err, io.EOF) && b.left == 0:
		return n, nil
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("body ended %d bytes early: %w", b.left, io.ErrUnexpectedEOF)
	}
	return n, b.fail(err)
}

// wholeSize is the size of the blob, also where a range was read.
func wholeSize(resp blob.DownloadStreamResponse) (int64, error) {
	if resp.ContentLength == nil {
		return 0, errors.New("the answer has no length")
	}
	if resp.ContentRange == nil {
		return *resp.ContentLength, nil
	}
	_, total, ok := strings.Cut(*resp.ContentRange, "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if !ok || err != nil {
		return 0, errors.New("the answer's Content-Range cannot be read")
	}
	return size, nil
}

// matching binds a request to version v, if any.
func matching(v store.Version) *blob.AccessConditions {
	return conditions(store.Condition{Match: v})
}

// conditions are the headers of cond.
func conditions(cond store.Condition) *blob.AccessConditions {
	var m blob.ModifiedAccessConditions
	switch {
	case cond.Absent:
		tag := azcore.ETagAny
		m.IfNoneMatch = &tag
	case cond.Match != "":
		tag := azcore.ETag(`"` + string(cond.Match) + `"`)
		m.IfMatch = &tag
	default:
		return nil
	}
	return &blob.AccessConditions{ModifiedAccessConditions: &m}
}

// versionOf is the ETag without quotes: listings have none, headers have.
func versionOf(tag *azcore.ETag) store.Version {
	if tag == nil {
		return ""
	}
	return store.Version(strings.Trim(string(*tag), `"`))
}

func checksums(md5 []byte) store.Checksums {
	if len(md5) == 0 {
		return store.Checksums{}
	}
	return store.Checksums{MD5: md5}
}

func value[T string | time.Time](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
