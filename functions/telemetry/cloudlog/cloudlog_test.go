package cloudlog_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions/telemetry/cloudlog"
	"github.com/crossfade-io/crossfade/functions/telemetry/trace"
)

const (
	parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	joined = `"logging.googleapis.com/trace":"projects/shop/traces/4bf92f3577b34da6a3ce929d0e0e4736",` +
		`"logging.googleapis.com/spanId":"00f067aa0ba902b7","logging.googleapis.com/trace_sampled":true`
)

func shop(context.Context) string { return "shop" }

// within is a context in the trace of a header.
func within(t *testing.T, header string) context.Context {
	t.Helper()
	tr, ok := trace.ParseParent(header)
	if !ok {
		t.Fatalf("%q is no traceparent", header)
	}
	return trace.With(t.Context(), tr)
}

// line is what one call writes, with the time cut to when it is.
func line(t *testing.T, opts cloudlog.Options, write func(slog.Handler)) string {
	t.Helper()
	var b bytes.Buffer
	write(cloudlog.New(&b, opts))
	return strings.TrimSuffix(b.String(), "\n")
}

func record(level slog.Level, msg string, attrs ...slog.Attr) slog.Record {
	r := slog.NewRecord(time.Date(2026, 11, 1, 12, 0, 0, 123456789, time.UTC), level, msg, 0)
	r.AddAttrs(attrs...)
	return r
}

// The lines, byte for byte.
func TestGolden(t *testing.T) {
	t.Parallel()
	const at = `"time":"2026-11-01T12:00:00.123456789Z"`
	event := record(slog.LevelWarn, "event", slog.String("key", "a\"b\n"), slog.Int("attempts", 2))
	short, _ := trace.ParseCloudTrace("4bf92f3577b34da6a3ce929d0e0e4736")
	for _, c := range []struct {
		name    string
		ctx     context.Context
		project func(context.Context) string
		handler func(slog.Handler) slog.Handler
		want    string
	}{
		{"no trace", t.Context(), shop, nil, `{` + at + `,"severity":"WARNING","message":"event","key":"a\"b\n","attempts":2}`},
		{"trace", within(t, parent), shop, nil, `{` + at + `,"severity":"WARNING","message":"event","key":"a\"b\n","attempts":2,` + joined + `}`},
		{
			"trace without a span", trace.With(t.Context(), short), shop, nil,
			`{` + at + `,"severity":"WARNING","message":"event","key":"a\"b\n","attempts":2,` +
				`"logging.googleapis.com/trace":"projects/shop/traces/4bf92f3577b34da6a3ce929d0e0e4736","logging.googleapis.com/trace_sampled":false}`,
		},
		{"project not known", within(t, parent), func(context.Context) string { return "" }, nil, `{` + at + `,"severity":"WARNING","message":"event","key":"a\"b\n","attempts":2}`},
		{"nobody to ask", within(t, parent), nil, nil, `{` + at + `,"severity":"WARNING","message":"event","key":"a\"b\n","attempts":2}`},
		{
			"attributes", within(t, parent), shop,
			func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.Int("n", 1)}) },
			`{` + at + `,"severity":"WARNING","message":"event","n":1,"key":"a\"b\n","attempts":2,` + joined + `}`,
		},
		{
			// The trace is outside of the group, whose own names stay.
			"group", within(t, parent), shop,
			func(h slog.Handler) slog.Handler {
				return h.WithAttrs([]slog.Attr{slog.Int("n", 1)}).WithGroup("g").WithAttrs([]slog.Attr{slog.String("msg", "m")})
			},
			`{` + at + `,"severity":"WARNING","message":"event",` + joined + `,"n":1,"g":{"msg":"m","key":"a\"b\n","attempts":2}}`,
		},
	} {
		got := line(t, cloudlog.Options{Project: c.project}, func(h slog.Handler) {
			if c.handler != nil {
				h = c.handler(h)
			}
			if err := h.Handle(c.ctx, event); err != nil {
				t.Error(err)
			}
		})
		if got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestSeverities(t *testing.T) {
	t.Parallel()
	for level, want := range map[slog.Level]string{
		slog.LevelDebug: "DEBUG", slog.LevelInfo: "INFO", slog.LevelInfo + 2: "INFO", slog.LevelWarn: "WARNING", slog.LevelError: "ERROR", slog.LevelError + 4: "ERROR",
	} {
		got := line(t, cloudlog.Options{Level: slog.LevelDebug}, func(h slog.Handler) {
			if err := h.Handle(t.Context(), record(level, "m")); err != nil {
				t.Error(err)
			}
		})
		if !strings.Contains(got, `"severity":"`+want+`"`) {
			t.Errorf("%s: %s", level, got)
		}
	}
	log := slog.New(cloudlog.New(io.Discard, cloudlog.Options{Level: slog.LevelWarn, Project: shop}))
	if log.Enabled(t.Context(), slog.LevelInfo) || !log.Enabled(t.Context(), slog.LevelWarn) {
		t.Error("the level is not minded")
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The metadata server is asked once, and only where the environment does not
// tell.
func TestProject(t *testing.T) {
	t.Parallel()
	asked, fails := 0, false
	client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		asked++
		if fails {
			return nil, errors.New("no route")
		}
		if !strings.HasSuffix(r.URL.Path, "/computeMetadata/v1/project/project-id") || r.Header.Get("Metadata-Flavor") != "Google" {
			t.Errorf("asked for %s", r.URL)
		}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("from-metadata\n")), Request: r}, nil
	})}
	env := ""
	lookup := func(name string) (string, bool) { return env, name == "GOOGLE_CLOUD_PROJECT" && env != "" }
	env = "shop"
	project := cloudlog.Project(lookup, client)
	if p := project(t.Context()); p != "shop" || asked != 0 {
		t.Errorf("%q, asked %d times", p, asked)
	}
	env = ""
	project = cloudlog.Project(lookup, client)
	if asked != 0 {
		t.Error("asked before anybody wants to know")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel() // one line's haste is not the next one's loss
	for range 3 {
		if p := project(gone); p != "from-metadata" || asked != 1 {
			t.Errorf("%q, asked %d times", p, asked)
		}
	}
	fails = true
	project = cloudlog.Project(lookup, client)
	project(t.Context())
	before := asked
	if p := project(t.Context()); p != "" || asked != before {
		t.Errorf("%q, asked again %d times", p, asked-before)
	}
}
