package replicate_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// cloud is one stand-in with an empty bucket and its driver.
type cloud struct {
	store  store.Store
	bucket *cloudsim.Bucket
	rec    *cloudsim.Recorder
	ops    map[string]string // the cloud's words for what a Sync does
	recurs bool
}

func newCloud(t *testing.T, name string) *cloud {
	t.Helper()
	core := cloudsim.NewCore(nil)
	c := &cloud{bucket: core.CreateBucket("bucket", false), rec: &cloudsim.Recorder{}}
	serve := func(face http.Handler) string {
		url, stop := cloudsim.Serve(face)
		t.Cleanup(stop)
		return url
	}
	switch name {
	case "s3":
		url := serve(cloudsim.NewS3(core, cloudsim.S3Options{Recorder: c.rec}))
		c.store = s3.New(awss3.New(awss3.Options{
			Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
			}),
		}), "bucket", "", s3.Options{})
		c.ops = map[string]string{"HeadObject": "head", "GetObject": "get", "PutObject": "put", "DeleteObject": "delete", "CopyObject": "update"}
		c.recurs = true
	case "gcs":
		client, err := gcs.NewClient(t.Context(), gcs.ClientOptions{Endpoint: serve(cloudsim.NewGCS(core, cloudsim.GCSOptions{Recorder: c.rec})), Anonymous: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		c.store = gcs.New(client, "bucket", "", gcs.Options{})
		c.ops = map[string]string{"objects.get": "head", "media.get": "get", "objects.insert": "put", "objects.delete": "delete", "objects.patch": "update"}
	case "azure":
		url := serve(cloudsim.NewAzure(core, cloudsim.AzureOptions{Recorder: c.rec}))
		client, err := container.NewClientFromConnectionString(cloudsim.AzureConnectionString(url, "", ""), "bucket", azblob.ClientOptions())
		if err != nil {
			t.Fatal(err)
		}
		c.store = azblob.New(client, "", azblob.Options{})
		c.ops = map[string]string{"Get Blob Properties": "head", "Get Blob": "get", "Put Blob": "put", "Delete Blob": "delete", "Set Blob Metadata": "update"}
	}
	t.Cleanup(func() { _ = c.store.Close() })
	return c
}

// calls returns the requests since Keep, in our words.
func (c *cloud) calls(end string) (out []string) {
	for _, call := range c.rec.Calls() {
		op, ok := c.ops[call.Op]
		if !ok {
			op = call.Op
		}
		out = append(out, op+" "+end)
	}
	return out
}

// The requests that a Sync really costs, counted where they arrive: through the
// drivers and SDKs, for every pair of clouds.
func TestRequestsOverHTTP(t *testing.T) {
	t.Parallel()
	clouds := []string{"s3", "gcs", "azure"}
	for _, from := range clouds {
		for _, to := range clouds {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				src, dst := newCloud(t, from), newCloud(t, to)
				r, err := replicate.New(src.store, dst.store, replicate.Options{
					SourceID: "source", TargetID: "target", Policy: replicate.Policy{Deletes: true},
				})
				if err != nil {
					t.Fatal(err)
				}
				put := func(body string, meta map[string]string) {
					t.Helper()
					attrs := store.Attrs{ContentType: "text/plain", Metadata: meta}
					if _, err := src.store.Put(t.Context(), "k", store.Bytes(body), store.PutOptions{Attrs: attrs}); err != nil {
						t.Fatal(err)
					}
				}
				step := func(name string, hint replicate.Hint, action replicate.Action, want ...string) {
					t.Helper()
					src.rec.Keep()
					dst.rec.Keep()
					res, err := r.Sync(t.Context(), "k", hint)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if res.Action != action {
						t.Errorf("%s: %v (%s), want %v", name, res.Action, res.Reason, action)
					}
					got := append(src.calls("source"), dst.calls("target")...)
					slices.Sort(got)
					slices.Sort(want)
					if !slices.Equal(got, want) {
						t.Errorf("%s: %d requests (%s), want %d (%s)", name, len(got), strings.Join(got, ", "), len(want), strings.Join(want, ", "))
					}
				}
				put("one", map[string]string{"n": "1"})
				step("new", replicate.HintNew, replicate.Copy, "get source", "put target", "head source")
				step("satisfied", replicate.HintNone, replicate.Skip, "head target", "head source")
				put("two", map[string]string{"n": "1"})
				step("overwritten", replicate.HintNew, replicate.Copy, "head target", "get source", "put target", "head source")
				put("two", map[string]string{"n": "2"})
				// The drivers look at what is there before they replace attributes.
				step("attributes", replicate.HintNone, replicate.UpdateMetadata,
					"head target", "head source", "head target", "update target", "head source")
				step("attributes, once more", replicate.HintNone, replicate.Skip, "head target", "head source")
				if err := src.store.Delete(t.Context(), "k", store.Condition{}); err != nil {
					t.Fatal(err)
				}
				deleted := []string{"head target", "get source", "delete target"}
				if src.recurs || dst.recurs {
					deleted = append(deleted, "head source")
				}
				step("deleted", replicate.HintRemoved, replicate.Delete, deleted...)
				if n := dst.bucket.Len(); n != 0 {
					t.Errorf("%d objects are left", n)
				}
			})
		}
	}
}

// A large object through every pair: in parts, pinned, the same bytes and
// attributes, and found in order afterwards.
func TestLargeOverHTTP(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("crossfade!"), 2_000_003) // 20 MB: several parts everywhere
	clouds := []string{"s3", "gcs", "azure"}
	for _, from := range clouds {
		for _, to := range clouds {
			t.Run(from+" to "+to, func(t *testing.T) {
				src, dst := newCloud(t, from), newCloud(t, to)
				attrs := store.Attrs{ContentType: "video/mp4", CacheControl: "no-cache", Metadata: map[string]string{"title": "Über-Film"}}
				if _, err := src.store.Put(t.Context(), "big", store.Bytes(body), store.PutOptions{Attrs: attrs}); err != nil {
					t.Fatal(err)
				}
				r, err := replicate.New(src.store, dst.store, replicate.Options{SourceID: "source", TargetID: "target"})
				if err != nil {
					t.Fatal(err)
				}
				for i, want := range []replicate.Action{replicate.Copy, replicate.Skip} {
					if res, err := r.Sync(t.Context(), "big", replicate.HintNew); err != nil || res.Action != want {
						t.Fatalf("sync %d: %+v, %v", i, res, err)
					}
				}
				rd, err := dst.store.Open(t.Context(), "big", store.ReadOptions{})
				if err != nil {
					t.Fatal(err)
				}
				defer rd.Body.Close()
				got, err := io.ReadAll(rd.Body)
				if err != nil || !bytes.Equal(got, body) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				if !replicate.SameAttrs(rd.Attrs, attrs) {
					t.Errorf("%+v", rd.Attrs)
				}
				if n := fmt.Sprint(dst.bucket.Len()); n != "1" {
					t.Errorf("%s objects on the target", n)
				}
			})
		}
	}
}
