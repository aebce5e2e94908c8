package azblob

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"net/http"
	"sync"

	"crypto/md5" //nolint:gosec // Content-MD5 is what Azure keeps; it guards against accidents, not attackers

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/parts"
)

// crc64Table is of the polynomial that Azure's CRC64 and S3's CRC64NVME share.
var crc64Table = sync.OnceValue(func() *crc64.Table { return crc64.MakeTable(0x9A6C9329AC4BC9B5) })

// Put stores content under key. Up to Options.SinglePut it is one Put Blob with
// the MD5 of the body, which the service verifies and keeps. Above, blocks are
// staged, each with a CRC64 that the service verifies, and committed under the
// condition; the blob then has an MD5 only if opts.Checksums has one. Blocks of an
// upload that failed stay invisible, and the service drops them after a week, or
// at the next write to the key.
//
// A request whose answer was lost is sent again: with a condition, the second
// then yields Precondition though the first was carried out.
func (s *Store) Put(ctx context.Context, key string, content store.Content, opts store.PutOptions) (*store.Object, error) {
	if err := s.checkKey("put", key); err != nil {
		return nil, err
	}
	w, err := s.newWrite(key, opts)
	if err != nil {
		return nil, err
	}
	size := content.Size()
	if size <= s.opts.SinglePut {
		return w.whole(ctx, content)
	}
	partSize := parts.PartSize(size, s.opts.BlockSize, maxBlocks)
	if partSize > maxBlockSize {
		return nil, &store.Error{Op: "put", Store: s.name, Key: key, Kind: store.TooLarge, Err: errors.New("a blob has at most 50,000 blocks of 4000 MiB")}
	}
	obj, err := w.blocks(ctx, content, partSize, blockIDLen)
	if bloberror.HasCode(err, bloberror.InvalidBlobOrBlock) {
		// The ids of a blob's uncommitted blocks must be of one length, and
		// somebody's unfinished upload is there with another.
		n, listErr := w.foreignIDLen(ctx)
		if listErr == nil && n != blockIDLen {
			return w.blocks(ctx, content, partSize, n)
		}
	}
	return obj, err
}

// write is one Put.
type write struct {
	*Store
	key     string
	opts    store.PutOptions
	client  *blockblob.Client
	headers *blob.HTTPHeaders
	meta    map[string]*string
}

func (s *Store) newWrite(key string, opts store.PutOptions) (*write, error) {
	headers, meta, err := s.encodeAttrs("put", key, opts.Attrs)
	if err != nil {
		return nil, err
	}
	return &write{s, key, opts, s.block(key), headers, meta}, nil
}

// encodeAttrs turns attrs into headers that the service can hold.
func (s *Store) encodeAttrs(op, key string, a store.Attrs) (*blob.HTTPHeaders, map[string]*string, error) {
	if name := headerFault(map[string]string{
		"Content-Type": a.ContentType, "Cache-Control": a.CacheControl, "Content-Encoding": a.ContentEncoding,
		"Content-Disposition": a.ContentDisposition, "Content-Language": a.ContentLanguage,
	}); name != "" {
		return nil, nil, s.invalid(op, key, "Azure cannot hold this %s: it has characters other than printable ASCII, or blanks at its ends", name)
	}
	meta, err := encodeMetadata(a.Metadata)
	if err != nil {
		return nil, nil, s.invalid(op, key, "%w", err)
	}
	if n := metadataSize(meta); n > maxMetadata {
		return nil, nil, &store.Error{Op: op, Store: s.name, Key: key, Kind: store.TooLarge, Err: fmt.Errorf("%d bytes of metadata as encoded for Azure, which holds %d", n, maxMetadata)}
	}
	var h blob.HTTPHeaders
	for _, f := range []struct {
		to   **string
		from string
	}{
		{&h.BlobContentType, a.ContentType},
		{&h.BlobCacheControl, a.CacheControl},
		{&h.BlobContentEncoding, a.ContentEncoding},
		{&h.BlobContentDisposition, a.ContentDisposition},
		{&h.BlobContentLanguage, a.ContentLanguage},
	} {
		if f.from != "" {
			*f.to = to.Ptr(f.from)
		}
	}
	if h.BlobContentType == nil {
		h.BlobContentType = to.Ptr(defaultType) // what the service would choose
	}
	return &h, meta, nil
}

