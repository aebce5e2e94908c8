package azblob

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
)

type failing struct{ err error }

func (f failing) Token(context.Context, string) (string, error) { return "", f.err }
func (failing) String() string                                  { return "the tester" }

const (
	tenant = "11111111-2222-3333-4444-555555555555"
	app    = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
)

// Who logs in: the identity only where nothing else in the environment can.
func TestIdentityCredential(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		env  map[string]string
		as   string
		err  string
	}{
		{"nothing", nil, "", ""},
		{"both", map[string]string{envTenant: tenant, envClient: app}, "the application " + app + " (used by the tester)", ""},
		{"no tenant", map[string]string{envClient: app}, "", "AZURE_TENANT_ID is not set, but AZURE_CLIENT_ID is"},
		{"no client", map[string]string{envTenant: tenant}, "", "AZURE_CLIENT_ID is not set, but AZURE_TENANT_ID is"},
		{"no ID", map[string]string{envTenant: "my tenant", envClient: app}, "", "AZURE_TENANT_ID or AZURE_CLIENT_ID is no ID"},
		{"a secret", map[string]string{envTenant: tenant, envClient: app, envSecret: "x"}, "", ""},
		{"a token file", map[string]string{envTenant: tenant, envClient: app, envTokenFile: "/x"}, "", ""},
		{"a key", map[string]string{envTenant: tenant, envClient: app, envKey: secret}, "", ""},
		{"a signature", map[string]string{envTenant: tenant, envClient: app, envSAS: signature}, "", ""},
	} {
		u := &url.URL{Scheme: "https", Host: "acct.blob.core.windows.net", Path: "/photos"}
		s, err := open(u, func(name string) string { return c.env[name] }, Identity{Tokens: failing{}})
		if c.err != "" || err != nil {
			if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if got := s.(*Store).as; got != c.as {
			t.Errorf("%s: %q, want %q", c.name, got, c.as)
		}
	}
}

// Why there is no token of its own to present is told as it is, though the SDK
// keeps only the text.
func TestAssertionFails(t *testing.T) {
	t.Parallel()
	for _, kind := range []store.Kind{store.Denied, store.Unavailable} {
		why := &token.Error{Identity: "the tester", Service: "its cloud", Kind: kind}
		opts := azcore.ClientOptions{Transport: discovery{}}
		cred, err := Identity{Tokens: failing{why}}.credential(func(name string) string { return map[string]string{envTenant: tenant, envClient: app}[name] }, opts)
		if err != nil {
			t.Fatal(err)
		}
		_, err = cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://storage.azure.com/.default"}})
		if e, ok := errors.AsType[*token.Error](err); !ok || e != why {
			t.Errorf("%v", err)
		}
		e, ok := errors.AsType[*store.Error]((&Store{}).classify("check", "", err))
		if !ok || e.Kind != kind {
			t.Errorf("%v", e)
		}
	}
}

// discovery answers what the SDK asks before it presents anything.
type discovery struct{}

func (discovery) Do(r *http.Request) (*http.Response, error) {
	base := "https://login.microsoftonline.com/" + tenant
	body := `{"tenant_discovery_endpoint":"` + base + `/x","metadata":[{"preferred_network":"login.microsoftonline.com","preferred_cache":"login.windows.net","aliases":["login.microsoftonline.com"]}],
"token_endpoint":"` + base + `/t","authorization_endpoint":"` + base + `/a","issuer":"` + base + `/v2.0"}`
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Request: r, Header: http.Header{"Content-Type": {"application/json"}}}, nil
}

func TestLoginRefused(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]store.Kind{401: store.Denied, 429: store.Throttled, 503: store.Unavailable} {
		body := `{"error":"invalid_client","error_description":"AADSTS7000215: not s3cret\r\nTrace: x"}`
		err := loginRefused(&azidentity.AuthenticationFailedError{RawResponse: &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}}, "the tester", entra, "check", "s3cret")
		if err.Kind != want || !strings.Contains(err.Error(), "invalid_client, AADSTS7000215: not [redacted] Trace: x)") {
			t.Errorf("%d: %v", status, err)
		}
	}
}
