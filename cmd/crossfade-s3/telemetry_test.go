package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/lambdaapi"
)

// observed: metrics are in the log and spans with the collector before the
// answer, after which the process stands still.
func observed(t *testing.T, w *world) {
	var requests atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/traces" {
			t.Errorf("a request for %s", r.URL.Path)
		}
		requests.Add(1)
	}))
	defer collector.Close()
	w.env = append(w.env, "CROSSFADE_METRICS=emf", "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL)
	docs := w.notifications()
	w.deploy(t, lambdaapi.Options{Freeze: true})
	w.put(t, "in/one", "1")
	w.put(t, "in/two", "22")
	for i := range 2 {
		if a := w.invoke(t, sqs(t, *docs...)); a.Failed {
			t.Errorf("%s", a.Payload)
		}
		if n := requests.Load(); n != int64(i+1) {
			t.Errorf("%d requests with spans after %d invocations", n, i+1)
		}
	}
	w.function.Shutdown(10 * time.Second) // its log is complete then
	var documents []map[string]any
	for line := range strings.Lines(w.stdout.String()) {
		doc := map[string]any{}
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		if doc["_aws"] != nil {
			documents = append(documents, doc)
		}
	}
	if len(documents) != 2 {
		t.Fatalf("%d documents", len(documents))
	}
	for i, want := range []map[string]any{
		{"source": "s3://photos/in/", "target": "gs://photos-copy/2026/", "Events": 2.0, "ObjectsCopied": 2.0, "BytesCopied": 3.0},
		{"source": "s3://photos/in/", "target": "gs://photos-copy/2026/", "Events": 2.0, "ObjectsSkipped": 2.0},
	} {
		for name, v := range want {
			if documents[i][name] != v {
				t.Errorf("document %d: %s is %v, want %v", i, name, documents[i][name], v)
			}
		}
		if lags, _ := documents[i]["Lag"].([]any); len(lags) != 2 {
			t.Errorf("document %d: lags %v", i, lags)
		}
	}
}
