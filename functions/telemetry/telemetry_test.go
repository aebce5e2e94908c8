package telemetry_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/telemetry"
	"github.com/crossfade-io/crossfade/replicate"
)

const secret = "hunter2"

// collector takes OpenTelemetry's protocol over HTTP.
type collector struct {
	URL string

	mu       sync.Mutex
	requests int
	metrics  []string // names
	spans    []string
	resource map[string]string
	raw      []byte

	down atomic.Bool // answers 400
	hang atomic.Bool // does not answer
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{resource: map[string]string{}}
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		c.mu.Lock()
		c.requests++
		c.mu.Unlock()
		switch {
		case c.hang.Load():
			<-ended
			return
		case c.down.Load():
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		if r.Header.Get("Content-Encoding") == "gzip" {
			body = unzipped(t, body)
		}
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s: %v", r.Header.Get("Content-Type"), err)
		}
		c.take(t, r.URL.Path, body)
	}))
	c.URL = server.URL
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(ended) }) // first
	return c
}

func unzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Error(err)
		return nil
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Error(err)
	}
	return plain
}

func (c *collector) take(t *testing.T, path string, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, body...)
	attributes := func(all []*common.KeyValue) {
		for _, a := range all {
			c.resource[a.GetKey()] = a.GetValue().GetStringValue()
		}
	}
	switch path {
	case "/in/v1/metrics":
		var m colmetrics.ExportMetricsServiceRequest
		if err := proto.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		for _, r := range m.GetResourceMetrics() {
			attributes(r.GetResource().GetAttributes())
			for _, s := range r.GetScopeMetrics() {
				for _, m := range s.GetMetrics() {
					c.metrics = append(c.metrics, m.GetName())
				}
			}
		}
	case "/in/v1/traces":
		var m coltrace.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		for _, r := range m.GetResourceSpans() {
			attributes(r.GetResource().GetAttributes())
			for _, s := range r.GetScopeSpans() {
				for _, span := range s.GetSpans() {
					c.spans = append(c.spans, span.GetName())
				}
			}
		}
	default:
		t.Errorf("a request for %s", path)
	}
}

// got is what arrived: metrics and spans, each name once, in order.
func (c *collector) got() (metrics, spans []string, requests int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	once := func(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }
	return once(c.metrics), once(c.spans), c.requests
}

type syncer func(context.Context, string) (replicate.Result, error)

func (f syncer) Sync(ctx context.Context, key string, _ replicate.Hint) (replicate.Result, error) {
	return f(ctx, key)
}

// bench is a Processor under telemetry, on a clock that is set by hand.
type bench struct {
	telemetry *telemetry.Telemetry
	log       bytes.Buffer
	emf       bytes.Buffer
	clock     time.Time
	processor *functions.Processor
}

