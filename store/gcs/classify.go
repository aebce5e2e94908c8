package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/compute/metadata"
	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
)

// fail turns an error of the SDK into the store's.
func (s *Store) fail(op, key string, err error) *store.Error {
	if e, ok := errors.AsType[*store.Error](err); ok && e.Store == s.id {
		return e
	}
	kind, after := classify(err)
	if kind == store.NotFound && (key == "" || op == "put") {
		kind = store.Unavailable // it is the bucket that is not there
	}
	return &store.Error{Op: op, Store: s.id, Key: key, Kind: kind, RetryAfter: after, Err: plain(err)}
}

func (s *Store) unmet(op, key string, err error) *store.Error {
	return &store.Error{Op: op, Store: s.id, Key: key, Kind: store.Precondition, Err: err}
}

// contentError is a failure of the source of a Put: the kind is the source's.
func (s *Store) contentError(key string, err error) error {
	kind := store.KindOf(err)
	if kind == store.Unknown && errors.Is(err, io.ErrUnexpectedEOF) {
		kind = store.Corrupt
	}
	if e, ok := err.(*store.Error); ok && e.Store == "" { //nolint:errorlint // just this one, of package parts
		err = e.Err
	}
	return &store.Error{Op: "put", Store: s.id, Key: key, Kind: kind, Err: fmt.Errorf("content: %w", err)}
}

// classify says what an error means. Statuses are those of the JSON and XML
// APIs ("HTTP status and error codes").
func classify(err error) (store.Kind, time.Duration) {
	switch {
	case errors.Is(err, context.Canceled):
		return store.Unknown, 0
	case errors.Is(err, storage.ErrBucketNotExist):
		return store.Unavailable, 0
	case errors.Is(err, storage.ErrObjectNotExist):
		return store.NotFound, 0
	}
	if e, ok := errors.AsType[*token.Error](err); ok {
		return e.Kind, 0
	}
	if e, ok := errors.AsType[*googleapi.Error](err); ok {
		return classifyStatus(e), retryAfter(e.Header)
	}
	if e, ok := errors.AsType[*auth.Error](err); ok {
		if e.Response != nil && e.Response.StatusCode < http.StatusInternalServerError {
			return store.Denied, 0
		}
		return store.Unavailable, 0
	}
	if kind, ok := classifyMetadata(err); ok {
		return kind, 0
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return store.Unavailable, 0
	}
	return store.Unknown, 0
}

// classifyMetadata is for errors of the metadata server, which gives tokens to
// what runs on Google Cloud.
func classifyMetadata(err error) (store.Kind, bool) {
	if e, ok := errors.AsType[*metadata.Error](err); ok {
		return token.KindOf(e.Code), true
	}
	_, ok := errors.AsType[metadata.NotDefinedError](err)
	return store.Denied, ok
}

func classifyStatus(e *googleapi.Error) store.Kind {
	switch e.Code {
	case http.StatusUnauthorized:
		return store.Denied
	case http.StatusForbidden:
		for _, item := range e.Errors {
			switch item.Reason {
			case "rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded":
				return store.Throttled
			}
		}
		return store.Denied
	case http.StatusNotFound:
		return store.NotFound
	case http.StatusPreconditionFailed, http.StatusNotModified:
		return store.Precondition
	case http.StatusTooManyRequests:
		return store.Throttled
	case http.StatusRequestEntityTooLarge:
		return store.TooLarge
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusGone:
		return store.Unavailable // as of an upload whose session has ended
	case http.StatusNotImplemented:
		return store.Invalid
	}
	switch {
	case e.Code >= http.StatusInternalServerError:
		return store.Unavailable
	case strings.Contains(e.Message, "doesn't match calculated"):
		return store.Corrupt // a checksum; the reason is that of any wrong request
	case e.Code >= http.StatusBadRequest:
		return store.Invalid
	}
	return store.Unknown
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseInt(h.Get("Retry-After"), 10, 32)
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// plainError shows one clear line instead of the SDK's text, which it wraps.
type plainError struct {
	text string
	err  error
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Unwrap() error { return e.err }

// plain takes URLs out of the text, since that of an upload's session is as
// good as a credential, and bodies, and what would break the line.
func plain(err error) error {
	if e, ok := errors.AsType[*token.Error](err); ok {
		return e
	}
	text := err.Error()
	if e, ok := errors.AsType[*url.Error](err); ok {
		text = e.Op + ": " + e.Err.Error()
	}
	if e, ok := errors.AsType[*auth.Error](err); ok {
		text = "the credentials are not accepted: " + token.Scrub(e.Error())
	}
	if _, ok := classifyMetadata(err); ok {
		text = "the metadata server gives no token of the service account of this process: " + token.Scrub(text)
	}
	if e, ok := errors.AsType[*googleapi.Error](err); ok {
		text = strconv.Itoa(e.Code) + " " + statusText(e)
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return &plainError{text: text, err: err}
}

func statusText(e *googleapi.Error) string {
	message := e.Message
	if message == "" {
		_, message = parseXMLError([]byte(e.Body))
	}
	if message == "" {
		message = http.StatusText(e.Code)
	}
	return message
}
