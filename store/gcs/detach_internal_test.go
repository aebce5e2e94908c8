package gcs

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestDetach: once there is an answer, the transport gets nothing more of the
// body, whose memory the caller fills anew.
func TestDetach(t *testing.T) {
	t.Parallel()
	memory := []byte("the first chunk")
	for name, n := range map[string]int{"before all is read": 3, "after all is read": len(memory)} {
		var kept, again io.ReadCloser
		client := &detacher{roundTrip(func(r *http.Request) (*http.Response, error) {
			kept = r.Body
			got := make([]byte, n)
			if _, err := io.ReadFull(kept, got); err != nil || !bytes.Equal(got, memory[:n]) {
				t.Errorf("%s: read %q, %v", name, got, err)
			}
			var err error
			if again, err = r.GetBody(); err != nil {
				t.Error(err)
			}
			return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody}, nil
		})}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://127.0.0.1", bytes.NewReader(memory))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		want := errDetached
		if n == len(memory) {
			want = io.EOF
		}
		if m, err := kept.Read(make([]byte, 10)); m != 0 || !errors.Is(err, want) {
			t.Errorf("%s: %d more bytes, %v", name, m, err)
		}
		if m, err := again.Read(make([]byte, 10)); m != 0 || !errors.Is(err, errDetached) {
			t.Errorf("%s: %d bytes of another reading, %v", name, m, err)
		}
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	}
	// No body, nothing to take away.
	client := &detacher{roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			t.Error("a body came from nowhere")
		}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(""))}, nil
	})}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
