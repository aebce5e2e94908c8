package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
)

type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What the services of a federation answer, and what becomes of it in an error of
// the store.
func TestExchangeKinds(t *testing.T) {
	t.Parallel()
	const secret = "eyJhbGciOiJSUzI1NiJ9.e30.x"
	answer := func(status int) answering {
		return func(*http.Request) (*http.Response, error) {
			body := `{"error":"invalid_grant","error_description":"you sent ` + secret + `"}`
			return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
		}
	}
	for _, c := range []struct {
		url  string
		base answering
		kind store.Kind
		want string
	}{
		{"https://sts.googleapis.com/v1/token", answer(400), store.Denied, "the tester was refused by Google's token service (status 400, invalid_grant, you sent [redacted]): admit"},
		{"https://iamcredentials.googleapis.com/v1/x", answer(403), store.Denied, "the tester was refused by the service account it is to act as (status 403, invalid_grant, you sent [redacted]): act"},
		{"https://sts.googleapis.com/v1/token", answer(429), store.Throttled, "got no answer of use from Google's token service (status 429"},
		{"https://sts.googleapis.com/v1/token", answer(503), store.Unavailable, "got no answer of use from Google's token service (status 503"},
		{"https://sts.example.com/x", func(*http.Request) (*http.Response, error) { return nil, errors.New(secret) }, store.Unavailable, "(it cannot be reached)"},
	} {
		x := exchange{identity: "the tester", admit: "admit", act: "act", base: c.base}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		_, err = (&http.Client{Transport: x}).Do(req)
		e := (&Store{id: "gs://b"}).fail("check", "", fmt.Errorf("credentials: %w", err))
		if e.Kind != c.kind || !strings.Contains(e.Error(), c.want) || strings.Contains(e.Error(), "eyJ") {
			t.Errorf("%s: %v, want %v and %q", c.url, e, c.kind, c.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ended, http.MethodPost, "https://sts.googleapis.com/v1/token", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	_, err = exchange{base: answering(func(r *http.Request) (*http.Response, error) { return nil, r.Context().Err() })}.RoundTrip(req)
	if _, ok := errors.AsType[*token.Error](err); ok || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// The SDK's own client is needed for a federation by certificate only.
func TestFederated(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]bool{
		`{"type":"external_account","credential_source":{"environment_id":"aws1"}}`:                               true,
		`{"type":"external_account","credential_source":{"certificate":{"use_default_certificate_config":true}}}`: false,
		`{"type":"service_account"}`: false,
		``:                           false,
	} {
		if federated([]byte(doc)) != want {
			t.Errorf("%s: %v", doc, !want)
		}
	}
}

// Without credentials in hand nothing is asked of anyone at the start.
func TestIdentityAsksNobody(t *testing.T) {
	t.Parallel()
	id := Identity{Audience: "//iam.googleapis.com/x", Tokens: nobody{t}, ServiceAccount: "a@b.iam.gserviceaccount.com"}
	if _, err := id.credentials(); err != nil {
		t.Error(err)
	}
	if got, want := id.whose(), "the service account a@b.iam.gserviceaccount.com (used by nobody)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	id.ServiceAccount = ""
	if got, want := id.whose(), "the principal that the provider x makes of nobody"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

type nobody struct{ t *testing.T }

func (n nobody) Token(context.Context, string) (string, error) {
	n.t.Error("asked")
	return "", errors.New("asked")
}
func (nobody) String() string { return "nobody" }
