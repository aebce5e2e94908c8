package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
)

// headNotFound is what the SDK makes of a 404 without a body. HEAD has none by
// its nature; for any other request it says nothing about the key.
const headNotFound = "NotFound"

// codes maps the error codes of S3 ("Error responses", list of error codes),
// and the few that only servers like it use, to what they mean here.
var codes = map[string]store.Kind{
	"NoSuchKey":     store.NotFound,
	"NoSuchVersion": store.NotFound,
	headNotFound:    store.NotFound,

	// Not the key's absence: the bucket may come back, an upload is begun anew.
	"NoSuchBucket":                       store.Unavailable,
	"NoSuchUpload":                       store.Unavailable,
	"PermanentRedirect":                  store.Unavailable,
	"TemporaryRedirect":                  store.Unavailable,
	"IllegalLocationConstraintException": store.Unavailable,

	"PreconditionFailed":         store.Precondition,
	"ConditionalRequestConflict": store.Precondition,
	"NotModified":                store.Precondition,

	"AccessDenied":                 store.Denied,
	"AllAccessDisabled":            store.Denied,
	"AccountProblem":               store.Denied,
	"AuthorizationHeaderMalformed": store.Denied,
	"ExpiredToken":                 store.Denied,
	"InvalidAccessKeyId":           store.Denied,
	"InvalidToken":                 store.Denied,
	"RequestTimeTooSkewed":         store.Denied,
	"SignatureDoesNotMatch":        store.Denied,

	"SlowDown":                 store.Throttled,
	"SlowDownRead":             store.Throttled,
	"SlowDownWrite":            store.Throttled,
	"Throttling":               store.Throttled,
	"ThrottlingException":      store.Throttled,
	"TooManyRequests":          store.Throttled,
	"RequestLimitExceeded":     store.Throttled,
	"BandwidthLimitExceeded":   store.Throttled,
	"TooManyRequestsException": store.Throttled,

	"InvalidObjectState": store.Archived,

	"EntityTooLarge":               store.TooLarge,
	"MetadataTooLarge":             store.TooLarge,
	"RequestHeaderSectionTooLarge": store.TooLarge,

	"BadDigest":                   store.Corrupt,
	"IncompleteBody":              store.Corrupt,
	"XAmzContentSHA256Mismatch":   store.Corrupt,
	"XAmzContentChecksumMismatch": store.Corrupt,

	"InvalidArgument":     store.Invalid,
	"InvalidRange":        store.Invalid,
	"InvalidRequest":      store.Invalid,
	"InvalidURI":          store.Invalid,
	"InvalidBucketName":   store.Invalid,
	"InvalidDigest":       store.Invalid,
	"InvalidStorageClass": store.Invalid,
	"KeyTooLongError":     store.Invalid,
	"MalformedPolicy":     store.Invalid,
	"MalformedXML":        store.Invalid,
	"MethodNotAllowed":    store.Invalid,
	"NotImplemented":      store.Invalid,
	"ExcessHeaderValues":  store.Invalid,

	// A gateway that keeps objects as files: the key cannot be one beside the
	// others that there are.
	"DirectoryObjectContainsData": store.Invalid,
	"ExistingObjectIsDirectory":   store.Invalid,
	"ObjectParentIsFile":          store.Invalid,

	"InternalError":      store.Unavailable,
	"OperationAborted":   store.Unavailable,
	"RequestTimeout":     store.Unavailable,
	"ServiceUnavailable": store.Unavailable,
}

// credentialsError is a failure to get credentials at all.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "no credentials: " + token.Scrub(e.err.Error()) }
func (e *credentialsError) Unwrap() error { return e.err }

// kind is Denied, but where STS was asked and did not answer, or not as yet.
func (e *credentialsError) kind() store.Kind {
	if op, ok := errors.AsType[*smithy.OperationError](e.err); !ok || op.ServiceID != "STS" {
		return store.Denied
	}
	status := 0
	if r, ok := errors.AsType[*smithyhttp.ResponseError](e.err); ok && r.Response != nil {
		status = r.HTTPStatusCode()
	}
	return token.KindOf(status)
}

// fail turns an error of the SDK into a *store.Error.
func (s *Store) fail(op, key string, err error) error {
	e := &store.Error{Op: op, Store: s.name, Key: key, Err: err}
	e.Kind, e.RetryAfter = classify(err)
	if t, ok := errors.AsType[*token.Error](err); ok {
		e.Err = t // one line instead of the SDK's many
	}
	if op != "head" && op != "update" && errorCode(err) == headNotFound {
		e.Kind = store.Unknown
	}
	return e
}

func (s *Store) errorf(op, key string, kind store.Kind, format string, args ...any) error {
	return &store.Error{Op: op, Store: s.name, Key: key, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// classify is the one place that says what an error of S3 means. A cause that
// is none of S3's (cancelled, the network) is Unknown or Unavailable, never
// anything that permits a conclusion about the object.
func classify(err error) (store.Kind, time.Duration) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return store.Unknown, 0
	}
	if t, ok := errors.AsType[*token.Error](err); ok {
		return t.Kind, 0
	}
	if c, ok := errors.AsType[*credentialsError](err); ok {
		return c.kind(), 0
	}
	var after time.Duration
	status := 0
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.Response != nil {
		status = r.HTTPStatusCode()
		after = retryAfter(r.Response.Header)
	}
	if k, ok := codes[errorCode(err)]; ok {
		return k, after
	}
	switch {
	case status == http.StatusPreconditionFailed, status == http.StatusNotModified:
		return store.Precondition, after
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return store.Denied, after
	case status == http.StatusTooManyRequests:
		return store.Throttled, after
	case status >= 500:
		return store.Unavailable, after
	case status == 0:
		if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
			return store.Unavailable, 0
		}
	}
	return store.Unknown, after
}

// errorCode is the code in the error document, or "".
func errorCode(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// retryAfter reads the header in seconds; dates are left alone, for they would
// need a clock.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.ParseInt(strings.TrimSpace(h.Get("Retry-After")), 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Second
}
