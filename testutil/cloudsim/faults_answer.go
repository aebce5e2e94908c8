package cloudsim

import (
	"net/http"
	"strconv"
	"time"
)

// The answers that faults are in the words of each cloud. nil where the fault
// is no answer.

// s3 follows "Error responses", list of error codes.
func (x *injection) s3(interop bool) error {
	if x == nil {
		return nil
	}
	var e *s3Error
	switch x.kind {
	case Throttle:
		status := http.StatusServiceUnavailable
		if interop {
			status = http.StatusTooManyRequests // "HTTP status and error codes for the XML API"
		}
		e = s3Fail(status, "SlowDown", "Please reduce your request rate.")
		if s := x.retryAfter(0); s != "" {
			e = e.withHeader("Retry-After", s)
		}
	case ServerError:
		e = s3Fail(http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again.")
	case Expired:
		e = s3Fail(http.StatusBadRequest, "ExpiredToken", "The provided token has expired.")
	case Denied:
		e = s3Fail(http.StatusForbidden, "AccessDenied", "Access Denied")
	case Archived:
		e = s3Fail(http.StatusForbidden, "InvalidObjectState", "The operation is not valid for the object's storage class").with("StorageClass", "GLACIER")
	default:
		return nil
	}
	x.happened()
	return e
}

// gcs follows "HTTP status and error codes" of the JSON and the XML API.
func (x *injection) gcs(h http.Header) error {
	if x == nil {
		return nil
	}
	var e *gcsError
	switch x.kind {
	case Throttle:
		e = gcsFail(http.StatusTooManyRequests, "rateLimitExceeded", "SlowDown", "The object exceeded the rate limit for object mutation operations. Please reduce your request rate.")
		if s := x.retryAfter(0); s != "" {
			h.Set("Retry-After", s)
		}
	case ServerError:
		e = gcsFail(http.StatusInternalServerError, "internalError", "InternalError", "We encountered an internal error. Please try again.")
	case Expired:
		e = gcsFail(http.StatusUnauthorized, "authError", "AuthenticationRequired", "Invalid Credentials")
		h.Set("Www-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
	case Denied:
		e = gcsFail(http.StatusForbidden, "forbidden", "AccessDenied", "The caller does not have permission on the Google Cloud Storage object. Permission denied on resource (or it may not exist).")
	default:
		return nil
	}
	x.happened()
	return e
}

// azure follows "Status and error codes" and "Blob service error codes".
func (x *injection) azure(h http.Header) error {
	if x == nil {
		return nil
	}
	var err error
	switch x.kind {
	case Throttle:
		err = azureErr(http.StatusServiceUnavailable, "ServerBusy", "The server is currently unable to receive requests. Please retry your request.")
		if s := x.retryAfter(time.Second); s != "" {
			h.Set("Retry-After", s)
		}
	case ServerError:
		err = azureErr(http.StatusInternalServerError, "InternalError", "The server encountered an internal error. Please retry the request.")
	case Expired:
		err = azureErr(http.StatusForbidden, "AuthenticationFailed", "Server failed to authenticate the request. Signature not valid in the specified time frame.")
	case Denied:
		err = azureErr(http.StatusForbidden, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.")
	case Archived:
		err = azureErr(http.StatusConflict, "BlobArchived", "This operation is not permitted on an archived blob.")
	default:
		return nil
	}
	x.happened()
	return err
}

// retryAfter is the header's value, or "" for none.
func (x *injection) retryAfter(otherwise time.Duration) string {
	d := x.rule.RetryAfter
	if d == 0 {
		d = otherwise
	}
	if d < time.Second {
		return ""
	}
	return strconv.Itoa(int(d / time.Second))
}
