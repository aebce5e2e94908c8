package prom_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/telemetry"
	"github.com/crossfade-io/crossfade/functions/telemetry/prom"
	"github.com/crossfade-io/crossfade/replicate"
)

type copies struct{}

func (copies) Sync(context.Context, string, replicate.Hint) (replicate.Result, error) {
	return replicate.Result{Action: replicate.Copy, Bytes: 10, Attempts: 3}, nil
}

// The names that Prometheus sees.
func TestScrape(t *testing.T) {
	t.Parallel()
	reader, handler, err := prom.New()
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	tel, err := telemetry.Start(t.Context(), telemetry.Options{
		Program: "crossfade", Version: "v1", Instance: "one", Source: "s3://shop/", Target: "gs://shop-copy/",
		Now: func() time.Time { return noon }, Readers: []sdkmetric.Reader{reader},
		Stores: func() []functions.StoreStats { return []functions.StoreStats{{Store: "target", Throttled: 4}} },
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := functions.New(copies{}, functions.Options{Bucket: "shop", Now: func() time.Time { return noon }, Observer: tel.Observer()})
	if err != nil {
		t.Fatal(err)
	}
	p.Process(t.Context(), []functions.Event{{Bucket: "shop", Key: "hunter2", Time: noon.Add(-90 * time.Second)}, {Bucket: "hunter2", Key: "k"}})

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	body := w.Body.String()
	for _, line := range []string{
		`crossfade_lag_seconds_bucket{le="60"} 0`,
		`crossfade_lag_seconds_bucket{le="120"} 1`,
		`crossfade_lag_seconds_sum 90`,
		`crossfade_events_total{crossfade_verdict="ack"} 1`,
		`crossfade_events_total{crossfade_verdict="dead-letter",error_type="invalid"} 1`,
		`crossfade_objects_total{crossfade_action="copy",crossfade_verdict="ack"} 1`,
		`crossfade_bytes_total 10`,
		`crossfade_retries_total 2`,
		`crossfade_sync_active 0`,
		`crossfade_sync_duration_seconds_count{crossfade_action="copy",crossfade_verdict="ack"} 1`,
		`crossfade_store_throttled_total{crossfade_store="target"} 4`,
		`go_goroutines `,
		`process_start_time_seconds `,
	} {
		if !strings.Contains(body, "\n"+line) {
			t.Errorf("no %s", line)
		}
	}
	if !strings.Contains(body, `crossfade_source="s3://shop/"`) || strings.Contains(body, "hunter2") || w.Code != http.StatusOK {
		t.Errorf("status %d:\n%s", w.Code, body)
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
