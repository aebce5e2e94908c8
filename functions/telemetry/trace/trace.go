// Package trace carries the trace that a request belongs to in a context, so
// that log lines and spans join it. It knows the forms in which the clouds send
// it, and no tracing library.
package trace

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
)

// Trace is a position in a trace.
type Trace struct {
	ID      [16]byte // of the trace; all zero for none
	Span    [8]byte  // of the span; all zero where it is not known
	Sampled bool     // the caller records it
}

// Valid reports whether there is a trace.
func (t Trace) Valid() bool { return t.ID != [16]byte{} }

// HasSpan reports whether the span is known.
func (t Trace) HasSpan() bool { return t.Span != [8]byte{} }

type contextKey struct{}

// With returns ctx within t.
func With(ctx context.Context, t Trace) context.Context {
	return context.WithValue(ctx, contextKey{}, t)
}

// From returns the trace that ctx is in: what With was given or, on Lambda, what
// the runtime's client put there. The zero Trace is none.
func From(ctx context.Context) Trace {
	if t, ok := ctx.Value(contextKey{}).(Trace); ok {
		return t
	}
	// github.com/aws/aws-lambda-go keeps the invocation's header under this text.
	if header, ok := ctx.Value("x-amzn-trace-id").(string); ok {
		t, _ := ParseXRay(header)
		return t
	}
	return Trace{}
}

// Handler puts the trace that a request's headers tell of into its context:
// traceparent before X-Cloud-Trace-Context, Google's own.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, ok := ParseParent(r.Header.Get("Traceparent"))
		if !ok {
			t, ok = ParseCloudTrace(r.Header.Get("X-Cloud-Trace-Context"))
		}
		if ok {
			r = r.WithContext(With(r.Context(), t))
		}
		next.ServeHTTP(w, r)
	})
}

// ParseParent reads a traceparent header (W3C Trace Context, section 3.2).
func ParseParent(s string) (Trace, bool) {
	const plain = 55 // of version 00; later ones may go on behind a dash
	if len(s) < plain || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return Trace{}, false
	}
	version, rest := s[:2], s[plain:]
	if version == "00" && rest != "" || rest != "" && rest[0] != '-' {
		return Trace{}, false
	}
	var t Trace
	var v, flags [1]byte
	ok := lowerHex(v[:], version) && v[0] != 0xff &&
		lowerHex(t.ID[:], s[3:35]) && lowerHex(t.Span[:], s[36:52]) && lowerHex(flags[:], s[53:plain])
	if !ok || !t.Valid() || !t.HasSpan() {
		return Trace{}, false
	}
	t.Sampled = flags[0]&1 != 0
	return t, true
}

// ParseCloudTrace reads an X-Cloud-Trace-Context header: TRACE/SPAN;o=OPTIONS,
// the span in decimal (Cloud Trace, "Legacy HTTP header").
func ParseCloudTrace(s string) (Trace, bool) {
	s, options, _ := strings.Cut(s, ";")
	id, span, _ := strings.Cut(s, "/")
	var t Trace
	if !anyHex(t.ID[:], id) || !t.Valid() {
		return Trace{}, false
	}
	if span != "" {
		n, err := strconv.ParseUint(span, 10, 64)
		if err != nil {
			return Trace{}, false
		}
		binary.BigEndian.PutUint64(t.Span[:], n)
	}
	t.Sampled = options == "o=1"
	return t, true
}

// ParseXRay reads a header of AWS X-Ray, whose root is the trace's number in two
// parts: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=…;Sampled=1 (X-Ray
// developer guide, "Tracing header"). One that is not sampled is none: Lambda
// sends such with every invocation where X-Ray is off, which says nothing of what
// others are to record.
func ParseXRay(s string) (Trace, bool) {
	var t Trace
	for field := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Root":
			version, id, _ := strings.Cut(value, "-")
			seconds, unique, _ := strings.Cut(id, "-")
			if version != "1" || len(seconds) != 8 || !anyHex(t.ID[:], seconds+unique) {
				return Trace{}, false
			}
		case "Parent":
			if !anyHex(t.Span[:], value) {
				return Trace{}, false
			}
		case "Sampled":
			t.Sampled = value == "1"
		}
	}
	if !t.Valid() || !t.Sampled {
		return Trace{}, false
	}
	return t, true
}

// lowerHex decodes s, which must fill to and have no capital letters.
func lowerHex(to []byte, s string) bool { return s == strings.ToLower(s) && anyHex(to, s) }

func anyHex(to []byte, s string) bool {
	if len(s) != 2*len(to) {
		return false
	}
	_, err := hex.Decode(to, []byte(s))
	return err == nil
}
