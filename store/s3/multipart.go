package s3

import (
	"bytes"
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/parts"
)

// abortLimit bounds the clearing up after a failed upload. What it cannot abort
// stays until a lifecycle rule removes it.
const abortLimit = 30 * time.Second

// multipart sends the content in parallel parts, each with its CRC32C, and
// completes on the condition with the CRC32C of the whole: S3 combines those of
// the parts and compares (type FULL_OBJECT).
func (w *write) multipart(ctx context.Context) (_ *store.Object, err error) {
	id, err := w.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.abort(ctx, id)
		}
	}()
	size := w.content.Size()
	partSize := parts.PartSize(size, w.Store.opts.PartBytes, maxParts)
	done := make([]types.CompletedPart, (size+partSize-1)/partSize)
	sum, err := w.pool.Upload(ctx, w.content, partSize, w.Store.opts.Parallel, w.opts.Checksums, func(ctx context.Context, p parts.Part) error {
		crc := encode64(store.ChecksumsOf(p.Data, store.Checksums{}).CRC32C)
		number := aws.Int32(int32(p.Number) + 1)
		out, err := w.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &w.bucket, Key: w.Store.key(w.key), UploadId: &id, PartNumber: number,
			Body: bytes.NewReader(p.Data), ContentLength: aws.Int64(int64(len(p.Data))), ChecksumCRC32C: crc,
		}, w.part()...)
		if err != nil {
			return w.failed(err)
		}
		done[p.Number] = types.CompletedPart{PartNumber: number, ETag: out.ETag, ChecksumCRC32C: crc}
		return nil
	})
	if err != nil {
		return nil, w.source(err)
	}
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &w.bucket, Key: w.Store.key(w.key), UploadId: &id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
		ChecksumCRC32C:  encode64(sum.CRC32C), ChecksumType: types.ChecksumTypeFullObject, MpuObjectSize: &size,
	}
	in.IfMatch, in.IfNoneMatch = conditions(w.opts.If)
	out, err := w.client.CompleteMultipartUpload(ctx, in, w.part()...)
	if err != nil {
		return nil, w.failed(err)
	}
	return w.stored(version(out.ETag, out.VersionId), sum, out.ResultMetadata), nil
}

// begin creates the upload, which holds the attributes from the start.
func (w *write) begin(ctx context.Context) (id string, err error) {
	a := w.opts.Attrs
	out, err := w.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &w.bucket, Key: w.Store.key(w.key), Metadata: w.meta,
		ContentType: given(a.ContentType), CacheControl: given(a.CacheControl), ContentEncoding: given(a.ContentEncoding),
		ContentDisposition: given(a.ContentDisposition), ContentLanguage: given(a.ContentLanguage),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c, ChecksumType: types.ChecksumTypeFullObject,
	}, w.always...)
	if err != nil {
		return "", w.failed(err)
	}
	return aws.ToString(out.UploadId), nil
}

// abort gives the parts back, also when ctx is what ended the upload. Its own
// failure changes nothing for the caller, who has an error already.
func (w *write) abort(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortLimit)
	defer cancel()
	w.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{ //nolint:errcheck // see above
		Bucket: &w.bucket, Key: w.Store.key(w.key), UploadId: &id,
	}, w.part()...)
}
