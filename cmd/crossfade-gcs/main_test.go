package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

func TestMain(m *testing.M) { functest.Main(m, main) }

// The framework's own server, called as Eventarc calls it, follows a GCS bucket
// into S3; FUNCTION_TARGET is set on the platform and unset elsewhere.
func TestFramework(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"", "Crossfade"} {
		t.Run("FUNCTION_TARGET="+entry, func(t *testing.T) {
			t.Parallel()
			framework(t, entry)
		})
	}
}

func framework(t *testing.T, entry string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	clouds := functest.NewClouds(t)
	source := clouds.GCS.CreateBucket("photos", false)
	target := clouds.S3.CreateBucket("photos-copy", false)
	var events []cloudsim.GCSEvent
	source.Subscribe(func(c cloudsim.Change) { events = append(events, cloudsim.GCSEvents(c)...) })

	port := functest.FreePort(t)
	p := functest.Start(t, append(clouds.Env(t), "PORT="+port, "LOCAL_ONLY=true", "FUNCTION_TARGET="+entry,
		"CROSSFADE_SOURCE=gs://photos", "CROSSFADE_TARGET=s3://photos-copy"))
	addr := "127.0.0.1:" + port
	if err := p.Listening(ctx, addr); err != nil {
		t.Fatal(err)
	}
	deliver := func(e cloudsim.GCSEvent) int {
		req, err := e.Request(ctx, "http://"+addr+"/")
		if err != nil {
			t.Fatal(err)
		}
		res, err := loopback.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	for i, key := range []string{"a b+c.png", "ü/😀", "a b+c.png", "100%"} {
		o := cloudsim.NewObject(key, fmt.Appendf(nil, "%s %d", key, i))
		o.ContentType = "image/png"
		if _, err := source.Put(o, cloudsim.Origin{Operation: "objects.insert"}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	// The events of an overwrite come in any order: the delete of the old
	// generation must not delete the new object.
	for i := len(events) - 1; i >= 0; i-- {
		if status := deliver(events[i]); status != 200 {
			t.Errorf("%s of %q: status %d", events[i].Type, events[i].Attributes["ce-subject"], status)
		}
	}
	if len(events) != 5 {
		t.Errorf("%d events", len(events))
	}
	for key, body := range map[string]string{"a b+c.png": "a b+c.png 2", "ü/😀": "ü/😀 1", "100%": "100% 3"} {
		if o := target.Get(key); o == nil || string(o.Body) != body || o.ContentType != "image/png" {
			t.Errorf("%q on the target: %+v", key, o)
		}
	}
	if _, _, err := source.Delete("ü/😀", cloudsim.Origin{Operation: "objects.delete"}, false, nil); err != nil {
		t.Fatal(err)
	}
	if status := deliver(events[len(events)-1]); status != 200 || target.Get("ü/😀") != nil || target.Len() != 2 {
		t.Errorf("delete: status %d, %d objects left", status, target.Len())
	}

	alien := events[0]
	alien.Data = bytes.ReplaceAll(alien.Data, []byte(`"photos"`), []byte(`"other"`))
	if status := deliver(alien); status != 400 {
		t.Errorf("another bucket: status %d", status)
	}
	p.Logged(ctx, t, `"msg":"event"`, 7)
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	clouds := functest.NewClouds(t)
	clouds.GCS.CreateBucket("photos", false)
	clouds.S3.CreateBucket("copy", false)
	for _, c := range []struct {
		name string
		env  []string
		code int
		want string
	}{
		{"nothing set", nil, 2, "CROSSFADE_TARGET is not set"},
		{"source of another cloud", []string{"CROSSFADE_SOURCE=s3://copy", "CROSSFADE_TARGET=gs://photos"}, 2, "this function gets the events of gs:// stores"},
		{"no such bucket", []string{"CROSSFADE_SOURCE=gs://photos", "CROSSFADE_TARGET=s3://absent"}, 1, "CROSSFADE_TARGET: checking s3://absent/"},
		{"no such port", []string{"CROSSFADE_SOURCE=gs://photos", "CROSSFADE_TARGET=s3://copy", "LOCAL_ONLY=true", "PORT=99999"}, 1, "crossfade-gcs: listen tcp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			p := functest.Start(t, append(clouds.Env(t), c.env...))
			if code := p.Exit(ctx, t); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if !strings.Contains(p.Stderr(), c.want) {
				t.Errorf("standard error %q, want %q", p.Stderr(), c.want)
			}
		})
	}
}

func TestRequestTimeout(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{"": 5 * time.Minute, "540": 9 * time.Minute, "x": 5 * time.Minute, "-1": 5 * time.Minute} {
		if got := requestTimeout(func(string) (string, bool) { return value, value != "" }); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if code := run(t.Context(), []string{"--version"}, nil, nil, &out, io.Discard); code != 0 || out.String() != "crossfade-gcs dev\n" {
		t.Errorf("%d, %q", code, out.String())
	}
}
