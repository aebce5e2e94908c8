package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// Of STS, a refusal is Denied; that it does not answer, or not as yet, may pass.
func TestCredentialsKind(t *testing.T) {
	t.Parallel()
	response := func(status int) error {
		return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: errors.New("eyJhbGciOiJSUzI1NiJ9.e30.x")}
	}
	for _, c := range []struct {
		service string
		err     error
		want    store.Kind
	}{
		{"STS", response(403), store.Denied},
		{"STS", response(503), store.Unavailable},
		{"STS", response(429), store.Throttled},
		{"STS", &smithyhttp.RequestSendError{Err: errors.New("no route")}, store.Unavailable},
		{"ec2imds", &smithyhttp.RequestSendError{Err: errors.New("no route")}, store.Denied},
	} {
		err := fmt.Errorf("get credentials: %w", &credentialsError{&smithy.OperationError{ServiceID: c.service, OperationName: "x", Err: c.err}})
		if got, _ := classify(err); got != c.want || strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%v: %v, want %v", err, got, c.want)
		}
	}
}

type fixed string

func (f fixed) Token(_ context.Context, audience string) (string, error) {
	return string(f) + audience, nil
}
func (f fixed) String() string { return "the tester" }

// The answers of STS, one after the other, and what becomes of them.
func TestWebIdentityKinds(t *testing.T) {
	t.Parallel()
	const secret = "eyJhbGciOiJSUzI1NiJ9.e30."
	for code, want := range map[string]struct {
		status int
		kind   store.Kind
	}{
		"AccessDenied":          {403, store.Denied},
		"ExpiredTokenException": {400, store.Denied},
		"IDPRejectedClaim":      {403, store.Denied},
		"IDPCommunicationError": {400, store.Unavailable},
		"Throttling":            {400, store.Throttled},
		"InternalFailure":       {500, store.Unavailable},
	} {
		sent := ""
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent = r.FormValue("WebIdentityToken")
			w.WriteHeader(want.status)
			fmt.Fprintf(w, "<ErrorResponse><Error><Code>%s</Code><Message>you sent %s</Message></Error></ErrorResponse>", code, sent)
		}))
		provider := Identity{Role: "arn:aws:iam::123456789012:role/x", Tokens: fixed(secret)}.provider(aws.Config{
			BaseEndpoint: &server.URL, HTTPClient: loopback.Client(), Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		})
		_, err := provider.Retrieve(t.Context())
		server.Close()
		e, ok := errors.AsType[*token.Error](err)
		if !ok || e.Kind != want.kind || !strings.Contains(err.Error(), code) || strings.Contains(err.Error(), "eyJ") || sent != secret+"sts.amazonaws.com" {
			t.Errorf("%s: %v, of %q", code, err, sent)
		}
	}
}

// A renewal that fails does not take away what is valid, nor give back what has
// expired.
func TestRenewalFails(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	for _, c := range []struct {
		last aws.Credentials
		ok   bool
	}{
		{aws.Credentials{}, false},
		{aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b", CanExpire: true, Expires: time.Now().Add(time.Minute)}, true},
		{aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b", CanExpire: true, Expires: time.Now().Add(-time.Second)}, false},
	} {
		w := &webIdentity{last: c.last}
		if got, err := w.HandleFailToRefresh(t.Context(), aws.Credentials{}, failed); c.ok && (err != nil || got != c.last) || !c.ok && !errors.Is(err, failed) {
			t.Errorf("%v: %v", c.last.Expires, err)
		}
	}
}
