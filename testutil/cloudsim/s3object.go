package cloudsim

import (
	"bytes"
	"compress/gzip"
	"crypto/md5" //nolint:gosec // S3's ETag
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func (f *s3Face) putObject(q *s3Request) error {
	cond, err := f.s3WriteCondition(q)
	if err != nil {
		return err
	}
	o := &Object{Name: q.key}
	if err := s3Attributes(q.Header, o); err != nil {
		return err
	}
	p, err := f.readPayload(q, "", s3MaxBody)
	if err != nil {
		return err
	}
	if f.opts.Interop {
		if err := interopHash(q.Header, p); err != nil {
			return err
		}
	}
	o.Body, o.MD5, o.CRC32C = p.data, p.md5, p.crc32c
	p.checksum.keep(o)
	stored, err := q.bucket.Put(o, q.origin(), cond, s3Finish)
	if err != nil {
		return err
	}
	h := q.w.Header()
	f.writeVersion(h, q.bucket, stored)
	f.writeEncryption(h, stored)
	if !f.opts.Interop {
		h.Set(p.checksum.header(), p.checksum.value)
		h.Set("x-amz-checksum-type", p.checksum.kind)
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func (q *s3Request) origin() Origin { return Origin{Operation: q.op, RequestID: q.id} }

// s3Finish sets the ETag: the MD5 of the body, or under SSE-KMS something that
// is none ("Common response headers", ETag).
func s3Finish(o *Object) {
	if o.ETag != "" {
		return
	}
	sum := o.MD5
	if o.Extra[s3ExtraSSE] == "aws:kms" {
		other := md5.Sum([]byte(o.VersionID() + string(o.MD5))) //nolint:gosec // see the import
		sum = other[:]
	}
	o.ETag = hex.EncodeToString(sum)
}

// writeVersion puts ETag and version into the headers of an answer.
func (f *s3Face) writeVersion(h http.Header, b *Bucket, o *Object) {
	h.Set("ETag", `"`+s3ETag(o)+`"`)
	if f.opts.Interop {
		interopWrite(h, o)
	} else if b.Versioned {
		h.Set("x-amz-version-id", o.VersionID())
	}
}

// find returns the object, or version of it, that q asks for.
func (f *s3Face) find(q *s3Request, key, versionID string) (*Object, error) {
	if versionID == "" || versionID == "null" && !q.bucket.Versioned {
		o := q.bucket.Get(key)
		if o == nil {
			e := s3NoSuchKey(key)
			if m := q.bucket.marker(key); m != nil {
				e = e.withHeader("x-amz-delete-marker", "true").withHeader("x-amz-version-id", m.VersionID())
			}
			return nil, e
		}
		return o, nil
	}
	generation, err := s3VersionGeneration(versionID)
	if err != nil {
		return nil, err
	}
	o := q.bucket.GetGeneration(key, generation)
	switch {
	case o == nil:
		return nil, s3Fail(http.StatusNotFound, "NoSuchVersion", "The specified version does not exist.").with("Key", key).with("VersionId", versionID)
	case o.DeleteMarker:
		return nil, s3Fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.").
			withHeader("x-amz-delete-marker", "true").withHeader("Allow", "DELETE").withHeader("x-amz-version-id", versionID)
	}
	return o, nil
}

func s3VersionGeneration(versionID string) (int64, error) {
	if versionID == "null" {
		return -1, nil // never a generation
	}
	g, err := strconv.ParseInt(versionID, 36, 64)
	if err != nil || g < 0 {
		return 0, s3InvalidArgument("versionId", versionID, "Invalid version id specified")
	}
	return g, nil
}

// getObject serves GET and HEAD.
func (f *s3Face) getObject(q *s3Request) error {
	if q.query.Has("partNumber") {
		return s3Fail(http.StatusNotImplemented, "NotImplemented", "Reading single parts is not implemented")
	}
	o, err := f.find(q, q.key, q.query.Get("versionId"))
	if err != nil {
		return err
	}
	if err := s3ReadCondition(q.Header, "", o); err != nil {
		return err
	}
	if f.opts.Interop {
		cond, err := interopCondition(q.Header, "x-goog-if-")
		if err != nil {
			return err
		}
		if cond != nil && cond(o) != nil {
			return s3Precondition("x-goog-if-*")
		}
	}
	if q.Method == http.MethodGet && (o.StorageClass == "GLACIER" || o.StorageClass == "DEEP_ARCHIVE") {
		return s3Fail(http.StatusForbidden, "InvalidObjectState", "The operation is not valid for the object's storage class").with("StorageClass", o.StorageClass)
	}
	h := q.w.Header()
	f.s3WriteAttributes(h, o)
	f.writeVersion(h, q.bucket, o)
	h.Set("Last-Modified", o.Created.UTC().Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	if f.opts.Interop && interopTranscodes(q.Header, o) {
		return f.serveTranscoded(q, o)
	}
	return f.serveBody(q, o)
}

func (f *s3Face) serveBody(q *s3Request, o *Object) error {
	h := q.w.Header()
	body, status := o.Body, http.StatusOK
	if from, to, ok, err := s3Range(q.Header.Get("Range"), int64(len(o.Body))); err != nil {
		return err
	} else if ok {
		status = http.StatusPartialContent
		h.Set("Content-Range", "bytes "+strconv.FormatInt(from, 10)+"-"+strconv.FormatInt(to-1, 10)+"/"+strconv.Itoa(len(o.Body)))
		body = o.Body[from:to]
	} else if !f.opts.Interop && strings.EqualFold(q.Header.Get("x-amz-checksum-mode"), "ENABLED") {
		c := s3StoredChecksum(o)
		h.Set(c.header(), c.value)
		h.Set("x-amz-checksum-type", c.kind)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	q.w.WriteHeader(status)
	if q.Method == http.MethodGet {
		q.w.Write(body) //nolint:errcheck // the client has gone
	}
	return nil
}

// serveTranscoded sends a gzip-encoded object decompressed, ignoring Range, as
// Cloud Storage does ("Transcoding of gzip-compressed files").
func (f *s3Face) serveTranscoded(q *s3Request, o *Object) error {
	zr, err := gzip.NewReader(bytes.NewReader(o.Body))
	if err != nil {
		return f.serveBody(q, o)
	}
	h := q.w.Header()
	h.Del("Content-Encoding")
	h.Set("Warning", "214 UploadServer gunzipped")
	q.w.WriteHeader(http.StatusOK)
	if q.Method == http.MethodGet {
		io.Copy(q.w, zr) //nolint:errcheck,gosec // stored by tests; the client has gone
	}
	return nil
}

// s3Range reads a Range header; ok is false when the whole object is to be
// sent, as for forms that S3 ignores.
func s3Range(header string, size int64) (from, to int64, ok bool, err error) {
	spec, found := strings.CutPrefix(header, "bytes=")
	if !found || strings.Contains(spec, ",") {
		return 0, 0, false, nil
	}
	first, last, found := strings.Cut(strings.TrimSpace(spec), "-")
	if !found {
		return 0, 0, false, nil
	}
	a, hasFirst := s3Offset(first)
	b, hasLast := s3Offset(last)
	from, to = a, size
	switch {
	case first == "" && hasLast:
		from = max(size-b, 0)
		if b == 0 {
			from = size
		}
	case !hasFirst || last != "" && (!hasLast || b < a):
		return 0, 0, false, nil
	case last != "":
		to = min(b+1, size)
	}
	if from >= size {
		return 0, 0, false, s3Fail(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable").
			with("RangeRequested", header).with("ActualObjectSize", strconv.FormatInt(size, 10)).
			withHeader("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
	}
	return from, to, true, nil
}

func s3Offset(s string) (n int64, ok bool) {
	u, err := strconv.ParseUint(s, 10, 62)
	return int64(u), err == nil
}

// s3Time is the precision of times in XML answers.
func s3Time(o *Object) time.Time { return o.Created.Truncate(time.Second) }
