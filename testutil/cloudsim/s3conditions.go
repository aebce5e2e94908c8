package cloudsim

import (
	"net/http"
	"strings"
	"time"
)

// s3WriteCondition is the condition that the headers put on a write: of
// PutObject, CopyObject and CompleteMultipartUpload ("Add preconditions to S3
// operations with conditional requests").
func (f *s3Face) s3WriteCondition(q *s3Request) (func(*Object) error, error) {
	if f.opts.Interop {
		return interopCondition(q.Header, "x-goog-if-")
	}
	match, none := q.Header.Get("If-Match"), q.Header.Get("If-None-Match")
	switch {
	case none != "" && (none != "*" || match != ""):
		return nil, s3Fail(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented").with("Header", "If-None-Match")
	case none != "":
		return func(cur *Object) error {
			if cur != nil {
				return s3Precondition("If-None-Match")
			}
			return nil
		}, nil
	case match != "":
		return s3MustMatch(q.key, match), nil
	}
	return nil, nil
}

// s3DeleteCondition is the condition on a DeleteObject.
func (f *s3Face) s3DeleteCondition(q *s3Request) (func(*Object) error, error) {
	if f.opts.Interop {
		return interopCondition(q.Header, "x-goog-if-")
	}
	if match := q.Header.Get("If-Match"); match != "" {
		return s3MustMatch(q.key, match), nil
	}
	return nil, nil
}

// s3MustMatch wants the current object to have the ETag; * wants any object.
func s3MustMatch(key, match string) func(*Object) error {
	return func(cur *Object) error {
		switch {
		case cur == nil:
			return s3NoSuchKey(key)
		case match != "*" && s3Unquote(match) != s3ETag(cur):
			return s3Precondition("If-Match")
		}
		return nil
	}
}

func s3Unquote(etag string) string { return strings.Trim(strings.TrimSpace(etag), `"`) }

// s3ETagIn reports whether etag is among the values of a header.
func s3ETagIn(header, etag string) bool {
	for v := range strings.SplitSeq(header, ",") {
		if v = strings.TrimSpace(v); v == "*" || s3Unquote(v) == etag {
			return true
		}
	}
	return false
}

// s3ReadCondition evaluates the conditional headers of GET, HEAD and, with the
// prefix x-amz-copy-source-, of the source of a copy, in the order of RFC 9110:
// If-Match outweighs If-Unmodified-Since, If-None-Match If-Modified-Since.
func s3ReadCondition(h http.Header, prefix string, o *Object) error {
	etag := s3ETag(o)
	modified := o.Created.Truncate(time.Second)
	unchanged := s3Fail(http.StatusNotModified, "NotModified", "Not Modified").withHeader("ETag", `"`+etag+`"`)
	if prefix != "" {
		unchanged = s3Precondition(prefix + "if-none-match")
	}
	if v := h.Get(prefix + "if-match"); v != "" {
		if !s3ETagIn(v, etag) {
			return s3Precondition("If-Match")
		}
	} else if t, err := http.ParseTime(h.Get(prefix + "if-unmodified-since")); err == nil && modified.After(t) {
		return s3Precondition("If-Unmodified-Since")
	}
	if v := h.Get(prefix + "if-none-match"); v != "" {
		if s3ETagIn(v, etag) {
			return unchanged
		}
	} else if t, err := http.ParseTime(h.Get(prefix + "if-modified-since")); err == nil && !modified.After(t) {
		return unchanged
	}
	return nil
}