// defaultType is what a blob without a content type has.
const defaultType = "application/octet-stream"

// whole sends the content in one request.
func (w *write) whole(ctx context.Context, content store.Content) (*store.Object, error) {
	buf, sums, err := parts.Whole(ctx, content, w.opts.Checksums)
	if err != nil {
		return nil, w.classify("put", w.key, err)
	}
	if sums.MD5 == nil {
		sum := md5.Sum(buf) //nolint:gosec // see the import
		sums.MD5 = sum[:]
	}
	resp, err := w.client.Upload(ctx, streaming.NopCloser(bytes.NewReader(buf)), &blockblob.UploadOptions{
		HTTPHeaders:             w.headers,
		Metadata:                w.meta,
		AccessConditions:        conditions(w.opts.If),
		TransactionalValidation: blob.TransferValidationTypeMD5(sums.MD5),
	})
	if err != nil {
		return nil, w.classify("put", w.key, err)
	}
	obj := w.object(int64(len(buf)), resp.ETag, store.Checksums{MD5: sums.MD5})
	obj.ModTime = value(resp.LastModified)
	return obj, nil
}

// blockIDLen is the length of our block ids: 28 random bytes and the number.
const blockIDLen = 32

// minIDLen still leaves 4 random bytes to tell uploads apart.
const minIDLen = 8

// blocks stages the content and commits it.
func (w *write) blocks(ctx context.Context, content store.Content, partSize int64, idLen int) (*store.Object, error) {
	id := make([]byte, idLen)
	_, _ = rand.Read(id) // never fails
	blockID := func(n int) string {
		return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(id[:idLen-4:idLen-4], uint32(n)))
	}
	_, err := w.pool.Upload(ctx, content, partSize, w.Store.opts.Parallel, w.opts.Checksums, func(ctx context.Context, p parts.Part) error {
		return w.stage(ctx, blockID(p.Number), p.Data)
	})
	if err != nil {
		return nil, w.classify("put", w.key, err)
	}
	ids := make([]string, (content.Size()+partSize-1)/partSize)
	for n := range ids {
		ids[n] = blockID(n)
	}
	headers := *w.headers
	headers.BlobContentMD5 = w.opts.Checksums.MD5 // verified by the pool
	resp, err := w.client.CommitBlockList(w.retried(ctx), ids, &blockblob.CommitBlockListOptions{
		HTTPHeaders:      &headers,
		Metadata:         w.meta,
		AccessConditions: conditions(w.opts.If),
	})
	if bloberror.HasCode(err, bloberror.InvalidBlockList) && w.opts.If != (store.Condition{}) {
		// Each commit and each Put Blob discards all uncommitted blocks, also
		// ours: the blob was written meanwhile.
		return nil, &store.Error{Op: "put", Store: w.name, Key: w.key, Kind: store.Precondition, Err: &lostBlocksError{err}}
	}
	if err != nil {
		return nil, w.classify("put", w.key, err)
	}
	obj := w.object(content.Size(), resp.ETag, store.Checksums{MD5: w.opts.Checksums.MD5})
	obj.ModTime = value(resp.LastModified)
	return obj, nil
}

// lostBlocksError says why the service no longer knew the blocks.
type lostBlocksError struct{ err error }

func (e *lostBlocksError) Error() string {
	return "another write discarded the blocks of this one"
}

// Unwrap returns the SDK's error.
func (e *lostBlocksError) Unwrap() error { return e.err }

// stage uploads one block with a checksum that the service verifies.
func (w *write) stage(ctx context.Context, id string, data []byte) error {
	if !w.blockMD5.Load() {
		err := w.stageWith(ctx, id, data, blob.TransferValidationTypeCRC64(crc64.Checksum(data, crc64Table())))
		if !crc64Refused(err) {
			return err
		}
		w.blockMD5.Store(true)
	}
	sum := md5.Sum(data) //nolint:gosec // see the import
	return w.stageWith(ctx, id, data, blob.TransferValidationTypeMD5(sum[:]))
}

func (w *write) stageWith(ctx context.Context, id string, data []byte, check blob.TransferValidationType) error {
	_, err := w.client.StageBlock(w.retried(ctx), id, streaming.NopCloser(bytes.NewReader(data)), &blockblob.StageBlockOptions{TransactionalValidation: check})
	return err
}

