// Package config turns what users write (URLs, environment, crossfade.yaml)
// into validated values.
package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/store"
)

// Location is a parsed store URL.
type Location struct {
	// URL is what was written, with the prefix in its normal form. Its query
	// may hold a credential: log the Location, not the URL.
	URL *url.URL

	// Scheme is the driver's: s3, gs, az or file. An https URL of Azure Blob
	// Storage has the scheme az.
	Scheme string

	bucket string
	prefix string
}

// Opener opens a store; each driver package has one. Wiring passes those of the
// clouds that a binary links.
type Opener func(ctx context.Context, u *url.URL) (store.Store, error)

// Openers maps Location.Scheme to a driver.
type Openers map[string]Opener

// forms is what can be written, for messages.
const forms = "s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, https://ACCOUNT.blob.core.windows.net/container/prefix or file:///directory"

// aliases maps the names that other tools use to ours.
var aliases = map[string]string{
	"gcs": "gs", "gcp": "gs", "google": "gs", "googlestorage": "gs",
	"azure": "az", "azblob": "az", "blob": "az", "azureblob": "az", "abfs": "az", "abfss": "az", "wasb": "az", "wasbs": "az",
	"aws": "s3", "s3a": "s3", "s3n": "s3", "minio": "s3", "r2": "s3", "b2": "s3",
	"dir": "file", "local": "file", "fs": "file",
}

// ParseLocation reads a store URL. Errors say what is wrong and what to write,
// and never repeat a query or credentials.
//
// The prefix is literal: the keys of the store are the bucket's keys that begin
// with it, without it. One that is not empty always ends in "/", which is added
// where it is missing, so that s3://b/photos does not take in photos-old/x.
// Percent-encoding is decoded: a prefix with a "?" or "#" needs %3F or %23.
func ParseLocation(raw string) (Location, error) {
	l, err := parseLocation(raw)
	if err != nil {
		return Location{}, fmt.Errorf("store URL %q: %w", redact(raw), err)
	}
	return l, nil
}

func parseLocation(raw string) (Location, error) {
	if strings.TrimSpace(raw) == "" {
		return Location{}, errors.New("nothing given: write " + forms)
	}
	_, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return Location{}, noScheme(raw)
	}
	u, err := url.Parse(raw)
	if err != nil {
		if e, ok := errors.AsType[url.EscapeError](err); ok {
			return Location{}, fmt.Errorf("%q is no percent-encoding: write %%25 for a percent sign", string(e))
		}
		if strings.Contains(rest, ":") { // the parser's own words may repeat a password
			return Location{}, errors.New("not a valid URL: a bucket has no port (an endpoint is written ?endpoint=https://host:port on s3:// URLs), and credentials do not belong into the URL")
		}
		return Location{}, errors.New("not a valid URL: write " + forms)
	}
	switch {
	case u.User != nil:
		return Location{}, errors.New("credentials do not belong into the URL: give them by the environment or the profile")
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return Location{}, errors.New("a \"#\" in a prefix is written %23")
	}
	switch u.Scheme {
	case "s3", "gs", "az":
		return bucketLocation(u, u.Scheme, u.Host, strings.TrimPrefix(u.Path, "/"))
	case "https":
		return azureLocation(u)
	case "file":
		return fileLocation(u)
	case "http":
		return Location{}, errors.New("http:// is no store: an S3-compatible server is written s3://bucket?endpoint=http://host:port, an emulator of Azure az://container with AZURE_STORAGE_CONNECTION_STRING, one of GCS gs://bucket with STORAGE_EMULATOR_HOST")
	}
	if s, ok := aliases[u.Scheme]; ok {
		return Location{}, fmt.Errorf("unknown scheme %q: did you mean %s://? Known are %s", u.Scheme, s, forms)
	}
	return Location{}, fmt.Errorf("unknown scheme %q: write %s", u.Scheme, forms)
}

