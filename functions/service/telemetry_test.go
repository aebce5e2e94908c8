package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/service"
	"github.com/crossfade-io/crossfade/functions/telemetry/trace"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// observed starts a service with one object to copy, has it process the event
// of that, and ends it. It returns the lines of its log.
func observed(t *testing.T, change func(*service.Setup), environ ...string) []map[string]any {
	t.Helper()
	core, closed := cloudsim.NewCore(nil), 0
	source := core.CreateBucket("photos", false)
	core.CreateBucket("copy", false)
	s, out := setup(core, &closed, append(environ, "CROSSFADE_SOURCE=s3://photos", "CROSSFADE_TARGET=gs://copy")...)
	if change != nil {
		change(&s)
	}
	svc, err := service.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Put(cloudsim.NewObject("k", []byte("body")), cloudsim.Origin{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	parent, _ := trace.ParseParent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if v := svc.Processor.Process(trace.With(t.Context(), parent), []functions.Event{{Bucket: "photos", Key: "k", Created: true, Time: time.Now()}}); v[0].Outcome != functions.Ack {
		t.Fatalf("%+v", v)
	}
	if err := svc.Close(); err != nil {
		t.Fatal(err)
	}
	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines = append(lines, m)
	}
	return lines
}

// Without settings the log is all there is.
func TestNotObserved(t *testing.T) {
	t.Parallel()
	if lines := observed(t, nil); len(lines) != 2 || lines[0]["msg"] != "started" || lines[1]["msg"] != "event" {
		t.Errorf("%v", lines)
	}
}

// With CROSSFADE_METRICS=emf each invocation leaves a document in the log.
func TestEMF(t *testing.T) {
	t.Parallel()
	lines := observed(t, nil, "CROSSFADE_METRICS=emf")
	if len(lines) != 3 {
		t.Fatalf("%v", lines)
	}
	doc := lines[2]
	for name, want := range map[string]any{"source": "s3://photos/", "target": "gs://copy/", "Events": 1.0, "ObjectsCopied": 1.0, "BytesCopied": 4.0} {
		if doc[name] != want {
			t.Errorf("%s is %v, want %v, in %v", name, doc[name], want, doc)
		}
	}
	if doc["_aws"] == nil || len(doc["Lag"].([]any)) != 1 {
		t.Errorf("%v", doc)
	}
}

// Cloud Logging's form comes by the platform or the variable, which goes first.
func TestLogFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		platform config.LogFormat
		env      string
		gcp      bool
	}{
		{config.LogGCP, "", true},
		{"", "CROSSFADE_LOG_FORMAT=gcp", true},
		{config.LogGCP, "CROSSFADE_LOG_FORMAT=json", false},
		{"", "", false},
	} {
		line := observed(t, func(s *service.Setup) {
			s.LogFormat = c.platform
			s.Project = func(context.Context) string { return "shop" }
		}, c.env)[1]
		if c.gcp && (line["severity"] != "INFO" || line["message"] != "event" || line["logging.googleapis.com/trace"] != "projects/shop/traces/4bf92f3577b34da6a3ce929d0e0e4736") {
			t.Errorf("%+v: %v", c, line)
		}
		if !c.gcp && (line["level"] != "INFO" || line["msg"] != "event" || line["severity"] != nil) {
			t.Errorf("%+v: %v", c, line)
		}
	}
}

// An endpoint in the environment is enough for metrics and traces to be sent, at
// the latest with the end.
func TestOTLP(t *testing.T) {
	t.Parallel()
	var metrics, spans atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || len(body) == 0 {
			t.Errorf("%d bytes, %v", len(body), err)
		}
		switch r.URL.Path {
		case "/v1/metrics":
			metrics.Add(1)
			for _, name := range []string{"crossfade-test", "crossfade.lag", "crossfade.store.retries", "gs://copy/"} {
				if !strings.Contains(string(body), name) {
					t.Errorf("the metrics lack %s", name)
				}
			}
		case "/v1/traces":
			spans.Add(1)
		}
	}))
	defer server.Close()
	lines := observed(t, func(s *service.Setup) { s.Program = "crossfade-test" }, "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL)
	if metrics.Load() != 1 || spans.Load() != 1 || len(lines) != 2 {
		t.Errorf("%d requests with metrics, %d with spans, %d lines", metrics.Load(), spans.Load(), len(lines))
	}
}

// What is wrong with telemetry is told beside the rest.
func TestTelemetryErrors(t *testing.T) {
	t.Parallel()
	core, closed := cloudsim.NewCore(nil), 0
	s, _ := setup(core, &closed, "CROSSFADE_SOURCE=s3://photos", "OTEL_TRACES_EXPORTER=zipkin")
	_, err := service.Start(t.Context(), s)
	_, mine := errors.AsType[*service.ConfigError](err)
	if !mine || !strings.Contains(err.Error(), "CROSSFADE_TARGET is not set") || !strings.Contains(err.Error(), `OTEL_TRACES_EXPORTER: "zipkin"`) {
		t.Errorf("%v", err)
	}
}
