// Package azure asks Azure for the managed identity of a process on Azure
// Functions, Container Apps or a virtual machine.
package azure

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
)

// Source is the managed identity of this process. Its tokens are of issuer
// https://sts.windows.net/TENANT/ with the object id of the identity as subject,
// and are kept by the SDK until shortly before they expire.
type Source struct {
	clientID string

	mu   sync.Mutex
	cred *azidentity.ManagedIdentityCredential
}

var _ token.Source = (*Source)(nil)

// New asks nobody yet. clientID is that of a user-assigned identity, usually from
// AZURE_CLIENT_ID; "" is the system-assigned one.
func New(clientID string) *Source { return &Source{clientID: clientID} }

// Token returns a token for the audience, which is the application ID URI of an
// application in the identity's tenant.
func (s *Source) Token(ctx context.Context, audience string) (string, error) {
	cred, err := s.credential()
	if err != nil {
		return "", s.fail(err)
	}
	t, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{strings.TrimSuffix(audience, "/.default") + "/.default"}})
	if err != nil {
		if token.Ended(ctx, err) {
			return "", err
		}
		return "", s.fail(err)
	}
	return t.Token, nil
}

func (s *Source) String() string {
	if s.clientID != "" {
		return "the managed identity " + s.clientID
	}
	return "the managed identity of this process"
}

func (s *Source) credential() (*azidentity.ManagedIdentityCredential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cred != nil {
		return s.cred, nil
	}
	opts := &azidentity.ManagedIdentityCredentialOptions{}
	if s.clientID != "" {
		opts.ID = azidentity.ClientID(s.clientID)
	}
	cred, err := azidentity.NewManagedIdentityCredential(opts)
	if err != nil {
		return nil, err
	}
	s.cred = cred
	return cred, nil
}

func (s *Source) fail(err error) error {
	out := &token.Error{
		Identity: s.String(), Service: "Azure's endpoint for managed identities", Kind: store.Unavailable, Err: err, Answer: "it cannot be reached",
		Check: "the process must run on Azure with this identity assigned (AZURE_CLIENT_ID names a user-assigned one), and CROSSFADE_IDENTITY_AUDIENCE must be the application ID URI of an application in its tenant",
	}
	if e, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok && e.RawResponse != nil {
		body, _ := runtime.Payload(e.RawResponse)
		out.Kind, out.Answer = token.KindOf(e.RawResponse.StatusCode), token.Answer(e.RawResponse.StatusCode, body, os.Getenv("IDENTITY_HEADER"))
	}
	return out
}
