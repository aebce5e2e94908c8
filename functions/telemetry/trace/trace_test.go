package trace_test

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/crossfade-io/crossfade/functions/telemetry/trace"
)

const (
	id   = "4bf92f3577b34da6a3ce929d0e0e4736"
	span = "00f067aa0ba902b7"
)

// shown is a Trace as text.
func shown(t trace.Trace) string {
	if !t.Valid() {
		return ""
	}
	s := hex.EncodeToString(t.ID[:]) + " " + hex.EncodeToString(t.Span[:])
	if t.Sampled {
		s += " sampled"
	}
	return s
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		parse  func(string) (trace.Trace, bool)
		header string
		want   string
	}{
		{"parent", trace.ParseParent, "00-" + id + "-" + span + "-01", id + " " + span + " sampled"},
		{"parent not sampled", trace.ParseParent, "00-" + id + "-" + span + "-02", id + " " + span},
		{"parent of a later version", trace.ParseParent, "cc-" + id + "-" + span + "-01-what-comes", id + " " + span + " sampled"},
		{"parent, longer", trace.ParseParent, "00-" + id + "-" + span + "-01-x", ""},
		{"parent of a later version, run together", trace.ParseParent, "cc-" + id + "-" + span + "-01x", ""},
		{"parent, version ff", trace.ParseParent, "ff-" + id + "-" + span + "-01", ""},
		{"parent, capitals", trace.ParseParent, "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + span + "-01", ""},
		{"parent, zero trace", trace.ParseParent, "00-00000000000000000000000000000000-" + span + "-01", ""},
		{"parent, zero span", trace.ParseParent, "00-" + id + "-0000000000000000-01", ""},
		{"parent, short", trace.ParseParent, "00-" + id + "-" + span, ""},
		{"parent, no hex", trace.ParseParent, "00-" + id + "-00f067aa0ba902bx-01", ""},
		{"parent, empty", trace.ParseParent, "", ""},

		{"cloud", trace.ParseCloudTrace, id + "/67667974448284343;o=1", id + " " + span + " sampled"},
		{"cloud not sampled", trace.ParseCloudTrace, id + "/1;o=0", id + " 0000000000000001"},
		{"cloud, trace only", trace.ParseCloudTrace, id, id + " 0000000000000000"},
		{"cloud, capitals", trace.ParseCloudTrace, "4BF92F3577B34DA6A3CE929D0E0E4736/1", id + " 0000000000000001"},
		{"cloud, no number", trace.ParseCloudTrace, id + "/x", ""},
		{"cloud, number too big", trace.ParseCloudTrace, id + "/18446744073709551616", ""},
		{"cloud, zero trace", trace.ParseCloudTrace, "00000000000000000000000000000000/1", ""},
		{"cloud, empty", trace.ParseCloudTrace, "", ""},

		{"x-ray", trace.ParseXRay, "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", "5759e988bd862e3fe1be46a994272793 53995c3f42cd8ad8 sampled"},
		{"x-ray with more", trace.ParseXRay, "Self=1-x; Root=1-5759e988-bd862e3fe1be46a994272793 ;Sampled=1;Lineage=a:b", "5759e988bd862e3fe1be46a994272793 0000000000000000 sampled"},
		{"x-ray is off", trace.ParseXRay, "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:a:0", ""},
		{"x-ray, another version", trace.ParseXRay, "Root=2-5759e988-bd862e3fe1be46a994272793;Sampled=1", ""},
		{"x-ray, split elsewhere", trace.ParseXRay, "Root=1-5759e988b-d862e3fe1be46a994272793;Sampled=1", ""},
		{"x-ray, bad parent", trace.ParseXRay, "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=x;Sampled=1", ""},
		{"x-ray, no root", trace.ParseXRay, "Sampled=1", ""},
	} {
		got, ok := c.parse(c.header)
		if shown(got) != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q is %q, %v, want %q", c.name, c.header, shown(got), ok, c.want)
		}
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, parent, cloud, want string
	}{
		{"both", "00-" + id + "-" + span + "-01", "105445aa7843bc8bf206b12000100000/1;o=1", id + " " + span + " sampled"},
		{"cloud", "", id + "/1;o=1", id + " 0000000000000001 sampled"},
		{"parent not understood", "x", id + "/1;o=1", id + " 0000000000000001 sampled"},
		{"none", "", "", ""},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.Header.Set("traceparent", c.parent)
		r.Header.Set("X-Cloud-Trace-Context", c.cloud)
		called := false
		trace.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			called = true
			if got := shown(trace.From(r.Context())); got != c.want {
				t.Errorf("%s: in %q, want %q", c.name, got, c.want)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
		if !called {
			t.Errorf("%s: the request is lost", c.name)
		}
	}
}

// What the client of Lambda's runtime leaves in the context is found, and what
// With says goes first.
func TestFromLambda(t *testing.T) {
	t.Parallel()
	ctx := context.WithValue(t.Context(), "x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1") //nolint:revive,staticcheck // that client's own key
	if got := shown(trace.From(ctx)); got != "5759e988bd862e3fe1be46a994272793 53995c3f42cd8ad8 sampled" {
		t.Errorf("in %q", got)
	}
	inner, _ := trace.ParseParent("00-" + id + "-" + span + "-00")
	if got := shown(trace.From(trace.With(ctx, inner))); got != id+" "+span {
		t.Errorf("in %q", got)
	}
}
