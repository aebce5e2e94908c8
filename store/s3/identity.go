package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
)

const (
	defaultAudience = "sts.amazonaws.com"
	sessionName     = "crossfade" // shown by CloudTrail

	// refreshEarly is how long before they expire credentials are renewed; until
	// then the old ones do where the renewal fails.
	refreshEarly    = 5 * time.Minute
	exchangeTimeout = 30 * time.Second
)

// Identity lets in a process that runs elsewhere: the role is assumed by the token
// with which its own cloud vouches for it (AssumeRoleWithWebIdentity).
type Identity struct {
	Role     string // ARN; "" leaves it to the default credentials of the SDK
	Tokens   token.Source
	Audience string // of the tokens: default sts.amazonaws.com
}

// Opener is Open for a process with an identity. A profile in the URL goes before
// the identity. STS is asked at its endpoint in the bucket's region, or at
// AWS_ENDPOINT_URL_STS.
func Opener(id Identity) func(context.Context, *url.URL) (store.Store, error) {
	return func(ctx context.Context, u *url.URL) (store.Store, error) { return open(ctx, u, id) }
}

// provider returns the credentials of the role, renewed before they expire.
func (id Identity) provider(cfg aws.Config) aws.CredentialsProvider {
	client := sts.NewFromConfig(cfg, func(o *sts.Options) { o.Region = cmp.Or(o.Region, "us-east-1") })
	return aws.NewCredentialsCache(&webIdentity{id: id, client: client}, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow, o.ExpiryWindowJitterFrac = refreshEarly, 0.5
	})
}

// webIdentity assumes the role.
type webIdentity struct {
	id     Identity
	client *sts.Client

	mu   sync.Mutex
	last aws.Credentials
}

// Retrieve exchanges a new token. The cache takes the deadline from the context,
// for it may be that of another request.
func (w *webIdentity) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	value, err := w.id.Tokens.Token(ctx, cmp.Or(w.id.Audience, defaultAudience))
	if err != nil {
		return aws.Credentials{}, err
	}
	role := stscreds.NewWebIdentityRoleProvider(w.client, w.id.Role, presented(value), func(o *stscreds.WebIdentityRoleOptions) {
		o.RoleSessionName = sessionName
	})
	c, err := role.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, w.fail(err, value)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = c
	return c, nil
}

// HandleFailToRefresh goes on with credentials that have not expired yet.
func (w *webIdentity) HandleFailToRefresh(_ context.Context, _ aws.Credentials, err error) (aws.Credentials, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last.HasKeys() && !w.last.Expired() {
		return w.last, nil
	}
	return aws.Credentials{}, err
}

// presented is a token that is there already.
type presented string

func (g presented) GetIdentityToken() ([]byte, error) { return []byte(g), nil }

func (w *webIdentity) fail(err error, value string) error {
	out := &token.Error{
		Identity: w.id.Tokens.String(), Service: "AWS STS, for the role " + w.id.Role, Answer: "it cannot be reached", Kind: store.Unavailable, Err: err,
		Check: fmt.Sprintf("the trust policy of the role must let in its issuer, its subject and the audience %s", cmp.Or(w.id.Audience, defaultAudience)),
	}
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && e.Response != nil {
		out.Kind, out.Answer = token.KindOf(e.HTTPStatusCode()), fmt.Sprintf("status %d", e.HTTPStatusCode())
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		out.Answer += ", " + token.Scrub(api.ErrorCode()+": "+api.ErrorMessage(), value)
		switch api.ErrorCode() {
		case "IDPCommunicationError":
			out.Kind = store.Unavailable // of STS with the issuer
		case "Throttling", "ThrottlingException":
			out.Kind = store.Throttled
		}
	}
	return out
}

// whose is whose permissions count, for advice.
func (id Identity) whose() string {
	return fmt.Sprintf("the role %s (assumed by %s)", id.Role, id.Tokens)
}
