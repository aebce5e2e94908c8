// Package gcs is the driver for Google Cloud Storage.
//
// URLs are gs://bucket/prefix and have no parameters. Credentials are Google's
// application default credentials (GOOGLE_APPLICATION_CREDENTIALS, gcloud, the
// metadata server), or those of an Identity; STORAGE_EMULATOR_HOST points to an
// emulator instead, which gets no credentials.
//
// Names of metadata come back in lower case, because the XML API, by which
// bytes are read, tells them as headers. Names and values that no header can
// carry are stored encoded; see metadata.go.
package gcs

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/crossfade-io/crossfade/store"
)

// emulatorHost is the variable that Google's own clients know.
const emulatorHost = "STORAGE_EMULATOR_HOST"

// Open opens the store of a gs:// URL. It is a config.Opener; it makes no
// request. Closing the store closes its client.
//
// Requests are not repeated by the SDK, for that is package retry's part: both
// would multiply their attempts. Only the chunks of large uploads are.
func Open(ctx context.Context, u *url.URL) (store.Store, error) { return open(ctx, u, Identity{}) }

func open(ctx context.Context, u *url.URL, id Identity) (store.Store, error) {
	fail := func(kind store.Kind, err error) (store.Store, error) {
		return nil, &store.Error{Op: "open", Store: "gs://" + u.Host, Kind: kind, Err: err}
	}
	if u.Scheme != "gs" || u.Host == "" {
		return fail(store.Invalid, fmt.Errorf("not of the form gs://bucket/prefix"))
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fail(store.Invalid, fmt.Errorf("the URL's query cannot be read"))
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		return fail(store.Invalid, fmt.Errorf("unknown parameter %q: gs:// URLs have none", name))
	}
	opts := ClientOptions{}
	if host := os.Getenv(emulatorHost); host != "" {
		if !strings.Contains(host, "://") {
			host = "http://" + host
		}
		e, err := url.Parse(host)
		if err != nil || e.Host == "" {
			return fail(store.Invalid, fmt.Errorf("%s is not of the form host:port", emulatorHost))
		}
		opts.Endpoint, opts.Anonymous = e.Scheme+"://"+e.Host, true
	} else if id.Audience != "" {
		if opts.Credentials, err = id.credentials(); err != nil {
			return fail(store.Invalid, err)
		}
	}
	client, err := NewClient(ctx, opts)
	if err != nil {
		return fail(store.Denied, err)
	}
	s := New(client, u.Host, strings.TrimPrefix(u.Path, "/"), Options{Attempts: 1})
	s.owns = true
	if opts.Credentials != nil {
		s.as = id.whose()
	}
	return s, nil
}
