package demoapp

import (
	"bytes"
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// Azure is a container of Azure Blob Storage. Its client's transport must not
// decompress, as the default one does.
type Azure struct {
	Client *container.Client
}

var _ Client = (*Azure)(nil)

// Put stores a blob.
func (c *Azure) Put(ctx context.Context, key string, body []byte, attrs Attrs) error {
	metadata := make(map[string]*string, len(attrs.Metadata))
	for name, value := range attrs.Metadata {
		metadata[name] = &value
	}
	_, err := c.Client.NewBlockBlobClient(key).Upload(ctx, streaming.NopCloser(bytes.NewReader(body)), &blockblob.UploadOptions{
		HTTPHeaders: &blob.HTTPHeaders{
			BlobContentType:     optional(attrs.ContentType),
			BlobCacheControl:    optional(attrs.CacheControl),
			BlobContentEncoding: optional(attrs.ContentEncoding),
		},
		Metadata: metadata,
	})
	return err
}

// Get reads a blob.
func (c *Azure) Get(ctx context.Context, key string) (Content, error) {
	out, err := c.Client.NewBlobClient(key).DownloadStream(ctx, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound) {
		return Content{}, ErrAbsent
	}
	if err != nil {
		return Content{}, err
	}
	metadata := make(map[string]string, len(out.Metadata))
	for name, value := range out.Metadata {
		metadata[name] = deref(value)
	}
	sum, size, err := digest(out.Body)
	return Content{SHA256: sum, Size: size, Attrs: Attrs{
		ContentType:     deref(out.ContentType),
		CacheControl:    deref(out.CacheControl),
		ContentEncoding: deref(out.ContentEncoding),
		Metadata:        metadataOf(metadata),
	}}, err
}

// Delete removes a blob.
func (c *Azure) Delete(ctx context.Context, key string) error {
	_, err := c.Client.NewBlobClient(key).Delete(ctx, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound) {
		return ErrAbsent
	}
	return err
}

// List lists all keys.
func (c *Azure) List(ctx context.Context, yield func(key string) bool) error {
	pages := c.Client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		if page.Segment == nil {
			continue
		}
		for _, b := range page.Segment.BlobItems {
			if !yield(deref(b.Name)) {
				return nil
			}
		}
	}
	return nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
