package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
)

func TestMain(m *testing.M) { functest.Main(m, main) }

// The bootstrap, run by Lambda's own protocol, follows an S3 bucket into GCS.
func TestBootstrap(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	clouds := functest.NewClouds(t)
	source := clouds.S3.CreateBucket("photos", false)
	target := clouds.GCS.CreateBucket("photos-copy", false)
	var docs [][]byte
	source.Subscribe(func(c cloudsim.Change) {
		if doc, ok := cloudsim.S3Notification(c); ok {
			docs = append(docs, doc)
		}
	})
	api := functest.NewLambda(t, 30*time.Second)
	p := functest.Start(t, append(clouds.Env(t),
		"AWS_LAMBDA_RUNTIME_API="+api.Addr(), "CROSSFADE_SOURCE=s3://photos/in", "CROSSFADE_TARGET=gs://photos-copy/2026"))

	put := func(key, body string) {
		o := cloudsim.NewObject(key, []byte(body))
		o.ContentType, o.ETag = "image/png", fmt.Sprintf("%x", o.MD5)
		if _, err := source.Put(o, cloudsim.Origin{Operation: "PutObject"}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	put("in/a b+c.png", "one")
	put("in/gone", "two")
	put("out/x", "three")
	if body, failed := api.Invoke(ctx, t, sqs(t, docs...)); failed || string(body) != `{"batchItemFailures":[]}` {
		t.Errorf("batch: failed %v, %s", failed, body)
	}
	if o := target.Get("2026/a b+c.png"); o == nil || string(o.Body) != "one" || o.ContentType != "image/png" {
		t.Errorf("on the target: %+v", o)
	}
	if target.Len() != 2 {
		t.Errorf("%d objects on the target", target.Len())
	}

	// Directly, a delete.
	if _, _, err := source.Delete("in/gone", cloudsim.Origin{Operation: "DeleteObject"}, false, nil); err != nil {
		t.Fatal(err)
	}
	if body, failed := api.Invoke(ctx, t, docs[len(docs)-1]); failed || string(body) != "null" {
		t.Errorf("direct: failed %v, %s", failed, body)
	}
	if target.Get("2026/gone") != nil {
		t.Error("not deleted")
	}

	// An event of another bucket is nothing to this function.
	alien := bytes.ReplaceAll(docs[0], []byte(`"photos"`), []byte(`"other"`))
	if body, failed := api.Invoke(ctx, t, alien); !failed || !strings.Contains(string(body), "dead-letter: another bucket") {
		t.Errorf("another bucket: failed %v, %s", failed, body)
	}
	if body, failed := api.Invoke(ctx, t, sqs(t, alien, docs[0])); failed || string(body) != `{"batchItemFailures":[{"itemIdentifier":"m0"}]}` {
		t.Errorf("another bucket in a batch: failed %v, %s", failed, body)
	}
	for _, line := range p.Logged(ctx, t, `"msg":"event"`, 7) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not a JSON line: %s", line)
		}
	}
}

// sqs wraps notifications as the event source mapping of a queue does.
func sqs(t *testing.T, docs ...[]byte) []byte {
	type record struct {
		ID     string            `json:"messageId"`
		Body   string            `json:"body"`
		Source string            `json:"eventSource"`
		Attrs  map[string]string `json:"attributes"`
	}
	var batch struct{ Records []record }
	for i, doc := range docs {
		batch.Records = append(batch.Records, record{fmt.Sprint("m", i), string(doc), "aws:sqs", map[string]string{"ApproximateReceiveCount": "1"}})
	}
	b, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is wrong stops the start with a line that says what to do: exit code 2
// for the configuration, 1 for what the clouds refuse.
func TestStartFails(t *testing.T) {
	t.Parallel()
	clouds := functest.NewClouds(t)
	clouds.S3.CreateBucket("photos", false)
	clouds.GCS.CreateBucket("copy", false)
	for _, c := range []struct {
		name string
		env  []string
		code int
		want string
	}{
		{"not on Lambda", nil, 2, "AWS_LAMBDA_RUNTIME_API is not set"},
		{"nothing set", []string{"AWS_LAMBDA_RUNTIME_API=127.0.0.1:1"}, 2, "CROSSFADE_SOURCE is not set"},
		{"wrong value", []string{"AWS_LAMBDA_RUNTIME_API=127.0.0.1:1", "CROSSFADE_SOURCE=s3://photos", "CROSSFADE_TARGET=gs://copy", "CROSSFADE_FOREIGN=yes"}, 2, `CROSSFADE_FOREIGN: "yes"`},
		{"source of another cloud", []string{"AWS_LAMBDA_RUNTIME_API=127.0.0.1:1", "CROSSFADE_SOURCE=gs://copy", "CROSSFADE_TARGET=s3://photos"}, 2, "this function gets the events of s3:// stores"},
		{"no such source", []string{"AWS_LAMBDA_RUNTIME_API=127.0.0.1:1", "CROSSFADE_SOURCE=s3://absent", "CROSSFADE_TARGET=gs://copy"}, 1, "CROSSFADE_SOURCE: checking s3://absent/"},
		{"no such target", []string{"AWS_LAMBDA_RUNTIME_API=127.0.0.1:1", "CROSSFADE_SOURCE=s3://photos", "CROSSFADE_TARGET=gs://absent"}, 1, "CROSSFADE_TARGET: checking gs://absent/"},
		{"a directory", []string{"AWS_LAMBDA_RUNTIME_API=127.0.0.1:1", "CROSSFADE_SOURCE=s3://photos", "CROSSFADE_TARGET=file:///tmp"}, 2, "without the file driver"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			p := functest.Start(t, append(clouds.Env(t), c.env...))
			if code := p.Exit(ctx, t); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			stderr := p.Stderr()
			if !strings.Contains(stderr, c.want) || !strings.HasPrefix(stderr, "crossfade-s3: ") {
				t.Errorf("standard error %q, want %q", stderr, c.want)
			}
			for line := range strings.Lines(stderr) {
				if !strings.HasPrefix(line, "crossfade-s3: ") {
					t.Errorf("line %q", line)
				}
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if code := run(t.Context(), []string{"--version"}, nil, nil, &out, io.Discard); code != 0 || out.String() != "crossfade-s3 dev\n" {
		t.Errorf("%d, %q", code, out.String())
	}
}
