package killtest

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"github.com/crossfade-io/crossfade/testutil/demoapp"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// Bucket is an end of the migration, as its cloud's plain SDK sees it.
type Bucket struct {
	URL string // as crossfade takes it
	App demoapp.Client

	// versions lists what is stored: what changes when a key's object does.
	versions func(ctx context.Context) (map[string]string, error)

	// uploads lists the unfinished uploads, with the server's time; nil where
	// the cloud lists none.
	uploads func(ctx context.Context) (map[string]time.Time, time.Time, error)
}

func transport() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
}

// S3 makes a bucket of an S3 server.
func S3(t testing.TB, url, key, secret, name string) Bucket {
	t.Helper()
	c := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true, HTTPClient: transport(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, nil
		}),
	})
	if _, err := c.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &name}); err != nil {
		if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
			t.Fatal(err)
		}
	}
	return Bucket{
		URL: "s3://" + name,
		App: &demoapp.S3{Client: c, Bucket: name},
		versions: func(ctx context.Context) (map[string]string, error) {
			all := map[string]string{}
			pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &name})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return nil, err
				}
				for _, o := range page.Contents {
					all[aws.ToString(o.Key)] = aws.ToString(o.ETag) + aws.ToTime(o.LastModified).String()
				}
			}
			return all, nil
		},
		uploads: func(ctx context.Context) (map[string]time.Time, time.Time, error) {
			return s3Uploads(ctx, c, url, name)
		},
	}
}

func s3Uploads(ctx context.Context, c *s3.Client, url, bucket string) (map[string]time.Time, time.Time, error) {
	all := map[string]time.Time{}
	in := &s3.ListMultipartUploadsInput{Bucket: &bucket}
	for {
		out, err := c.ListMultipartUploads(ctx, in)
		if err != nil {
			return nil, time.Time{}, err
		}
		for _, u := range out.Uploads {
			all[aws.ToString(u.Key)+" "+aws.ToString(u.UploadId)] = aws.ToTime(u.Initiated)
		}
		if !aws.ToBool(out.IsTruncated) {
			break
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, time.Time{}, err
	}
	res, err := loopback.Client().Do(req)
	if err != nil {
		return nil, time.Time{}, err
	}
	res.Body.Close()
	now, err := http.ParseTime(res.Header.Get("Date"))
	return all, now, err
}

// GCS makes a bucket of a Cloud Storage server.
func GCS(t testing.TB, url, name string) Bucket {
	t.Helper()
	c, err := storage.NewClient(t.Context(), option.WithEndpoint(url+"/storage/v1/"), option.WithoutAuthentication(), option.WithHTTPClient(transport()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) //nolint:errcheck // nothing is left to be written
	b := c.Bucket(name)
	if _, err := b.Attrs(t.Context()); err != nil {
		if err := b.Create(t.Context(), "project", nil); err != nil {
			t.Fatal(err)
		}
	}
	return Bucket{
		URL: "gs://" + name,
		App: &demoapp.GCS{Client: c, Bucket: name},
		versions: func(ctx context.Context) (map[string]string, error) {
			all := map[string]string{}
			it := b.Objects(ctx, nil)
			for {
				o, err := it.Next()
				if errors.Is(err, iterator.Done) {
					return all, nil
				}
				if err != nil {
					return nil, err
				}
				all[o.Name] = o.Etag + o.Updated.String()
			}
		},
	}
}
