package cloudsim

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
)

// What follows is how Cloud Storage answers S3 clients ("Simple migration from
// Amazon S3", "XML API headers"): generations instead of version ids, its own
// conditional headers on writes (If-Match there is not looked at), x-goog-hash,
// no checksum headers of S3, no aws-chunked bodies, no encoding-type in
// listings, and a front end that rewrites Accept-Encoding before the signature
// is checked.

// readDialect finds out which vendor's headers the request has: with both it is
// refused. Those of Google are read under Amazon's names from here on.
func (q *s3Request) readDialect() error {
	amazon := false
	for name := range q.Header {
		lower := strings.ToLower(name)
		amazon = amazon || strings.HasPrefix(lower, "x-amz-")
		q.google = q.google || strings.HasPrefix(lower, "x-goog-")
	}
	if amazon && q.google {
		return s3Fail(http.StatusBadRequest, "ExcessHeaderValues", "Requests cannot specify both x-amz and x-goog headers")
	}
	if q.google {
		q.w.google = true
		r := *q.Request
		r.Header = q.Header.Clone()
		for name, values := range q.Header {
			if rest, ok := strings.CutPrefix(strings.ToLower(name), "x-goog-"); ok {
				r.Header[http.CanonicalHeaderKey("x-amz-"+rest)] = values
			}
		}
		q.Request = &r
	}
	return nil
}

// interopRespell renames headers from one prefix to another.
func interopRespell(h http.Header, from, to string) {
	for name, values := range h {
		if rest, ok := strings.CutPrefix(name, from); ok {
			delete(h, name)
			h[to+rest] = values
		}
	}
}

// interopCondition reads the x-goog-if-* conditions with the given prefix.
func interopCondition(h http.Header, prefix string) (func(*Object) error, error) {
	var checks []func(*Object) bool
	for _, c := range []struct {
		name string
		of   func(*Object) int64
		want bool
	}{
		{"generation-match", s3Generation, true},
		{"generation-not-match", s3Generation, false},
		{"metageneration-match", s3Metageneration, true},
		{"metageneration-not-match", s3Metageneration, false},
	} {
		v := h.Get(prefix + c.name)
		if v == "" {
			continue
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return nil, s3InvalidArgument(prefix+c.name, v, "Invalid argument.")
		}
		checks = append(checks, func(o *Object) bool { return (c.of(o) == n) == c.want })
	}
	if checks == nil {
		return nil, nil
	}
	return func(cur *Object) error {
		for _, holds := range checks {
			if !holds(cur) {
				return s3Precondition(prefix + "*")
			}
		}
		return nil
	}, nil
}

// s3Generation is 0 where there is no object.
func s3Generation(o *Object) int64 {
	if o == nil {
		return 0
	}
	return o.Generation
}

func s3Metageneration(o *Object) int64 {
	if o == nil {
		return 0
	}
	return o.Metageneration
}

// interopHash verifies the x-goog-hash headers of a PUT.
func interopHash(h http.Header, p *s3Payload) error {
	for _, values := range h.Values("x-goog-hash") {
		for v := range strings.SplitSeq(values, ",") {
			name, want, _ := strings.Cut(strings.TrimSpace(v), "=")
			var got []byte
			switch name {
			case "crc32c":
				got = binary.BigEndian.AppendUint32(nil, p.crc32c)
			case "md5":
				got = p.md5
			default:
				return s3InvalidArgument("x-goog-hash", v, "Invalid argument.")
			}
			if base64.StdEncoding.EncodeToString(got) != want {
				return s3BadDigest(name)
			}
		}
	}
	return nil
}

// interopWrite adds the headers with which Cloud Storage describes an object.
func interopWrite(h http.Header, o *Object) {
	h.Set("x-goog-generation", strconv.FormatInt(o.Generation, 10))
	h.Set("x-goog-metageneration", strconv.FormatInt(o.Metageneration, 10))
	hash := "crc32c=" + base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, o.CRC32C))
	if o.MD5 != nil {
		hash += ",md5=" + base64.StdEncoding.EncodeToString(o.MD5)
	}
	h.Set("x-goog-hash", hash)
	h.Set("x-goog-stored-content-length", strconv.Itoa(len(o.Body)))
	encoding := o.ContentEncoding
	if encoding == "" {
		encoding = "identity"
	}
	h.Set("x-goog-stored-content-encoding", encoding)
}

// interopTranscodes reports whether Cloud Storage would serve o decompressed.
func interopTranscodes(h http.Header, o *Object) bool {
	return o.ContentEncoding == "gzip" && !strings.Contains(h.Get("Accept-Encoding"), "gzip") &&
		!strings.Contains(o.CacheControl, "no-transform")
}