// noScheme tells a path from a bucket, as well as one can.
func noScheme(raw string) error {
	if s, _, ok := strings.Cut(raw, ":"); ok && !strings.ContainsAny(s, "/.") {
		return fmt.Errorf("a store is a URL with ://: write %s", forms)
	}
	// The rest may be the query of a URL that lost its scheme.
	abs, err := filepath.Abs(redact(raw))
	if err != nil {
		return fmt.Errorf("no scheme: write %s", forms)
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(abs)}
	return fmt.Errorf("no scheme: for a directory write %s, else %s", redact(u.String()), forms)
}

func bucketLocation(u *url.URL, scheme, bucket, prefix string) (Location, error) {
	what := "bucket"
	if scheme == "az" {
		what = "container"
	}
	if err := checkBucket(bucket, what, scheme); err != nil {
		return Location{}, err
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	switch {
	case !utf8.ValidString(prefix):
		return Location{}, errors.New("the prefix is not UTF-8")
	case len(prefix) >= 1024:
		return Location{}, fmt.Errorf("the prefix has %d bytes, and a whole key 1024 at most", len(prefix))
	}
	c := *u
	c.Path, c.RawPath = "/"+prefix, ""
	if u.Scheme == "https" {
		c.Path = "/" + bucket + "/" + prefix
	}
	return Location{URL: &c, Scheme: scheme, bucket: bucket, prefix: prefix}, nil
}

// checkBucket refuses what no cloud can have as a bucket, and leaves the rest
// of the rules, which differ, to the clouds.
func checkBucket(name, what, scheme string) error {
	plain := strings.TrimPrefix(name, "$") // Azure's $web, $root, $logs
	switch {
	case name == "":
		return fmt.Errorf("no %s named: write %s://%s/prefix", what, scheme, what)
	case strings.Contains(name, ":"):
		return fmt.Errorf("%s name %q: a port does not belong here; an endpoint is written ?endpoint=https://host:port on s3:// URLs", what, name)
	case scheme != "az" && plain != name,
		strings.ContainsFunc(plain, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._", r)
		}):
		return fmt.Errorf("%s name %q: only letters, digits, '-', '.' and '_' can be in one", what, name)
	case len(name) < 3 || len(name) > 222:
		return fmt.Errorf("%s name %q has %d characters: 3 to 63 is usual, 222 the most", what, name, len(name))
	}
	return nil
}

// azureLocation reads https://ACCOUNT.blob.core.windows.net/container/prefix.
// National clouds and DNS-zone endpoints have other ends, but all have ".blob.".
func azureLocation(u *url.URL) (Location, error) {
	account, _, ok := strings.Cut(u.Host, ".blob.")
	if !ok || account == "" || strings.Contains(account, ".") && !strings.Contains(u.Host, ".storage.azure.") {
		return Location{}, fmt.Errorf("host %q is not of Azure Blob Storage (https://ACCOUNT.blob.core.windows.net/container); an S3-compatible server is written s3://bucket?endpoint=https://%s", u.Host, u.Host)
	}
	container, prefix, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if container == "" {
		return Location{}, fmt.Errorf("no container named: write https://%s/container/prefix", u.Host)
	}
	return bucketLocation(u, "az", container, prefix)
}

func fileLocation(u *url.URL) (Location, error) {
	switch {
	case u.Host != "" && u.Host != "localhost":
		return Location{}, fmt.Errorf("a directory is written with three slashes and its whole path: file:///path/of/%s", strings.TrimPrefix(u.Host+u.Path, "./"))
	case u.Path == "":
		return Location{}, errors.New("no directory named: write file:///directory")
	case strings.ContainsRune(u.Path, 0):
		return Location{}, errors.New("a path has no NUL byte")
	}
	c := *u
	c.Host, c.Path, c.RawPath = "", path.Clean(u.Path), ""
	return Location{URL: &c, Scheme: "file", bucket: c.Path}, nil
}

