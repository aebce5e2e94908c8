package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/service"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// closing counts the stores that were closed.
type closing struct {
	store.Store
	closed *int
	err    error
}

func (c closing) Close() error    { *c.closed++; return c.err }
func (c closing) UniqueVersions() {}

// setup is of a function on memory stores, with this environment.
func setup(core *cloudsim.Core, closed *int, environ ...string) (service.Setup, *bytes.Buffer) {
	var out bytes.Buffer
	open := func(_ context.Context, u *url.URL) (store.Store, error) {
		b := core.Bucket(u.Host)
		if b == nil {
			return nil, errors.New("no such bucket")
		}
		return closing{Store: memstore.New(b), closed: closed}, nil
	}
	return service.Setup{
		Version: "v1", Scheme: "s3", Openers: config.Openers{"s3": open, "gs": open},
		Environ: environ, Out: &out, Now: time.Now,
		Lookup: func(name string) (string, bool) {
			for _, e := range environ {
				if n, v, _ := strings.Cut(e, "="); n == name {
					return v, true
				}
			}
			return "", false
		},
		Timeout: time.Minute,
	}, &out
}

func TestStart(t *testing.T) {
	t.Parallel()
	core, closed := cloudsim.NewCore(nil), 0
	source := core.CreateBucket("photos", false)
	target := core.CreateBucket("copy", false)
	s, out := setup(core, &closed, "CROSSFADE_SOURCE=s3://photos", "CROSSFADE_TARGET=gs://copy", "CROSSFADE_DELETES=false")
	svc, err := service.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var started map[string]any
	if err := json.Unmarshal(out.Bytes(), &started); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, want := range map[string]any{"crossfade": "v1", "source": "s3://photos/", "target": "gs://copy/", "deletes": false, "foreign": "keep", "timeout": "1m0s"} {
		if started[name] != want {
			t.Errorf("started: %s is %v, want %v", name, started[name], want)
		}
	}
	event := functions.Event{Bucket: "photos", Key: "k", Created: true}
	if _, err := source.Put(cloudsim.NewObject("k", []byte("body")), cloudsim.Origin{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if v := svc.Processor.Process(t.Context(), []functions.Event{event}); v[0].Outcome != functions.Ack || target.Get("k") == nil {
		t.Errorf("%+v", v)
	}
	// The policy of the environment reaches the Sync.
	if _, _, err := source.Delete("k", cloudsim.Origin{}, false, nil); err != nil {
		t.Fatal(err)
	}
	if v := svc.Processor.Process(t.Context(), []functions.Event{event}); v[0].Outcome != functions.Ack || target.Get("k") == nil {
		t.Errorf("with CROSSFADE_DELETES=false: %+v, object %v", v, target.Get("k"))
	}
	if err := svc.Close(); err != nil || closed != 2 {
		t.Errorf("%d stores closed, %v", closed, err)
	}
}

// A log level above leaves the line out.
func TestLogLevel(t *testing.T) {
	t.Parallel()
	core, closed := cloudsim.NewCore(nil), 0
	core.CreateBucket("photos", false)
	core.CreateBucket("copy", false)
	s, out := setup(core, &closed, "CROSSFADE_SOURCE=s3://photos", "CROSSFADE_TARGET=gs://copy", "CROSSFADE_LOG_LEVEL=warn")
	if _, err := service.Start(t.Context(), s); err != nil || out.Len() > 0 {
		t.Errorf("%v, %q", err, out)
	}
}

// What fails names its variable, and leaves no store open.
func TestStartFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, source, target string
		want                 string
		code, closed         int
	}{
		{"unset", "", "gs://copy", "CROSSFADE_SOURCE is not set", 2, 0},
		{"another cloud's", "gs://copy", "s3://photos", "CROSSFADE_SOURCE is gs://copy/", 2, 0},
		{"no source", "s3://absent", "gs://copy", "CROSSFADE_SOURCE: opening s3://absent/", 1, 1},
		{"no target", "s3://photos", "gs://absent", "CROSSFADE_TARGET: opening gs://absent/", 1, 1},
		{"no driver", "s3://photos", "az://copy", "CROSSFADE_TARGET: az://copy/: this program is built without", 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			core, closed := cloudsim.NewCore(nil), 0
			core.CreateBucket("photos", false)
			core.CreateBucket("copy", false)
			s, _ := setup(core, &closed, "CROSSFADE_SOURCE="+c.source, "CROSSFADE_TARGET="+c.target)
			_, err := service.Start(t.Context(), s)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			var stderr bytes.Buffer
			if code := service.Exit(&stderr, "prog", err); code != c.code || !strings.HasPrefix(stderr.String(), "prog: ") {
				t.Errorf("exit code %d, want %d; %q", code, c.code, stderr.String())
			}
			if closed != c.closed {
				t.Errorf("%d stores closed, want %d", closed, c.closed)
			}
		})
	}
}

// Each line of several errors is told as one.
func TestExitLines(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	code := service.Exit(&b, "prog", &service.ConfigError{Err: errors.Join(errors.New("one"), errors.New("two"))})
	if code != 2 || b.String() != "prog: one\nprog: two\n" {
		t.Errorf("%d, %q", code, b.String())
	}
}

// Only a function on Lambda sends dead letters itself.
func TestDeadLetterIsOfLambda(t *testing.T) {
	t.Parallel()
	core, closed := cloudsim.NewCore(nil), 0
	core.CreateBucket("photos", false)
	core.CreateBucket("copy", false)
	s, _ := setup(core, &closed, "CROSSFADE_SOURCE=s3://photos", "CROSSFADE_TARGET=gs://copy", "CROSSFADE_DEAD_LETTER=https://sqs.eu-central-1.amazonaws.com/123456789012/dead")
	svc, err := service.Start(t.Context(), s)
	if err != nil || svc.Config.DeadLetter != "https://sqs.eu-central-1.amazonaws.com/123456789012/dead" {
		t.Fatalf("%+v, %v", svc, err)
	}
	s, _ = setup(core, &closed, "CROSSFADE_SOURCE=gs://copy", "CROSSFADE_TARGET=s3://photos", "CROSSFADE_DEAD_LETTER=https://sqs.eu-central-1.amazonaws.com/123456789012/dead")
	s.Scheme = "gs"
	if _, err := service.Start(t.Context(), s); err == nil || !strings.Contains(err.Error(), "CROSSFADE_DEAD_LETTER is for messages that Lambda takes") {
		t.Error(err)
	}
}
