package token_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
	"github.com/crossfade-io/crossfade/store/token/aws"
	"github.com/crossfade-io/crossfade/store/token/azure"
	"github.com/crossfade-io/crossfade/store/token/google"
	"github.com/crossfade-io/crossfade/testutil/idsim"
)

// sources are those of a world, which the environment then names.
func sources(t *testing.T) (*idsim.World, map[string]token.Source) {
	t.Helper()
	w := idsim.New(t)
	for _, list := range [][]string{w.Env(), w.OnAWS(), w.OnGoogle(), w.OnAzure(), {"AWS_ENDPOINT_URL_STS=" + w.STS(), "AWS_MAX_ATTEMPTS=1"}} {
		for _, e := range list {
			if name, value, _ := strings.Cut(e, "="); name != "PATH" && name != "HTTPS_PROXY" {
				t.Setenv(name, value)
			}
		}
	}
	return w, map[string]token.Source{"token": aws.New(), "metadata": google.New(), "managed-identity": azure.New(idsim.Application)}
}

// Each source says the same of its token, and what refuses it is Denied.
func TestSources(t *testing.T) { // not parallel: it sets the environment
	w, all := sources(t)
	for name, s := range all {
		if got, err := s.Token(t.Context(), "api://them"); err != nil || w.Leak(got) == "" {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	for name, s := range all {
		w.Refuse(name, http.StatusForbidden, "AccessDenied")
		_, err := s.Token(t.Context(), "api://others") // not what the SDK has kept
		e, ok := errors.AsType[*token.Error](err)
		if !ok || e.Kind != store.Denied || !strings.HasPrefix(err.Error(), s.String()+" was refused by ") || !strings.Contains(err.Error(), "status 403") {
			t.Errorf("%s: %v", name, err)
		}
		if leak := w.Leak(err.Error()); leak != "" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q has %q", name, err, leak)
		}
	}
}

// That there is no answer is not a refusal, and the end of the caller's context
// is neither.
func TestSourcesUnreached(t *testing.T) { // not parallel: it sets the environment
	_, all := sources(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	t.Setenv("AWS_ENDPOINT_URL_STS", gone.URL)
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(gone.URL, "http://"))
	delete(all, "managed-identity") // its SDK tries for seconds
	for name, s := range all {
		_, err := s.Token(t.Context(), "api://them")
		if e, ok := errors.AsType[*token.Error](err); !ok || e.Kind != store.Unavailable || !strings.Contains(err.Error(), s.String()+" got no answer of use from ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, s := range all {
		_, err := s.Token(ended, "api://them")
		if _, ok := errors.AsType[*token.Error](err); ok || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoServiceAccount(t *testing.T) { // not parallel: it sets the environment
	none := httptest.NewServer(http.NotFoundHandler())
	defer none.Close()
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(none.URL, "http://"))
	_, err := google.New().Token(t.Context(), "x")
	if e, ok := errors.AsType[*token.Error](err); !ok || e.Kind != store.Denied || !strings.Contains(err.Error(), "it knows of no service account") {
		t.Error(err)
	}
}

func TestKeys(t *testing.T) { // not parallel: it sets the environment
	w, _ := sources(t)
	k, err := aws.New().Keys(t.Context())
	if err != nil || k.Region != idsim.Region || w.Leak(k.SessionToken) == "" || !strings.HasPrefix(k.AccessKeyID, "ASIA") {
		t.Errorf("%v, %v", k.Region, err)
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	_, err = aws.New().Keys(t.Context())
	if e, ok := errors.AsType[*token.Error](err); !ok || e.Kind != store.Denied || !strings.Contains(err.Error(), "run where a role is attached") {
		t.Error(err)
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]store.Kind{
		0: store.Unavailable, 400: store.Denied, 401: store.Denied, 403: store.Denied, 404: store.Denied, 408: store.Unavailable,
		429: store.Throttled, 500: store.Unavailable, 503: store.Unavailable,
	} {
		if got := token.KindOf(status); got != want {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
	}
}