// retried is ctx for a request of an upload in blocks. It is for nothing else:
// content that is read with it may be of this service too.
func (w *write) retried(ctx context.Context) context.Context {
	if w.Store.opts.BlockRetry == nil {
		return ctx
	}
	return policy.WithRetryOptions(ctx, *w.Store.opts.BlockRetry)
}

// crc64Refused reports whether the server has no CRC64 (Azurite before 3.36).
func crc64Refused(err error) bool {
	resp, ok := errors.AsType[*azcore.ResponseError](err)
	return ok && (resp.ErrorCode == featureNotSupported || resp.StatusCode == http.StatusNotImplemented)
}

// featureNotSupported is a code that the SDK has no name for.
const featureNotSupported = "FeatureNotSupported"

// foreignIDLen is the length of the ids that uncommitted blocks of the blob have,
// or ours where there are none or theirs are too short for us.
func (w *write) foreignIDLen(ctx context.Context) (int, error) {
	list, err := w.client.GetBlockList(ctx, blockblob.BlockListTypeUncommitted, nil)
	if err != nil {
		return 0, err
	}
	for _, b := range list.UncommittedBlocks {
		if raw, err := base64.StdEncoding.DecodeString(value(b.Name)); err == nil && len(raw) >= minIDLen {
			return len(raw), nil
		}
	}
	return blockIDLen, nil
}

// object is what was stored.
func (w *write) object(size int64, tag *azcore.ETag, sums store.Checksums) *store.Object {
	attrs := w.opts.Attrs
	attrs.ContentType = *w.headers.BlobContentType
	attrs.Metadata = decodeMetadata(w.meta)
	return &store.Object{Key: w.key, Size: size, Version: versionOf(tag), Attrs: attrs, Checksums: sums}
}

// Delete removes the blob and its snapshots (Delete Blob).
func (s *Store) Delete(ctx context.Context, key string, cond store.Condition) error {
	if err := s.checkKey("delete", key); err != nil {
		return err
	}
	if cond.Absent {
		return s.invalid("delete", key, "a delete cannot be bound to there being nothing")
	}
	_, err := s.blob(key).Delete(ctx, &blob.DeleteOptions{
		DeleteSnapshots:  to.Ptr(blob.DeleteSnapshotsOptionTypeInclude),
		AccessConditions: conditions(cond),
	})
	if err == nil || cond.Match == "" && bloberror.HasCode(err, bloberror.BlobNotFound) {
		return nil
	}
	return s.classify("delete", key, err)
}

// UpdateMetadata replaces the user metadata (Set Blob Metadata), in two requests.
// The service has no request that sets metadata and HTTP properties at once:
// where attrs has another Content-Type, Cache-Control, Content-Encoding,
// Content-Disposition or Content-Language than the blob, it yields Kind Invalid
// and changes nothing.
func (s *Store) UpdateMetadata(ctx context.Context, key string, attrs store.Attrs, cond store.Condition) (*store.Object, error) {
	if cond.Absent {
		return nil, s.invalid("update", key, "an update cannot be bound to there being nothing")
	}
	_, meta, err := s.encodeAttrs("update", key, attrs)
	if err != nil {
		return nil, err
	}
	obj, err := s.head(ctx, "update", key, cond.Match)
	if err != nil {
		return nil, err
	}
	want, have := attrs, obj.Attrs
	want.Metadata, have.Metadata = nil, nil
	if want.ContentType == "" {
		want.ContentType = defaultType
	}
	if !sameHeaders(want, have) {
		return nil, s.invalid("update", key, "Azure cannot change HTTP properties and metadata in one step")
	}
	resp, err := s.blob(key).SetMetadata(ctx, meta, &blob.SetMetadataOptions{AccessConditions: matching(obj.Version)})
	if err != nil {
		return nil, s.classify("update", key, err)
	}
	obj.Version, obj.ModTime = versionOf(resp.ETag), value(resp.LastModified)
	obj.Metadata = decodeMetadata(meta)
	return obj, nil
}

func sameHeaders(a, b store.Attrs) bool {
	return a.ContentType == b.ContentType && a.CacheControl == b.CacheControl && a.ContentEncoding == b.ContentEncoding &&
		a.ContentDisposition == b.ContentDisposition && a.ContentLanguage == b.ContentLanguage
}
