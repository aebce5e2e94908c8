package demoapp

import (
	"bytes"
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3 is a bucket of an S3 service.
type S3 struct {
	Client *s3.Client
	Bucket string
}

var _ Client = (*S3)(nil)

// Put stores an object.
func (c *S3) Put(ctx context.Context, key string, body []byte, attrs Attrs) error {
	_, err := c.Client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:          &c.Bucket,
		Key:             &key,
		Body:            bytes.NewReader(body),
		ContentLength:   aws.Int64(int64(len(body))),
		ContentType:     optional(attrs.ContentType),
		CacheControl:    optional(attrs.CacheControl),
		ContentEncoding: optional(attrs.ContentEncoding),
		Metadata:        attrs.Metadata,
	})
	return err
}

// Get reads an object.
func (c *S3) Get(ctx context.Context, key string) (Content, error) {
	out, err := c.Client.GetObject(ctx, &s3.GetObjectInput{Bucket: &c.Bucket, Key: &key})
	if _, ok := errors.AsType[*types.NoSuchKey](err); ok {
		return Content{}, ErrAbsent
	}
	if err != nil {
		return Content{}, err
	}
	sum, size, err := digest(out.Body)
	return Content{SHA256: sum, Size: size, Attrs: Attrs{
		ContentType:     aws.ToString(out.ContentType),
		CacheControl:    aws.ToString(out.CacheControl),
		ContentEncoding: aws.ToString(out.ContentEncoding),
		Metadata:        metadataOf(out.Metadata),
	}}, err
}

// Delete removes an object.
func (c *S3) Delete(ctx context.Context, key string) error {
	_, err := c.Client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &c.Bucket, Key: &key})
	return err
}

// List lists all keys.
func (c *S3) List(ctx context.Context, yield func(key string) bool) error {
	pages := s3.NewListObjectsV2Paginator(c.Client, &s3.ListObjectsV2Input{Bucket: &c.Bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, o := range page.Contents {
			if !yield(aws.ToString(o.Key)) {
				return nil
			}
		}
	}
	return nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
