package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/credentials/externalaccount"
	"cloud.google.com/go/storage"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
)

const (
	impersonation    = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/%s:generateAccessToken"
	typeAWSRequest   = "urn:ietf:params:aws:token-type:aws4_request"
	typeJWT          = "urn:ietf:params:oauth:token-type:jwt"
	exchangeTimeout  = 30 * time.Second
	cloudPlatform    = "https://www.googleapis.com/auth/cloud-platform"
	fileVariable     = "GOOGLE_APPLICATION_CREDENTIALS"
	maxTokenResponse = 64 << 10
)

// Identity lets in a process that runs elsewhere, by workload identity federation:
// Google's token service takes a request signed by AWS, or the token with which
// another cloud vouches for the process.
type Identity struct {
	Audience       string // the provider: //iam.googleapis.com/projects/N/locations/global/workloadIdentityPools/P/providers/X; "" leaves it to the default credentials
	ServiceAccount string // address of the one to act as; "" is the federated principal itself

	Keys          token.KeySource // on AWS, else
	Tokens        token.Source
	TokenAudience string // of the tokens: default Audience
}

// Opener is Open for a process with an identity.
func Opener(id Identity) func(context.Context, *url.URL) (store.Store, error) {
	return func(ctx context.Context, u *url.URL) (store.Store, error) { return open(ctx, u, id) }
}

// who names the identity.
func (id Identity) who() string {
	if id.Keys != nil {
		return id.Keys.String()
	}
	return id.Tokens.String()
}

// whose is whose permissions count, for advice.
func (id Identity) whose() string {
	if id.ServiceAccount != "" {
		return fmt.Sprintf("the service account %s (used by %s)", id.ServiceAccount, id.who())
	}
	return fmt.Sprintf("the principal that the provider %s makes of %s", id.provider(), id.who())
}

func (id Identity) provider() string { return strings.TrimPrefix(id.Audience, "//iam.googleapis.com/") }

// credentials are renewed before they expire. No request is made yet.
func (id Identity) credentials() (*auth.Credentials, error) {
	opts := &externalaccount.Options{
		Audience: id.Audience,
		Scopes:   scopes(),
		Logger:   silent(),
		Client: exchange{
			identity: id.who(),
			admit:    fmt.Sprintf("CROSSFADE_GCP_AUDIENCE must name the provider (%s), and its condition must admit this identity", id.provider()),
			act:      fmt.Sprintf("grant roles/iam.workloadIdentityUser on %s to the principal of the pool", id.ServiceAccount),
		}.client(),
	}
	if id.ServiceAccount != "" {
		opts.ServiceAccountImpersonationURL = fmt.Sprintf(impersonation, url.PathEscape(id.ServiceAccount))
	}
	if id.Keys != nil {
		opts.SubjectTokenType, opts.AwsSecurityCredentialsProvider = typeAWSRequest, awsKeys{id.Keys}
	} else {
		opts.SubjectTokenType, opts.SubjectTokenProvider = typeJWT, subject{id}
	}
	return externalaccount.NewCredentials(opts)
}

// silent is a log for the SDK's own, which GOOGLE_SDK_GO_LOGGING_LEVEL would turn
// on: it shows tokens, and bodies of objects.
func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func scopes() []string { return []string{storage.ScopeFullControl, cloudPlatform} }

// subject presents tokens.
type subject struct{ id Identity }

func (s subject) SubjectToken(ctx context.Context, _ *externalaccount.RequestOptions) (string, error) {
	audience := s.id.TokenAudience
	if audience == "" {
		audience = s.id.Audience
	}
	return s.id.Tokens.Token(ctx, audience)
}

// awsKeys presents a request to AWS STS that Google sends.
type awsKeys struct{ token.KeySource }

func (a awsKeys) AwsRegion(ctx context.Context, _ *externalaccount.RequestOptions) (string, error) {
	keys, err := a.Keys(ctx)
	return keys.Region, err
}

func (a awsKeys) AwsSecurityCredentials(ctx context.Context, _ *externalaccount.RequestOptions) (*externalaccount.AwsSecurityCredentials, error) {
	keys, err := a.Keys(ctx)
	if err != nil {
		return nil, err
	}
	return &externalaccount.AwsSecurityCredentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken}, nil
}

// detect returns the application default credentials. Where they are those of a
// federation, its refusals are made legible: the SDK shows the whole answer.
func detect() (*auth.Credentials, error) {
	opts := &credentials.DetectOptions{Scopes: scopes(), Logger: silent()}
	creds, err := credentials.DetectDefault(opts)
	if err != nil || !federated(creds.JSON()) {
		return creds, err
	}
	opts.Client = exchange{
		identity: "the identity of " + fileVariable,
		admit:    "its audience must be the provider, whose condition must admit the identity",
		act:      "grant roles/iam.workloadIdentityUser on the service account to the principal of the pool",
	}.client()
	return credentials.DetectDefault(opts)
}

// federated reports whether the configuration is of a federation, other than one
// by client certificate, which needs the SDK's own client.
func federated(configuration []byte) bool {
	var doc struct {
		Type   string `json:"type"`
		Source struct {
			Certificate json.RawMessage `json:"certificate"`
		} `json:"credential_source"`
	}
	return json.Unmarshal(configuration, &doc) == nil && doc.Type == string(credentials.ExternalAccount) && doc.Source.Certificate == nil
}

// exchange carries the requests of a federation, and makes what is not a success
// a *token.Error.
type exchange struct {
	identity   string
	admit, act string // what to check when the token service or the service account refuses
	base       http.RoundTripper
}

func (x exchange) client() *http.Client {
	x.base = http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // documented in net/http
	return &http.Client{Transport: x, Timeout: exchangeTimeout}
}

// RoundTrip carries one request.
func (x exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := x.base.RoundTrip(req)
	if err == nil && resp.StatusCode < http.StatusBadRequest {
		return resp, nil
	}
	out := &token.Error{Identity: x.identity, Service: req.URL.Host, Check: x.admit, Answer: "it cannot be reached", Kind: store.Unavailable, Err: err}
	switch {
	case strings.HasPrefix(req.URL.Host, "sts."):
		out.Service = "Google's token service"
	case strings.HasPrefix(req.URL.Host, "iamcredentials."):
		out.Service, out.Check = "the service account it is to act as", x.act
	}
	if err != nil {
		if token.Ended(req.Context(), err) {
			return nil, err
		}
		return nil, out
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenResponse))
	err = errors.Join(err, resp.Body.Close())
	out.Kind, out.Answer, out.Err = token.KindOf(resp.StatusCode), token.Answer(resp.StatusCode, body), err
	return nil, out
}
