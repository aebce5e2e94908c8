package cloudsim

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// readXML is GET or HEAD of an object by the XML API. The headers are those
// that the service was recorded to send.
func (g *gcsFace) readXML(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	conds, err := gcsHeaderConds(r.Header)
	if err != nil {
		return err
	}
	o, err := g.readable(c, conds)
	if err != nil {
		return err
	}
	h := w.Header()
	for name, value := range o.Metadata {
		h["X-Goog-Meta-"+name] = []string{value} // names that no header can have are left out by net/http
	}
	h["X-Goog-Hash"] = gcsHashes(o)
	h.Set("Etag", gcsMediaETag(o))
	switch tag := gcsMediaETag(o); {
	case r.Header.Get("If-Match") != "" && r.Header.Get("If-Match") != tag:
		return gcsUnmet(false)
	case r.Header.Get("If-None-Match") == tag:
		return gcsUnmet(true)
	}
	gcsSetDefault(h, "Cache-Control", o.CacheControl, "private, max-age=0")
	return g.serve(w, r, o)
}

// readJSON is an objects.get with alt=media.
func (g *gcsFace) readJSON(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	conds, err := gcsQueryConds(c.query, "if")
	if err != nil {
		return err
	}
	o, err := g.readable(c, conds)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("X-Goog-Hash", strings.Join(gcsHashes(o), ","))
	h.Set("Etag", gcsETag(o))
	gcsSetDefault(h, "Cache-Control", o.CacheControl, "no-cache, no-store, max-age=0, must-revalidate")
	return g.serve(w, r, o)
}

func (g *gcsFace) readable(c *gcsCall, conds gcsConds) (*Object, error) {
	b, err := g.bucketOf(c.bucket)
	if err != nil {
		return nil, err
	}
	o, err := gcsPick(b, c.object, c.query.Get("generation"))
	if err != nil {
		return nil, err
	}
	return o, conds.check(o)
}

func gcsHashes(o *Object) []string {
	sums := []string{"crc32c=" + gcsCRC(o.CRC32C)}
	if o.MD5 != nil {
		sums = append(sums, "md5="+base64.StdEncoding.EncodeToString(o.MD5))
	}
	return sums
}

func gcsMediaETag(o *Object) string {
	if o.MD5 != nil {
		return `"` + hex.EncodeToString(o.MD5) + `"`
	}
	return `"-` + gcsETag(o) + `"`
}

func gcsSetDefault(h http.Header, name, value, absent string) {
	if value == "" {
		value = absent
	}
	if value != "" {
		h.Set(name, value)
	}
}

// serve sends the bytes: decoded, whole and without a length for clients that
// do not take gzip ("Transcoding of gzip-compressed files"), else as stored,
// or the range of them that was asked for.
func (g *gcsFace) serve(w http.ResponseWriter, r *http.Request, o *Object) error {
	h := w.Header()
	gcsSetDefault(h, "Content-Type", o.ContentType, "application/octet-stream")
	gcsSetDefault(h, "Content-Disposition", o.ContentDisposition, "")
	gcsSetDefault(h, "Content-Language", o.ContentLanguage, "")
	h.Set("Last-Modified", o.Created.UTC().Format(http.TimeFormat))
	h.Set("X-Goog-Generation", strconv.FormatInt(o.Generation, 10))
	h.Set("X-Goog-Metageneration", strconv.FormatInt(o.Metageneration, 10))
	gcsSetDefault(h, "X-Goog-Storage-Class", o.StorageClass, "STANDARD")
	gcsSetDefault(h, "X-Goog-Stored-Content-Encoding", o.ContentEncoding, "identity")
	h.Set("X-Goog-Stored-Content-Length", strconv.Itoa(len(o.Body)))
	gcsSetDefault(h, "X-Goog-Component-Count", o.Extra[gcsComponents], "")
	if o.ContentEncoding == "gzip" {
		h.Set("Vary", "Accept-Encoding")
		if plain, ok := gcsTranscode(r, o); ok {
			h.Del("Etag")
			h.Set("Accept-Ranges", "none")
			h.Set("Warning", "214 UploadServer gunzipped")
			w.WriteHeader(http.StatusOK)
			if f, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
				_ = http.NewResponseController(f.Unwrap()).Flush() // so that no length is sent
			}
			return gcsSend(w, r, plain)
		}
	}
	gcsSetDefault(h, "Content-Encoding", o.ContentEncoding, "")
	h.Set("Accept-Ranges", "bytes")
	n := int64(len(o.Body))
	first, last, ok := gcsRange(r.Header.Get("Range"), n)
	if !ok {
		gcsDropBodyHeaders(h)
		e := gcsFail(http.StatusRequestedRangeNotSatisfiable, "requestedRangeNotSatisfiable", "InvalidRange", "The requested range cannot be satisfied.")
		e.details = r.Header.Get("Range")
		return e
	}
	h.Set("Content-Length", strconv.FormatInt(last-first+1, 10))
	status := http.StatusOK
	if last-first+1 < n { // a range of everything is answered with 200
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, n))
	}
	w.WriteHeader(status)
	return gcsSend(w, r, o.Body[first:last+1])
}

// gcsDropBodyHeaders takes back what described the object's bytes, before an
// error is sent in their place.
func gcsDropBodyHeaders(h http.Header) {
	for _, name := range []string{"Content-Encoding", "Content-Disposition", "Content-Language", "Content-Type"} {
		h.Del(name)
	}
}

// gcsSend writes the body. A client that has gone is no error of the service.
func gcsSend(w http.ResponseWriter, r *http.Request, body []byte) error {
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
	return nil
}

// gcsTranscode returns the decoded body where the service would decode it.
func gcsTranscode(r *http.Request, o *Object) ([]byte, bool) {
	for _, accept := range r.Header.Values("Accept-Encoding") {
		for enc := range strings.SplitSeq(accept, ",") {
			if name, _, _ := strings.Cut(enc, ";"); strings.EqualFold(strings.TrimSpace(name), "gzip") {
				return nil, false
			}
		}
	}
	if strings.Contains(o.CacheControl, "no-transform") {
		return nil, false
	}
	zr, err := gzip.NewReader(bytes.NewReader(o.Body))
	if err != nil {
		return nil, false
	}
	plain, err := io.ReadAll(zr)
	return plain, err == nil
}

// gcsRange reads a Range header for a body of n bytes; last is inclusive. A
// header that is not understood, or of several ranges, asks for everything.
// False means that no byte is in the range.
func gcsRange(s string, n int64) (first, last int64, ok bool) {
	all := func() (int64, int64, bool) { return 0, n - 1, true }
	spec, isBytes := strings.CutPrefix(s, "bytes=")
	a, b, isSpan := strings.Cut(spec, "-")
	if !isBytes || !isSpan {
		return all()
	}
	if a == "" {
		length, err := strconv.ParseInt(b, 10, 64)
		if err != nil || length < 0 {
			return all()
		}
		return max(n-length, 0), n - 1, length > 0 && n > 0
	}
	first, err := strconv.ParseInt(a, 10, 64)
	if err != nil || first < 0 {
		return all()
	}
	last = n - 1
	if b != "" {
		end, err := strconv.ParseInt(b, 10, 64)
		if err != nil || end < first {
			return all()
		}
		last = min(last, end)
	}
	return first, last, first < n
}
