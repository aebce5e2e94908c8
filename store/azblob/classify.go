package azblob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
)

// responseError words an answer of the service in one line, without its URL,
// which may hold a signature, and without its body.
type responseError struct{ err *azcore.ResponseError }

func (e *responseError) Error() string {
	code := e.err.ErrorCode
	if code == "" {
		code = "no error code"
	}
	id := ""
	if r := e.err.RawResponse; r != nil && r.Header.Get("X-Ms-Request-Id") != "" {
		id = ", request " + r.Header.Get("X-Ms-Request-Id")
	}
	return fmt.Sprintf("%s (%d%s)", code, e.err.StatusCode, id)
}

// Unwrap returns the SDK's error.
func (e *responseError) Unwrap() error { return e.err }

// classify makes any error of the SDK a *store.Error.
func (s *Store) classify(op, key string, err error) error {
	if e, ok := errors.AsType[*store.Error](err); ok {
		if e.Store == "" { // from the shared helpers, which do not know it
			return &store.Error{Op: op, Store: s.name, Key: key, Kind: e.Kind, RetryAfter: e.RetryAfter, Err: e.Err}
		}
		return err
	}
	out := &store.Error{Op: op, Store: s.name, Key: key, Err: err}
	if resp, ok := errors.AsType[*azcore.ResponseError](err); ok {
		out.Kind = kindOf(resp.StatusCode, bloberror.Code(resp.ErrorCode))
		out.RetryAfter = retryAfter(resp.RawResponse)
		out.Err = &responseError{resp}
		return out
	}
	if e, ok := errors.AsType[*token.Error](err); ok {
		out.Kind, out.Err = e.Kind, e
		return out
	}
	if e, ok := errors.AsType[*loginError](err); ok {
		out.Kind, out.Err = store.Denied, e
		return out
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		out.Err = u.Err // the URL may hold a signature
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		out.Kind = store.Unavailable // nothing was answered, or nothing that makes sense
	}
	return out
}

// kindOf maps what the service answered ("Status and error codes", "Blob service
// error codes"). Only BlobNotFound says that a blob is not there: a 404 with
// another code, or none, is about the container or from something in between.
func kindOf(status int, code bloberror.Code) store.Kind {
	switch code {
	case bloberror.BlobNotFound:
		return store.NotFound
	case bloberror.BlobAlreadyExists, bloberror.ConditionNotMet, bloberror.TargetConditionNotMet:
		return store.Precondition
	case bloberror.BlobArchived, bloberror.BlobBeingRehydrated:
		return store.Archived
	case bloberror.ServerBusy:
		return store.Throttled
	case bloberror.MD5Mismatch, bloberror.CRC64Mismatch:
		return store.Corrupt
	case bloberror.RequestBodyTooLarge, bloberror.MetadataTooLarge, bloberror.BlockListTooLong, bloberror.BlobTierInadequateForContentLength:
		return store.TooLarge
	case bloberror.InvalidAuthenticationInfo, bloberror.BlobImmutableDueToPolicy, bloberror.BlobUsesCustomerSpecifiedEncryption, bloberror.UnauthorizedBlobOverwrite:
		return store.Denied
	case bloberror.InvalidBlobType:
		return store.Invalid
	case bloberror.InvalidBlockList, bloberror.InvalidBlobOrBlock, bloberror.BlockCountExceedsLimit:
		return store.Unknown // other uploads to this blob
	case bloberror.LeaseIDMissing, bloberror.LeaseIDMismatchWithBlobOperation, bloberror.LeaseLost:
		return store.Unavailable // someone holds a lease
	case bloberror.ContainerBeingDeleted, bloberror.ContainerDisabled, bloberror.AccountBeingCreated:
		return store.Unavailable
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return store.Denied
	case status == http.StatusPreconditionFailed:
		return store.Precondition
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return store.Throttled
	case status == http.StatusRequestEntityTooLarge:
		return store.TooLarge
	case status == http.StatusNotFound, status == http.StatusRequestTimeout, status >= 500:
		return store.Unavailable
	case status == http.StatusBadRequest, status == http.StatusRequestedRangeNotSatisfiable, status == http.StatusLengthRequired, status == http.StatusMethodNotAllowed:
		return store.Invalid
	default:
		return store.Unknown
	}
}

// retryAfter is what the service asked to wait, or 0.
func retryAfter(r *http.Response) time.Duration {
	if r == nil {
		return 0
	}
	for _, h := range []struct {
		name string
		unit time.Duration
	}{{"Retry-After-Ms", time.Millisecond}, {"X-Ms-Retry-After-Ms", time.Millisecond}, {"Retry-After", time.Second}} {
		if n, err := strconv.ParseInt(r.Header.Get(h.name), 10, 32); err == nil && n > 0 {
			return time.Duration(n) * h.unit
		}
	}
	return 0
}

// invalid is an error of Kind Invalid for a reason of our own.
func (s *Store) invalid(op, key, format string, args ...any) error {
	return &store.Error{Op: op, Store: s.name, Key: key, Kind: store.Invalid, Err: fmt.Errorf(format, args...)}
}

// checkKey refuses keys that the service would alter.
func (s *Store) checkKey(op, key string) error {
	if key == "" {
		return s.invalid(op, key, "the key is empty")
	}
	if err := checkName(s.prefix + key); err != nil {
		return s.invalid(op, key, "%w", err)
	}
	return nil
}
