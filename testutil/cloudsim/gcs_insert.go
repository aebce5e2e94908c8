package cloudsim

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
)

// insertMedia is an upload of bytes alone ("Simple uploads").
func (g *gcsFace) insertMedia(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	in := gcsInput{ContentType: r.Header.Get("Content-Type"), ContentEncoding: c.query.Get("contentEncoding")}
	if err := in.named(c); err != nil {
		return err
	}
	body, err := gcsReadAll(r)
	if err != nil {
		return err
	}
	return g.insert(w, r, c, in, c.fault.flip(body))
}

// insertMultipart is an upload of metadata and bytes in one request
// ("Multipart uploads"). The closing boundary must be there.
func (g *gcsFace) insertMultipart(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	in, media, err := readGCSMultipart(r)
	if err != nil {
		return err
	}
	if err := in.named(c); err != nil {
		return err
	}
	return g.insert(w, r, c, in, c.fault.flip(media))
}

func readGCSMultipart(r *http.Request) (in gcsInput, media []byte, err error) {
	malformed := func(err error) error {
		if err == nil || errors.Is(err, io.EOF) {
			return gcsFail(http.StatusBadRequest, "badRequest", "InvalidArgument", "Malformed multipart body.")
		}
		return err
	}
	typ, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || typ != "multipart/related" && typ != "multipart/mixed" || params["boundary"] == "" {
		return in, nil, malformed(nil)
	}
	mr := multipart.NewReader(r.Body, params["boundary"])
	part, err := mr.NextRawPart()
	if err != nil {
		return in, nil, malformed(err)
	}
	meta, err := io.ReadAll(io.LimitReader(part, 1<<20))
	if err != nil {
		return in, nil, malformed(err)
	}
	if in, err = parseGCSInput(meta); err != nil {
		return in, nil, err
	}
	if part, err = mr.NextRawPart(); err != nil {
		return in, nil, malformed(err)
	}
	if in.ContentType == "" {
		in.ContentType = part.Header.Get("Content-Type")
	}
	if media, err = io.ReadAll(part); err != nil {
		return in, nil, malformed(err)
	}
	if _, err = mr.NextRawPart(); err != io.EOF { //nolint:errorlint // NextRawPart returns it bare
		return in, nil, malformed(err)
	}
	return in, media, nil
}

// insert stores an object whose bytes have all arrived.
func (g *gcsFace) insert(w http.ResponseWriter, r *http.Request, c *gcsCall, in gcsInput, body []byte) error {
	o, err := g.store(r, c, in, body)
	if err != nil {
		return err
	}
	writeGCSJSON(w, http.StatusOK, newGCSResource(gcsBase(r), c.bucket, o))
	return nil
}

// store verifies, and puts the object on the conditions of the request.
func (g *gcsFace) store(r *http.Request, c *gcsCall, in gcsInput, body []byte) (*Object, error) {
	b, err := g.bucketOf(c.bucket)
	if err != nil {
		return nil, err
	}
	conds, err := gcsQueryConds(c.query, "if")
	if err != nil {
		return nil, err
	}
	in.hashes(r.Header)
	if err := in.verify(body); err != nil {
		return nil, err
	}
	c.fault.unnoticed()
	return b.Put(in.object(body), g.origin(r, "objects.insert"), conds.check, nil)
}

func (g *gcsFace) origin(r *http.Request, operation string) Origin {
	return Origin{Operation: operation, RequestID: r.Header.Get("X-Goog-Gcs-Idempotency-Token")}
}
