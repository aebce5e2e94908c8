// Package google asks Google's metadata server for the identity of a process on
// Cloud Run, Compute Engine or Google Kubernetes Engine.
package google

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"cloud.google.com/go/compute/metadata"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
)

const identityPath = "instance/service-accounts/default/identity"

// Source is the service account of this process. Its tokens are ID tokens, of
// issuer https://accounts.google.com, with the account's unique id as subject;
// they last an hour, and the metadata server keeps them for the next who asks.
type Source struct{ client *metadata.Client }

var _ token.Source = (*Source)(nil)

// New asks nobody yet. GCE_METADATA_HOST names another metadata server, as to all
// of Google's clients.
func New() *Source { return &Source{client: metadata.NewWithOptions(&metadata.Options{})} }

// Token returns an ID token for the audience.
func (s *Source) Token(ctx context.Context, audience string) (string, error) {
	value, err := s.client.GetWithContext(ctx, identityPath+"?"+url.Values{"audience": {audience}}.Encode())
	if err != nil {
		if token.Ended(ctx, err) {
			return "", err
		}
		return "", s.fail(err)
	}
	if value = strings.TrimSpace(value); value == "" {
		return "", &token.Error{Identity: s.String(), Service: service, Answer: "an empty answer", Kind: store.Unavailable}
	}
	return value, nil
}

func (s *Source) String() string { return "the Google service account of this process" }

const service = "the metadata server of Google Cloud"

func (s *Source) fail(err error) error {
	out := &token.Error{
		Identity: s.String(), Service: service, Kind: store.Unavailable, Err: err, Answer: "it cannot be reached",
		Check: "the process must run on Google Cloud with a service account attached",
	}
	if e, ok := errors.AsType[*metadata.Error](err); ok {
		out.Kind, out.Answer = token.KindOf(e.Code), fmt.Sprintf("status %d", e.Code)
	}
	if _, ok := errors.AsType[metadata.NotDefinedError](err); ok {
		out.Kind, out.Answer = store.Denied, "it knows of no service account"
	}
	return out
}
