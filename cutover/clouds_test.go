package cutover

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// overHTTP serves a side by a stand-in of its cloud, with the driver and SDK in
// front of it.
func overHTTP(t *testing.T, s *sides, cloud string, rec *cloudsim.Recorder) store.Store {
	t.Helper()
	core := cloudsim.NewCore(s.clock)
	core.CreateBucket("bucket", false)
	serve := func(face http.Handler) string {
		url, stop := cloudsim.Serve(face)
		t.Cleanup(stop)
		return url
	}
	if cloud == "gcs" {
		client, err := gcs.NewClient(t.Context(), gcs.ClientOptions{Endpoint: serve(cloudsim.NewGCS(core, cloudsim.GCSOptions{Recorder: rec})), Anonymous: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		return gcs.New(client, "bucket", "", gcs.Options{})
	}
	url := serve(cloudsim.NewS3(core, cloudsim.S3Options{Recorder: rec}))
	return s3.New(awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
		}),
	}), "bucket", "", s3.Options{})
}

// Comparison, sweep and resolve with what clouds really tell: listings without
// attributes, times in seconds, versions that recur.
func TestOverHTTP(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{"s3", "gcs"}, {"gcs", "s3"}} {
		t.Run(pair[0]+" to "+pair[1], func(t *testing.T) {
			t.Parallel()
			s, ctx := newSides(t), t.Context()
			var recs [2]cloudsim.Recorder
			src, dst := overHTTP(t, s, pair[0], &recs[0]), overHTTP(t, s, pair[1], &recs[1])
			s.e.o.Source, s.e.o.Target = src, dst
			st := s.state(following())
			for i := range 40 {
				s.put(src, fmt.Sprintf("k//%02d \u00e9", i), fmt.Sprint(i))
			}
			if got, err := s.comparer(st).Full(ctx); err != nil || got.Repaired != 40 || wrong(got) != 0 {
				t.Fatalf("%+v, %v", got, err)
			}
			recs[0].Keep()
			recs[1].Keep()
			if got, err := s.comparer(st).Full(ctx); err != nil || got.Repaired != 0 || got.Equal != 40 {
				t.Fatalf("%+v, %v", got, err)
			}
			// S3 as the source needs nothing but the two listings.
			if calls := len(recs[0].Calls()) + len(recs[1].Calls()); pair[0] == "s3" && calls != 2 {
				t.Errorf("%d requests: %v, %v", calls, recs[0].Counts(), recs[1].Counts())
			}
			s.turnedOver(src, dst, "freeze", func() {
				s.put(src, "dropped", "v1")
				s.put(src, "freeze", "v1")
				s.carry(control.Forward, "freeze")
			})
			key := "k//07 \u00e9"
			s.remove(dst, key, "freeze")
			s.carry(control.Reverse, key)
			s.straggle(control.Forward, key, "an older one")
			s.straggle(control.Forward, "freeze", "v1") // the very bytes: on S3 the same version
			s.carry(control.Reverse, "freeze")
			s.put(dst, "rewritten", "v2")
			s.carry(control.Reverse, "rewritten")
			s.remove(dst, "rewritten")
			s.straggle(control.Forward, "rewritten", "v1")
			s.put(dst, "k//08 \u00e9", "the application's")
			s.put(src, "k//09 \u00e9", "late")
			got, err := s.e.Sweep(ctx)
			if err != nil || got.Repaired != 1 || got.Undone != 3 || got.Failed != 0 {
				t.Fatalf("%+v, %v", got, err)
			}
			for key, want := range map[string]string{key: "", "rewritten": "", "freeze": "", "dropped": "v1", "k//08 \u00e9": "the application's", "k//09 \u00e9": "9"} {
				if b, _ := s.body(dst, key); b != want {
					t.Errorf("%q: %q, want %q", key, b, want)
				}
			}
			s.carry(control.Reverse, "rewritten", "freeze")
			if _, err := s.e.Resolve(ctx, s.late()["k//09 \u00e9"].ID, Apply); err != nil {
				t.Fatal(err)
			}
			for _, side := range []store.Store{src, dst} {
				if b, _ := s.body(side, "k//09 \u00e9"); b != "late" {
					t.Errorf("resolved: %q", b)
				}
			}
			held, err := s.docs.Load(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.comparer(held.State).Full(ctx); err != nil || wrong(got) != 0 {
				t.Errorf("afterwards: %+v, %v", got, err)
			}
		})
	}
}