func newBench(t *testing.T, opts telemetry.Options) *bench {
	t.Helper()
	b := &bench{clock: time.Now()}
	now := func() time.Time { return b.clock }
	opts.Program, opts.Version, opts.Instance = "crossfade-test", "v1", "one"
	opts.Source, opts.Target, opts.Migration = "s3://shop/", "gs://shop-copy/", "shop"
	opts.Out, opts.Log, opts.Now = &b.emf, slog.New(slog.NewTextHandler(&b.log, nil)), now
	opts.Stores = func() []functions.StoreStats { return []functions.StoreStats{{Store: "source"}} }
	var err error
	if b.telemetry, err = telemetry.Start(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	sync := syncer(func(context.Context, string) (replicate.Result, error) {
		return replicate.Result{Action: replicate.Copy, Bytes: 10, Attempts: 2}, nil
	})
	b.processor, err = functions.New(sync, functions.Options{Bucket: "shop", Now: now, Observer: b.telemetry.Observer()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// process has two events answered, within a limit of time.
func (b *bench) process(t *testing.T, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithDeadline(t.Context(), b.clock.Add(limit))
	defer cancel()
	for _, v := range b.processor.Process(ctx, []functions.Event{
		{Bucket: "shop", Key: secret, ID: secret, Time: b.clock.Add(-time.Second)}, {Bucket: "shop", Key: "other"},
	}) {
		if v.Outcome != functions.Ack {
			t.Errorf("%+v", v)
		}
	}
}

func settings(c *collector) telemetry.Settings {
	return telemetry.Settings{MetricsURL: c.URL + "/in/v1/metrics", TracesURL: c.URL + "/in/v1/traces"}
}

func wantMetrics() []string {
	return []string{
		"crossfade.bytes", "crossfade.events", "crossfade.lag", "crossfade.objects", "crossfade.retries",
		"crossfade.store.retries", "crossfade.store.retries_denied", "crossfade.store.throttled",
		"crossfade.sync.active", "crossfade.sync.duration",
	}
}

// Each metric is in the documents, by its name and as Prometheus has it.
func TestDocumented(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(wantMetrics(), "crossfade.conflicts") {
		if row := "\n| `" + name + "` | `" + strings.NewReplacer(".", "_").Replace(name); !strings.Contains(string(raw), row) {
			t.Errorf("docs/observability.md has no row of %s", name)
		}
	}
}

// What is measured arrives: where the process may be frozen before the answer,
// elsewhere at the latest with the end. No key is in it.
func TestSending(t *testing.T) {
	t.Parallel()
	for _, frozen := range []bool{true, false} {
		c := newCollector(t)
		b := newBench(t, telemetry.Options{Settings: settings(c), Frozen: frozen})
		b.process(t, time.Minute)
		if !frozen {
			if err := b.telemetry.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
		metrics, spans, requests := c.got()
		if !slices.Equal(metrics, wantMetrics()) || !slices.Equal(spans, []string{"crossfade.invocation", "crossfade.sync"}) || requests != 2 {
			t.Errorf("frozen %v: in %d requests %q and %q", frozen, requests, metrics, spans)
		}
		for name, want := range map[string]string{
			"service.name": "crossfade-test", "service.version": "v1", "service.instance.id": "one",
			"crossfade.source": "s3://shop/", "crossfade.target": "gs://shop-copy/", "crossfade.migration": "shop", "telemetry.sdk.language": "go",
		} {
			if c.resource[name] != want {
				t.Errorf("frozen %v: %s is %q, want %q", frozen, name, c.resource[name], want)
			}
		}
		if bytes.Contains(c.raw, []byte(secret)) {
			t.Errorf("frozen %v: a key was sent", frozen)
		}
		if frozen {
			b.process(t, time.Minute)
			if err := b.telemetry.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if _, _, more := c.got(); more < requests+2 {
				t.Errorf("only %d requests after the second invocation", more)
			}
		}
		if b.log.Len() > 0 {
			t.Errorf("frozen %v: %s", frozen, b.log.String())
		}
	}
}

// A collector that fails, or hangs, costs an invocation a moment and the log two
// lines, which do not tell its URL; then it is left alone for a while.
func TestCollectorDown(t *testing.T) {
	t.Parallel()
	for _, hang := range []bool{false, true} {
		c := newCollector(t)
		c.down.Store(!hang)
		c.hang.Store(hang)
		b := newBench(t, telemetry.Options{Settings: settings(c), Frozen: true})
		b.process(t, 4*time.Second)
		_, _, tried := c.got()
		if tried != 2 {
			t.Errorf("hang %v: %d requests", hang, tried)
		}
		b.process(t, time.Minute)
		if _, _, n := c.got(); n != tried {
			t.Errorf("hang %v: %d requests in the pause", hang, n-tried)
		}
		log := b.log.String()
		if strings.Count(log, "\n") != 2 || !strings.Contains(log, "metrics cannot be sent") || !strings.Contains(log, "traces cannot be sent") || strings.Contains(log, c.URL) {
			t.Errorf("hang %v: logged\n%s", hang, log)
		}
		c.down.Store(false)
		c.hang.Store(false)
		b.log.Reset()
		b.clock = b.clock.Add(31 * time.Second)
		b.process(t, time.Minute)
		metrics, spans, _ := c.got()
		if len(metrics) == 0 || len(spans) == 0 || strings.Count(b.log.String(), "sent again") != 2 {
			t.Errorf("hang %v: after it recovered, %q and %q; logged\n%s", hang, metrics, spans, b.log.String())
		}
	}
}

// Without settings nothing is observed, whatever else the environment holds, and
// nobody is called.
func TestNothing(t *testing.T) {
	c := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	b := newBench(t, telemetry.Options{Frozen: true})
	if b.telemetry.Observer() != nil {
		t.Errorf("observed by %T", b.telemetry.Observer())
	}
	b.process(t, time.Minute)
	e := newBench(t, telemetry.Options{Settings: telemetry.Settings{EMF: true}, Frozen: true})
	e.process(t, time.Minute)
	for _, each := range []*bench{b, e} {
		if err := each.telemetry.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, _, n := c.got(); n != 0 {
		t.Errorf("%d requests", n)
	}
	if b.emf.Len() != 0 || !strings.Contains(e.emf.String(), `"ObjectsCopied":2`) {
		t.Errorf("EMF %q, and where it is asked for %q", b.emf.String(), e.emf.String())
	}
}

// The variables of OpenTelemetry that are not ours to read are minded.
func TestEnvironment(t *testing.T) {
	c := newCollector(t)
	t.Setenv("OTEL_SERVICE_NAME", "mine")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "team=storage,service.version=v2")
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	b := newBench(t, telemetry.Options{Settings: settings(c), Frozen: true})
	b.process(t, time.Minute)
	metrics, spans, _ := c.got()
	if len(metrics) == 0 || len(spans) != 0 {
		t.Errorf("%q and %q", metrics, spans)
	}
	for name, want := range map[string]string{"service.name": "mine", "team": "storage", "service.version": "v2"} {
		if c.resource[name] != want {
			t.Errorf("%s is %q, want %q", name, c.resource[name], want)
		}
	}
}

// EMF and traces go together: both observers see everything.
func TestBoth(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	s := settings(c)
	s.EMF, s.MetricsURL = true, ""
	b := newBench(t, telemetry.Options{Settings: s, Frozen: true})
	b.process(t, time.Minute)
	metrics, spans, requests := c.got()
	if len(metrics) != 0 || len(spans) != 2 || requests != 1 {
		t.Errorf("%q and %q in %d requests", metrics, spans, requests)
	}
	for _, part := range []string{`"Events":2`, `"Lag":[1]`, `"BytesCopied":20`, `"SyncRetries":2`, `"migration":"shop"`} {
		if !strings.Contains(b.emf.String(), part) {
			t.Errorf("%s lacks %s", b.emf.String(), part)
		}
	}
}
