//go:build servers

package servertest

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"strings"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"github.com/crossfade-io/crossfade/testutil/servers"
)

// cloud is a server as its own plain SDK sees it.
type cloud interface {
	url(bucket string) string // as crossfade takes it
	create(ctx context.Context, bucket string) error
	put(ctx context.Context, bucket, key string, o object) error
	get(ctx context.Context, bucket, key string) (object, error) // stored bytes, never decoded
	list(ctx context.Context, bucket string) ([]string, error)
	remove(ctx context.Context, bucket, key string) error
}

// object is a body with its attributes.
type object struct {
	body                                                       []byte
	contentType, cacheControl, encoding, disposition, language string
	metadata                                                   map[string]string
}

func newClouds(ctx context.Context, s3URL, gcsURL, azureURL string) (map[string]cloud, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	// The SDK asks for gzip itself only where the caller did not; stored bytes
	// must come back as they are.
	raw := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	gcs, err := storage.NewClient(ctx, option.WithoutAuthentication(), option.WithEndpoint(gcsURL+"/storage/v1/"), option.WithHTTPClient(raw))
	if err != nil {
		return nil, err
	}
	az, err := azblob.NewClientFromConnectionString(servers.AzureConnectionString(azureURL),
		&azblob.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: raw}})
	if err != nil {
		return nil, err
	}
	s3c := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.BaseEndpoint = &s3URL
		o.UsePathStyle = true
		o.HTTPClient = raw
	})
	return map[string]cloud{"s3": s3Cloud{s3c}, "gs": gcsCloud{gcs}, "az": azureCloud{az}}, nil
}

type s3Cloud struct{ c *s3.Client }

func (s3Cloud) url(bucket string) string { return "s3://" + bucket }

func (s s3Cloud) create(ctx context.Context, bucket string) error {
	_, err := s.c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	return err
}

func (s s3Cloud) put(ctx context.Context, bucket, key string, o object) error {
	_, err := s.c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, Body: bytes.NewReader(o.body),
		ContentType: ptr(o.contentType), CacheControl: ptr(o.cacheControl), ContentEncoding: ptr(o.encoding),
		ContentDisposition: ptr(o.disposition), ContentLanguage: ptr(o.language), Metadata: o.metadata,
	})
	return err
}

func (s s3Cloud) get(ctx context.Context, bucket, key string) (object, error) {
	r, err := s.c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return object{}, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return object{
		body: body, contentType: aws.ToString(r.ContentType), cacheControl: aws.ToString(r.CacheControl),
		encoding: aws.ToString(r.ContentEncoding), disposition: aws.ToString(r.ContentDisposition),
		language: aws.ToString(r.ContentLanguage), metadata: fold(r.Metadata),
	}, err
}

func (s s3Cloud) list(ctx context.Context, bucket string) ([]string, error) {
	var keys []string
	pages := s3.NewListObjectsV2Paginator(s.c, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
	}
	return keys, nil
}

func (s s3Cloud) remove(ctx context.Context, bucket, key string) error {
	_, err := s.c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key})
	return err
}

type gcsCloud struct{ c *storage.Client }

func (gcsCloud) url(bucket string) string { return "gs://" + bucket }

func (g gcsCloud) create(ctx context.Context, bucket string) error {
	return g.c.Bucket(bucket).Create(ctx, "project", nil)
}

func (g gcsCloud) put(ctx context.Context, bucket, key string, o object) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := g.c.Bucket(bucket).Object(key).NewWriter(ctx)
	w.ContentType, w.CacheControl, w.ContentEncoding = o.contentType, o.cacheControl, o.encoding
	w.ContentDisposition, w.ContentLanguage, w.Metadata = o.disposition, o.language, o.metadata
	if _, err := w.Write(o.body); err != nil {
		return err
	}
	return w.Close()
}

func (g gcsCloud) get(ctx context.Context, bucket, key string) (object, error) {
	h := g.c.Bucket(bucket).Object(key).ReadCompressed(true)
	a, err := h.Attrs(ctx)
	if err != nil {
		return object{}, err
	}
	r, err := h.NewReader(ctx)
	if err != nil {
		return object{}, err
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	return object{
		body: body, contentType: a.ContentType, cacheControl: a.CacheControl, encoding: a.ContentEncoding,
		disposition: a.ContentDisposition, language: a.ContentLanguage, metadata: fold(a.Metadata),
	}, err
}

func (g gcsCloud) list(ctx context.Context, bucket string) ([]string, error) {
	var keys []string
	it := g.c.Bucket(bucket).Objects(ctx, nil)
	for {
		a, err := it.Next()
		if err == iterator.Done { //nolint:errorlint // a sentinel, never wrapped
			return keys, nil
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, a.Name)
	}
}

func (g gcsCloud) remove(ctx context.Context, bucket, key string) error {
	return g.c.Bucket(bucket).Object(key).Delete(ctx)
}

type azureCloud struct{ c *azblob.Client }

func (azureCloud) url(bucket string) string { return "az://" + bucket }

func (a azureCloud) create(ctx context.Context, bucket string) error {
	_, err := a.c.CreateContainer(ctx, bucket, nil)
	return err
}

func (a azureCloud) put(ctx context.Context, bucket, key string, o object) error {
	metadata := map[string]*string{}
	for k, v := range o.metadata {
		metadata[k] = &v
	}
	_, err := a.c.UploadBuffer(ctx, bucket, key, o.body, &azblob.UploadBufferOptions{
		Metadata: metadata,
		HTTPHeaders: &blob.HTTPHeaders{
			BlobContentType: ptr(o.contentType), BlobCacheControl: ptr(o.cacheControl), BlobContentEncoding: ptr(o.encoding),
			BlobContentDisposition: ptr(o.disposition), BlobContentLanguage: ptr(o.language),
		},
	})
	return err
}

func (a azureCloud) get(ctx context.Context, bucket, key string) (object, error) {
	r, err := a.c.DownloadStream(ctx, bucket, key, nil)
	if err != nil {
		return object{}, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	metadata := map[string]string{}
	for k, v := range r.Metadata {
		metadata[k] = aws.ToString(v)
	}
	return object{
		body: body, contentType: aws.ToString(r.ContentType), cacheControl: aws.ToString(r.CacheControl),
		encoding: aws.ToString(r.ContentEncoding), disposition: aws.ToString(r.ContentDisposition),
		language: aws.ToString(r.ContentLanguage), metadata: fold(metadata),
	}, err
}

func (a azureCloud) list(ctx context.Context, bucket string) ([]string, error) {
	var keys []string
	pages := a.c.NewListBlobsFlatPager(bucket, nil)
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, b := range page.Segment.BlobItems {
			keys = append(keys, aws.ToString(b.Name))
		}
	}
	return keys, nil
}

func (a azureCloud) remove(ctx context.Context, bucket, key string) error {
	_, err := a.c.DeleteBlob(ctx, bucket, key, nil)
	return err
}

func ptr(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// fold returns metadata with names in lower case, as two of the clouds do.
func fold(m map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range maps.All(m) {
		out[strings.ToLower(k)] = v
	}
	return out
}
