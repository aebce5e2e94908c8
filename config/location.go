// Package config turns what users write (URLs, environment, later
// crossfade.yaml) into validated values.
package config

import (
	"context"
	"net/url"

	"github.com/crossfade-io/crossfade/store"
)

// Location is a parsed store URL.
type Location struct {
	URL *url.URL

	// Scheme is the driver's: s3, gs, az or file. An https URL of Azure Blob
	// Storage has the scheme az.
	Scheme string
}

// Opener opens a store; each driver package has one. Wiring passes those of the
// clouds that a binary links.
type Opener func(ctx context.Context, u *url.URL) (store.Store, error)

// Openers maps Location.Scheme to a driver.
type Openers map[string]Opener

// ParseLocation reads a store URL. Errors say what is wrong and what to write.
func ParseLocation(raw string) (Location, error) { return Location{}, nil }

// ID names the store in stamps and reports: scheme, bucket and prefix, without
// query, credentials or endpoint.
func (l Location) ID() string { return "" }

// Open opens the store and checks that it can be used.
func (l Location) Open(ctx context.Context, o Openers) (store.Store, error) { return nil, nil }
