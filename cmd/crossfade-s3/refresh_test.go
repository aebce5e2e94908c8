package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/idsim"
	"github.com/crossfade-io/crossfade/testutil/lambdaapi"
)

// The token of Google is kept, and renewed before it expires, aside of the
// requests: one that is about to expire still does for them.
func TestKeylessRefresh(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := idsim.New(t)
	source, target := w.S3.CreateBucket("photos", false), w.GCS.CreateBucket("copy", false)
	var doc []byte
	source.Subscribe(func(c cloudsim.Change) { doc, _ = cloudsim.S3Notification(c) })
	function := lambdaapi.New(lambdaapi.Options{})
	api := function.NewEnvironment()
	t.Cleanup(api.Close)
	w.Lifetime(time.Minute) // less than the time by which tokens are renewed early
	functest.Start(t, slices.Concat(w.Env(), w.OnAWS(), api.Env(), []string{"CROSSFADE_SOURCE=s3://photos", "CROSSFADE_TARGET=gs://copy", "CROSSFADE_GCP_AUDIENCE=" + idsim.Provider}))
	keys := 0
	copied := func() {
		t.Helper()
		key := fmt.Sprint("k", keys)
		keys++
		if _, err := source.Put(cloudsim.NewObject(key, []byte("body")), cloudsim.Origin{Operation: "PutObject"}, nil, nil); err != nil {
			t.Fatal(err)
		}
		if answer, err := function.Invoke(ctx, doc); err != nil || answer.Failed || target.Get(key) == nil {
			t.Fatalf("%s: %s, %v", key, answer.Payload, err)
		}
	}
	until := func(call string, n int) {
		t.Helper()
		for w.Count(call) < n {
			if copied(); ctx.Err() != nil {
				t.Fatalf("%q: %d, want %d", call, w.Count(call), n)
			}
		}
	}
	until("exchange gave", 3)
	w.Refuse("exchange", http.StatusServiceUnavailable, "unavailable")
	until("exchange refused", 1)
	for range 3 {
		copied()
	}
}
