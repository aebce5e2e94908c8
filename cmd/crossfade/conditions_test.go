package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// TestServerWithoutConditions: a server that ignores conditions is named in one
// line, is not written to by a dry run, and is filled all the same.
func TestServerWithoutConditions(t *testing.T) {
	c := newClouds(t, cloudsim.AzureOptions{})
	face := cloudsim.NewS3(c.cores["s3"], cloudsim.S3Options{})
	var writes atomic.Int64
	t.Setenv("AWS_ENDPOINT_URL_S3", c.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			writes.Add(1)
			r.Header.Del("If-Match")
		}
		face.ServeHTTP(w, r)
	})))
	want := c.seed("gs://bucket")

	const says = "ignored=\"If-Match on writes, If-Match on deletes\""
	if _, stderr := c.want(exitDone, "backfill", "gs://bucket", "s3://bucket", "--dry-run"); writes.Load() > 0 || strings.Contains(stderr, says) {
		t.Errorf("a dry run made %d writes: %s", writes.Load(), stderr)
	}
	for _, args := range [][]string{{"backfill", "gs://bucket", "s3://bucket"}, {"sync", "gs://bucket", "s3://bucket", "empty"}} {
		if _, stderr := c.want(exitDone, args...); strings.Count(stderr, says) != 1 {
			t.Errorf("%s: no word of conditions: %s", args[0], stderr)
		}
	}
	if got := c.bodies("s3://bucket"); len(got) != len(want) {
		t.Errorf("%d objects on the target, want %d", len(got), len(want))
	}
	// The face itself honours all conditions: nothing is to be said.
	t.Setenv("AWS_ENDPOINT_URL_S3", c.serve(face))
	if _, stderr := c.want(exitDone, "backfill", "gs://bucket", "s3://bucket"); strings.Contains(stderr, "conditions") {
		t.Errorf("a warning without reason: %s", stderr)
	}
}
