package demoapp

import (
	"context"
	"errors"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
)

// GCS is a bucket of Google Cloud Storage.
type GCS struct {
	Client *storage.Client
	Bucket string
}

var _ Client = (*GCS)(nil)

func (c *GCS) object(key string) *storage.ObjectHandle {
	return c.Client.Bucket(c.Bucket).Object(key)
}

// Put stores an object.
func (c *GCS) Put(ctx context.Context, key string, body []byte, attrs Attrs) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // after Close, or instead of it
	w := c.object(key).Retryer(storage.WithPolicy(storage.RetryAlways)).NewWriter(ctx)
	w.ContentType, w.CacheControl, w.ContentEncoding = attrs.ContentType, attrs.CacheControl, attrs.ContentEncoding
	w.Metadata = attrs.Metadata
	// The writer allocates a whole chunk; the default is 16 MiB.
	w.ChunkSize = min(len(body)+googleapi.MinUploadChunkSize, googleapi.DefaultUploadChunkSize)
	if _, err := w.Write(body); err != nil {
		return err
	}
	return w.Close()
}

// Get reads an object, as it is stored. That takes two requests, the second for
// just the first's generation: a reader's own attributes have the Cache-Control
// that the service answers, also where the object has none.
func (c *GCS) Get(ctx context.Context, key string) (Content, error) {
	attrs, err := c.object(key).Attrs(ctx)
	if errors.Is(err, storage.ErrObjectNotExist) {
		return Content{}, ErrAbsent
	}
	if err != nil {
		return Content{}, err
	}
	r, err := c.object(key).Generation(attrs.Generation).ReadCompressed(true).NewReader(ctx)
	if err != nil {
		return Content{}, err
	}
	sum, size, err := digest(r)
	return Content{SHA256: sum, Size: size, Attrs: Attrs{
		ContentType:     attrs.ContentType,
		CacheControl:    attrs.CacheControl,
		ContentEncoding: attrs.ContentEncoding,
		Metadata:        metadataOf(attrs.Metadata),
	}}, err
}

// Delete removes an object.
func (c *GCS) Delete(ctx context.Context, key string) error {
	err := c.object(key).Retryer(storage.WithPolicy(storage.RetryAlways)).Delete(ctx)
	if errors.Is(err, storage.ErrObjectNotExist) {
		return ErrAbsent
	}
	return err
}

// List lists all keys.
func (c *GCS) List(ctx context.Context, yield func(key string) bool) error {
	it := c.Client.Bucket(c.Bucket).Objects(ctx, nil)
	for {
		o, err := it.Next()
		if errors.Is(err, iterator.Done) {
			return nil
		}
		if err != nil {
			return err
		}
		if !yield(o.Name) {
			return nil
		}
	}
}
