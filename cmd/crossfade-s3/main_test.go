package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/functest"
)

func TestMain(m *testing.M) { functest.Main(m, main) }

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
