package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/idsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// The credentials of a role are kept, and renewed before they expire; while a
// renewal fails, those that there are do.
func TestKeylessRefresh(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := idsim.New(t)
	source, target := w.GCS.CreateBucket("photos", false), w.S3.CreateBucket("copy", false)
	var events []cloudsim.GCSEvent
	source.Subscribe(func(c cloudsim.Change) { events = append(events, cloudsim.GCSEvents(c)...) })
	port := functest.FreePort(t)
	p := functest.Start(t, slices.Concat(w.Env(), w.OnGoogle(), []string{
		"PORT=" + port, "LOCAL_ONLY=true", "CROSSFADE_SOURCE=gs://photos", "CROSSFADE_TARGET=s3://copy", "CROSSFADE_AWS_ROLE_ARN=" + idsim.Role, "AWS_MAX_ATTEMPTS=1",
	}))
	if err := p.Listening(ctx, "127.0.0.1:"+port); err != nil {
		t.Fatal(err)
	}
	copied := func(i int) {
		t.Helper()
		key := fmt.Sprint("k", i)
		if _, err := source.Put(cloudsim.NewObject(key, []byte("body")), cloudsim.Origin{Operation: "objects.insert"}, nil, nil); err != nil {
			t.Fatal(err)
		}
		req, err := events[len(events)-1].Request(ctx, "http://127.0.0.1:"+port+"/")
		if err != nil {
			t.Fatal(err)
		}
		res, err := loopback.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != 200 || target.Get(key) == nil {
			t.Errorf("%s: status %d, copied: %v", key, res.StatusCode, target.Get(key) != nil)
		}
	}
	const given = "sts gave credentials"
	copied(0)
	copied(1)
	if n := w.Count(given); n != 1 {
		t.Errorf("%d exchanges for one process", n)
	}

	// Another process, in a world whose credentials last less than the time by
	// which they are renewed early.
	w.Lifetime(time.Minute)
	p.Terminate(t)
	p.Exit(ctx, t)
	port = functest.FreePort(t)
	p = functest.Start(t, slices.Concat(w.Env(), w.OnGoogle(), []string{
		"PORT=" + port, "LOCAL_ONLY=true", "CROSSFADE_SOURCE=gs://photos", "CROSSFADE_TARGET=s3://copy", "CROSSFADE_AWS_ROLE_ARN=" + idsim.Role, "AWS_MAX_ATTEMPTS=1",
	}))
	if err := p.Listening(ctx, "127.0.0.1:"+port); err != nil {
		t.Fatal(err)
	}
	before := w.Count(given)
	copied(2)
	if w.Count(given) == before {
		t.Error("not renewed before they expire")
	}
	w.Refuse("sts", http.StatusServiceUnavailable, "ServiceUnavailable")
	copied(3)
	if w.Count("sts refused") == 0 {
		t.Error("no renewal was tried")
	}
	w.Refuse("", 0, "")
	before = w.Count(given)
	copied(4)
	if w.Count(given) == before {
		t.Error("not renewed again")
	}
	if leak := w.Leak(p.Stderr() + strings.Join(p.Stdout(), "\n")); leak != "" {
		t.Errorf("a secret is logged: %s", leak)
	}
}
