package main

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

func TestAbortUploads(t *testing.T) {
	t.Parallel()
	now := time.Now()
	core := cloudsim.NewCore(func() time.Time { return now })
	core.CreateBucket("target", false)
	endpoint, stop := cloudsim.Serve(cloudsim.NewS3(core, cloudsim.S3Options{}))
	t.Cleanup(stop)
	client := awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, UsePathStyle: true,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}, nil
		}),
	})
	for i, key := range []string{"p/old", "p/new", "elsewhere"} {
		now = time.Now().Add(-time.Duration(120-90*i) * time.Minute)
		if _, err := client.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: aws.String("target"), Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	left := func() int {
		out, err := client.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: aws.String("target")})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Uploads)
	}
	c := newCLI(t)
	c.put(c.src, "k", "v")
	c.env.openers["s3"] = func(_ context.Context, u *url.URL) (store.Store, error) {
		if u.Host == "source" {
			return c.src, nil
		}
		return s3.New(client, u.Host, strings.Trim(u.Path, "/")+"/", s3.Options{}), nil
	}
	backfill := func(flags ...string) string {
		stdout, _ := c.want(exitDone, append([]string{"backfill", "s3://source", "s3://target/p", "-q"}, flags...)...)
		return stdout
	}
	if backfill("--dry-run"); left() != 3 {
		t.Fatal("aborted unasked")
	}
	if out := backfill("--dry-run", "--abort-uploads=1h"); !strings.HasSuffix(out, "\n1 unfinished uploads on the target to abort\n") || left() != 3 {
		t.Errorf("%d left: %s", left(), out)
	}
	if out := backfill("--abort-uploads=1h"); !strings.HasSuffix(out, "\n1 unfinished uploads on the target aborted\n") || left() != 2 {
		t.Errorf("%d left: %s", left(), out)
	}
	if out := backfill("--abort-uploads=0s", "--json"); !strings.Contains(out, `"uploads_aborted": 1,`) || left() != 1 {
		t.Errorf("%d left: %s", left(), out)
	}
	c.want(exitUsage, "backfill", "s3://source", "s3://target/p", "--abort-uploads=-1s")
	c.want(exitUsage, "backfill", "s3://source", "s3://target/p", "--abort-uploads", "day")
}