// redact keeps queries and credentials out of messages.
func redact(raw string) string {
	at, query := strings.LastIndexByte(raw, '@'), strings.IndexAny(raw, "?#")
	scheme, _, ok := strings.Cut(raw, "://")
	ok = ok && !strings.ContainsAny(scheme, ":/@?#")
	switch {
	case at < 0 && query < 0:
		return raw
	case at < query:
		if raw = raw[:query]; at < 0 {
			return raw
		}
	case query >= 0: // a password with a "?", or a query with an "@"
		if ok {
			return scheme + "://…"
		}
		return "…"
	}
	if ok {
		return scheme + "://…" + raw[at:]
	}
	return "…" + raw[at:]
}

// Bucket is the bucket or container; for a file URL the directory.
func (l Location) Bucket() string { return l.bucket }

// Prefix is "" or ends in "/". File URLs have none: the directory is the root.
func (l Location) Prefix() string { return l.prefix }

// Relative strips the prefix from a key of the bucket, as events name it, and
// reports whether the key lies in the location.
func (l Location) Relative(key string) (string, bool) {
	rel, ok := strings.CutPrefix(key, l.prefix)
	return rel, ok && rel != ""
}

// ID names the store in stamps and reports: scheme, bucket and prefix, without
// query, credentials or endpoint. Both forms of Azure URLs yield the az form.
func (l Location) ID() string {
	if l.Scheme == "" {
		return ""
	}
	if l.Scheme == "file" {
		return "file://" + l.bucket
	}
	return l.Scheme + "://" + l.bucket + "/" + l.prefix
}

// String is the ID, which is safe to print.
func (l Location) String() string { return l.ID() }

// GoString is the ID: the URL is not printed with it.
func (l Location) GoString() string { return l.ID() }

// MarshalText is the ID, in JSON too.
func (l Location) MarshalText() ([]byte, error) { return []byte(l.ID()), nil }

// LogValue is the ID, which is safe to log.
func (l Location) LogValue() slog.Value { return slog.StringValue(l.ID()) }

// Overlaps reports whether an object could be in both locations: the same
// bucket by the same endpoint, with one prefix within the other. Two s3 URLs
// with different endpoint parameters are different servers.
func (l Location) Overlaps(m Location) bool {
	if l.Scheme == "" || l.Scheme != m.Scheme {
		return false
	}
	// The account of an az URL is in the environment: it may be that of an https one.
	if e, f := endpoint(l), endpoint(m); e != f && (l.Scheme == "s3" || e != "" && f != "") {
		return false
	}
	a, b := l.prefix, m.prefix
	if l.Scheme == "file" {
		a, b = strings.TrimSuffix(l.bucket, "/")+"/", strings.TrimSuffix(m.bucket, "/")+"/"
	} else if l.bucket != m.bucket {
		return false
	}
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// within reports whether every object of l could be in m.
func (l Location) within(m Location) bool {
	if l.Scheme == "file" {
		return l.Overlaps(m) && len(l.bucket) >= len(m.bucket)
	}
	return l.Overlaps(m) && len(l.prefix) >= len(m.prefix)
}

// endpoint is what tells two servers apart, "" where only the environment does.
func endpoint(l Location) string {
	if l.URL.Scheme == "https" {
		return l.URL.Host
	}
	return l.URL.Query().Get("endpoint")
}

// Decorator stands something before a store that was opened, such as retries.
type Decorator func(l Location, opened store.Store) store.Store

// Open opens the store, decorates it, innermost first, and checks through the
// decorators that it can be used.
func (l Location) Open(ctx context.Context, o Openers, decorators ...Decorator) (store.Store, error) {
	open, ok := o[l.Scheme]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(o)), ", ")
		return nil, fmt.Errorf("%s: this program is built without the %s driver; it has %s", l, l.Scheme, known)
	}
	s, err := open(ctx, l.URL)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", l, err)
	}
	for _, decorate := range decorators {
		s = decorate(l, s)
	}
	if c, ok := store.As[store.Checker](s); ok {
		if err := c.Check(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("checking %s: %w", l, err), s.Close())
		}
	}
	return s, nil
}
