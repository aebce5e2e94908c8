package azblob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
)

// The environment of the Azure SDKs that chooses who logs in.
const (
	envTenant      = "AZURE_TENANT_ID"
	envClient      = "AZURE_CLIENT_ID"
	envSecret      = "AZURE_CLIENT_SECRET" //nolint:gosec // the name of one
	envCertificate = "AZURE_CLIENT_CERTIFICATE_PATH"
	envTokenFile   = "AZURE_FEDERATED_TOKEN_FILE"
	envHeader      = "IDENTITY_HEADER" // for the endpoint for managed identities

	defaultAudience = "api://AzureADTokenExchange"
	entra           = "Microsoft Entra ID"
	anyLogin        = "Azure (Microsoft Entra ID, or the endpoint for managed identities)"
)

// Identity lets in a process that runs elsewhere: the token with which its own
// cloud vouches for it is exchanged for one of the application or managed
// identity AZURE_CLIENT_ID of AZURE_TENANT_ID, by its federated credential.
type Identity struct {
	Tokens   token.Source // nil leaves it to the default credentials
	Audience string       // of the tokens: default api://AzureADTokenExchange
}

// Opener is Open for a process with an identity. Keys, signatures and the
// credentials that DefaultAzureCredential reads from the environment (a secret, a
// certificate, a token file) go before the identity.
func Opener(id Identity) func(context.Context, *url.URL) (store.Store, error) {
	return func(_ context.Context, u *url.URL) (store.Store, error) { return open(u, os.Getenv, id) }
}

// credential is that of the identity, or nil where the environment chooses
// another.
func (id Identity) credential(getenv func(string) string, opts azcore.ClientOptions) (azcore.TokenCredential, error) {
	tenant, client := getenv(envTenant), getenv(envClient)
	if id.Tokens == nil || tenant == "" && client == "" || getenv(envSecret) != "" || getenv(envCertificate) != "" || getenv(envTokenFile) != "" {
		return nil, nil
	}
	if tenant == "" || client == "" {
		missing, there := envTenant, envClient
		if client == "" {
			missing, there = envClient, envTenant
		}
		return nil, fmt.Errorf("%s is not set, but %s is: set both, for %s to log in to Azure by a federated credential", missing, there, id.Tokens)
	}
	f := &federation{id: id, tenant: tenant, client: client}
	cred, err := azidentity.NewClientAssertionCredential(tenant, client, f.assertion, &azidentity.ClientAssertionCredentialOptions{ClientOptions: opts})
	if err != nil {
		return nil, fmt.Errorf("%s or %s is no ID: write the directory (tenant) and the application (client) ID", envTenant, envClient)
	}
	f.cred = cred
	return f, nil
}

// federation gets tokens for an application of Azure. The SDK keeps them until
// shortly before they expire.
type federation struct {
	id             Identity
	tenant, client string
	cred           *azidentity.ClientAssertionCredential
}

// whose is whose permissions count, for advice.
func (f *federation) whose() string {
	return fmt.Sprintf("the application %s (used by %s)", f.client, f.id.Tokens)
}

type assertionError struct{}

// assertion is called by the SDK, which keeps of its error only the text.
func (f *federation) assertion(ctx context.Context) (string, error) {
	value, err := f.id.Tokens.Token(ctx, cmp.Or(f.id.Audience, defaultAudience))
	if p, ok := ctx.Value(assertionError{}).(*error); ok {
		*p = err
	}
	return value, err
}

// GetToken returns a token, or a *token.Error.
func (f *federation) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	var refused error
	t, err := f.cred.GetToken(context.WithValue(ctx, assertionError{}, &refused), opts)
	switch {
	case err == nil:
		return t, nil
	case refused != nil:
		return t, refused
	case token.Ended(ctx, err):
		return t, err
	}
	return t, loginRefused(err, f.id.Tokens.String(), entra, fmt.Sprintf("the application %s of the tenant %s needs a federated credential with the issuer and the subject of this identity, and the audience %s",
		f.client, f.tenant, cmp.Or(f.id.Audience, defaultAudience)))
}

// loginRefused words what the service answered, without the secrets.
func loginRefused(err error, identity, service, check string, secrets ...string) *token.Error {
	out := &token.Error{Identity: identity, Service: service, Answer: "it cannot be reached", Check: check, Kind: store.Unavailable, Err: err}
	if e, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok && e.RawResponse != nil {
		body, _ := runtime.Payload(e.RawResponse)
		out.Kind, out.Answer = token.KindOf(e.RawResponse.StatusCode), token.Answer(e.RawResponse.StatusCode, body, secrets...)
	}
	return out
}

// loginName says by what DefaultAzureCredential logs in.
func loginName(getenv func(string) string) string {
	switch {
	case getenv(envSecret) != "", getenv(envCertificate) != "":
		return "the application " + getenv(envClient)
	case getenv(envTokenFile) != "":
		return fmt.Sprintf("the application %s (by the token of %s)", getenv(envClient), envTokenFile)
	}
	return "the login that Azure's default credentials found"
}
