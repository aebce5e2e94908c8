package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// On Cloud Run the log has Cloud Logging's form, with the trace of the delivery,
// and what telemetry is left goes out when the instance is told to end.
func TestCloudRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var metrics, spans atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/metrics":
			metrics.Add(1)
		case "/v1/traces":
			spans.Add(1)
		}
	}))
	defer collector.Close()
	clouds := functest.NewClouds(t)
	source := clouds.GCS.CreateBucket("photos", false)
	clouds.S3.CreateBucket("photos-copy", false)
	var events []cloudsim.GCSEvent
	source.Subscribe(func(c cloudsim.Change) { events = append(events, cloudsim.GCSEvents(c)...) })
	if _, err := source.Put(cloudsim.NewObject("k", []byte("body")), cloudsim.Origin{Operation: "objects.insert"}, nil, nil); err != nil {
		t.Fatal(err)
	}

	port := functest.FreePort(t)
	p := functest.Start(t, append(clouds.Env(t), "PORT="+port, "LOCAL_ONLY=true", "K_SERVICE=crossfade", "GOOGLE_CLOUD_PROJECT=shop",
		"OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "CROSSFADE_SOURCE=gs://photos", "CROSSFADE_TARGET=s3://photos-copy"))
	if err := p.Listening(ctx, "127.0.0.1:"+port); err != nil {
		t.Fatal(err)
	}
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	req, err := events[0].Request(ctx, "http://127.0.0.1:"+port+"/")
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Cloud-Trace-Context", id+"/67667974448284343;o=1")
	res, err := loopback.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	line := p.Logged(ctx, t, `"message":"event"`, 1)[0]
	for _, part := range []string{`"severity":"INFO"`, fmt.Sprintf(`"logging.googleapis.com/trace":"projects/shop/traces/%s"`, id), `"logging.googleapis.com/trace_sampled":true`, `"action":"copy"`} {
		if !strings.Contains(line, part) {
			t.Errorf("%s lacks %s", line, part)
		}
	}
	p.Terminate(t)
	if code := p.Exit(ctx, t); code != 0 || metrics.Load() != 1 || spans.Load() != 1 {
		t.Errorf("exit code %d, %d requests with metrics, %d with spans; %s", code, metrics.Load(), spans.Load(), p.Stderr())
	}
}

// A delivery in flight keeps the process, for as long as it may.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit time.Duration
		ends  bool // the delivery, in that time
	}{{time.Millisecond, false}, {time.Minute, true}} {
		begun, open := make(chan struct{}), make(chan struct{})
		answered := false
		d := &deliveries{to: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			close(begun)
			<-open
			answered = true
		})}
		go d.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
		<-begun
		if c.ends {
			close(open)
		}
		if d.end(c.limit) != c.ends || c.ends && !answered {
			t.Errorf("in %s the delivery ended %v, want %v", c.limit, !c.ends, c.ends)
		}
		if !c.ends {
			close(open)
		}
	}
}
