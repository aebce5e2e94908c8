package cloudsim

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// gcsChunkUnit is the multiple in which the service keeps what arrives before
// the end of an upload ("Resumable uploads").
const gcsChunkUnit = 256 << 10

// gcsFinished bounds the ended uploads that are remembered.
const gcsFinished = 4096

// gcsUploads are the resumable uploads of a face.
type gcsUploads struct {
	mu    sync.Mutex
	byID  map[string]*gcsUpload
	ended []string // oldest first
}

func newGCSUploads() *gcsUploads { return &gcsUploads{byID: map[string]*gcsUpload{}} }

// gcsUpload is one resumable upload. Its bytes are nobody's object until all
// of them have arrived.
type gcsUpload struct {
	mu    sync.Mutex
	call  gcsCall // of the first request: bucket, name and conditions
	in    gcsInput
	data  []byte
	total int64 // -1 until it is known

	done *Object // stored
	gone error   // refused or cancelled
}

func (u *gcsUploads) add(up *gcsUpload) string {
	id := rand.Text()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.byID[id] = up
	return id
}

func (u *gcsUploads) get(id string) *gcsUpload {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.byID[id]
}

// end forgets the oldest of the ended uploads when there are too many.
func (u *gcsUploads) end(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = append(u.ended, id)
	if len(u.ended) > gcsFinished {
		delete(u.byID, u.ended[0])
		u.ended = u.ended[1:]
	}
}

// resumableStart begins an upload. Conditions are looked at now, to spare the
// client the bytes, and again when it is completed.
func (g *gcsFace) resumableStart(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	body, err := gcsReadAll(r)
	if err != nil {
		return err
	}
	in, err := parseGCSInput(body)
	if err != nil {
		return err
	}
	if err := in.named(c); err != nil {
		return err
	}
	if in.ContentType == "" {
		in.ContentType = r.Header.Get("X-Upload-Content-Type")
	}
	b, err := g.bucketOf(c.bucket)
	if err != nil {
		return err
	}
	conds, err := gcsQueryConds(c.query, "if")
	if err != nil {
		return err
	}
	if err := conds.check(b.Get(in.Name)); err != nil {
		return err
	}
	total := int64(-1)
	if s := r.Header.Get("X-Upload-Content-Length"); s != "" {
		if total, err = strconv.ParseInt(s, 10, 64); err != nil || total < 0 {
			return gcsInvalid("Invalid X-Upload-Content-Length.")
		}
	}
	call := *c
	call.fault = nil
	id := g.uploads.add(&gcsUpload{call: call, in: in, total: total})
	q := url.Values{"uploadType": {"resumable"}, "name": {in.Name}, "upload_id": {id}}
	w.Header().Set("Location", gcsBase(r)+"/upload/storage/v1/b/"+c.bucket+"/o?"+q.Encode())
	w.Header().Set("X-Guploader-Uploadid", id)
	w.WriteHeader(http.StatusOK)
	return nil
}

// resumableRequest is any request to the URL of an upload.
func (g *gcsFace) resumableRequest(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	id := c.query.Get("upload_id")
	up := g.uploads.get(id)
	if up == nil || up.call.bucket != c.bucket {
		return gcsFail(http.StatusNotFound, "notFound", "NoSuchUpload", "No such upload.")
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	c.object = up.in.Name
	switch {
	case up.gone != nil:
		return up.gone
	case r.Method == http.MethodDelete:
		if up.done == nil {
			up.finish(g, id, nil, gcsFail(http.StatusGone, "gone", "Gone", "The upload was cancelled."))
		}
		w.WriteHeader(499) // client closed request: what the service answers here
		return nil
	case r.Method != http.MethodPut && r.Method != http.MethodPost:
		return gcsMethod(r)
	case up.done != nil:
		writeGCSJSON(w, http.StatusOK, newGCSResource(gcsBase(r), c.bucket, up.done))
		return nil
	}
	cr, err := parseGCSContentRange(r)
	if err != nil {
		return err
	}
	if cr.first < 0 && cr.total < 0 || cr.first < 0 && cr.total != int64(len(up.data)) {
		c.op = "resumable.query"
	}
	if c.fault != nil && c.fault.kind == CorruptWrite {
		up.call.fault = c.fault // what it spoils is found out at the end
	}
	if err := up.receive(r, cr); err != nil {
		return err
	}
	if up.total != int64(len(up.data)) || cr.first < 0 && cr.total < 0 {
		up.incomplete(w, r)
		return nil
	}
	o, err := g.store(r, &up.call, up.in, up.data)
	if err != nil {
		up.finish(g, id, nil, err)
		return err
	}
	up.finish(g, id, o, nil)
	writeGCSJSON(w, http.StatusOK, newGCSResource(gcsBase(r), c.bucket, o))
	return nil
}

func (u *gcsUpload) finish(g *gcsFace, id string, done *Object, gone error) {
	u.done, u.gone, u.data = done, gone, nil
	g.uploads.end(id)
}

// receive takes the bytes of one request. Those that are there already are
// passed over; those that would leave a gap are refused.
func (u *gcsUpload) receive(r *http.Request, cr gcsContentRange) error {
	if cr.total >= 0 {
		if u.total >= 0 && u.total != cr.total || cr.total < int64(len(u.data)) {
			return gcsInvalid("Invalid request. The total of %d bytes does not agree with what was said before.", cr.total)
		}
		u.total = cr.total
	}
	if cr.first < 0 {
		return nil
	}
	have := int64(len(u.data))
	if cr.first > have {
		return gcsInvalid("Invalid request. There were %d byte(s) of the upload; the chunk begins at %d.", have, cr.first)
	}
	if cr.last >= 0 && r.ContentLength >= 0 && r.ContentLength != cr.last-cr.first+1 {
		return gcsInvalid("Invalid request. There were %d byte(s) in the request body. There should have been %d byte(s) according to the Content-Range header.",
			r.ContentLength, cr.last-cr.first+1)
	}
	if n, _ := io.CopyN(io.Discard, r.Body, have-cr.first); n < have-cr.first {
		return nil // fewer than are there already: nothing new
	}
	body, err := gcsReadPart(r)
	body = u.call.fault.flip(body)
	end := have + int64(len(body))
	switch {
	case err == nil && cr.last < 0: // no Content-Range: this is all
		if u.total >= 0 && u.total != end {
			return gcsInvalid("Invalid request. %d bytes where %d were promised.", end, u.total)
		}
		u.data, u.total = append(u.data, body...), end
		return nil
	case err == nil && end != cr.last+1:
		return gcsInvalid("Invalid request. The body and its Content-Range differ in length.")
	case u.total < 0 || end < u.total:
		body = body[:(have+int64(len(body)))/gcsChunkUnit*gcsChunkUnit-have]
	case end > u.total:
		return gcsInvalid("Invalid request. More bytes than the total of %d.", u.total)
	}
	u.data = append(u.data, body...)
	return err
}

// gcsReadPart reads the body as far as it goes: unlike elsewhere, the part
// that arrived before an error counts.
func gcsReadPart(r *http.Request) ([]byte, error) {
	var b []byte
	if r.ContentLength > 0 {
		b = make([]byte, 0, min(r.ContentLength, gcsPrealloc)+512)
	}
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// incomplete says how much is there.
func (u *gcsUpload) incomplete(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if n := len(u.data); n > 0 {
		h.Set("Range", fmt.Sprintf("bytes=0-%d", n-1))
	}
	h.Set("Content-Length", "0")
	if r.Header.Get("X-Guploader-No-308") == "yes" {
		h.Set("X-Http-Status-Code-Override", "308")
		w.WriteHeader(http.StatusOK)
		return
	}
	w.WriteHeader(http.StatusPermanentRedirect)
}

// gcsContentRange is a parsed Content-Range: first is -1 for "bytes */…",
// total -1 for "…/*", and last -1 where there is no such header.
type gcsContentRange struct{ first, last, total int64 }

func parseGCSContentRange(r *http.Request) (gcsContentRange, error) {
	s := r.Header.Get("Content-Range")
	if s == "" {
		return gcsContentRange{0, -1, -1}, nil
	}
	bad := gcsInvalid("Failed to parse Content-Range header.")
	span, total, ok := strings.Cut(strings.TrimPrefix(s, "bytes "), "/")
	if !ok || !strings.HasPrefix(s, "bytes ") {
		return gcsContentRange{}, bad
	}
	cr := gcsContentRange{-1, -1, -1}
	var err error
	if total != "*" {
		if cr.total, err = strconv.ParseInt(total, 10, 64); err != nil || cr.total < 0 {
			return cr, bad
		}
	}
	if span == "*" {
		return cr, nil
	}
	first, last, ok := strings.Cut(span, "-")
	if !ok {
		return cr, bad
	}
	if cr.first, err = strconv.ParseInt(first, 10, 64); err != nil || cr.first < 0 {
		return cr, bad
	}
	if cr.last, err = strconv.ParseInt(last, 10, 64); err != nil || cr.last < cr.first || cr.total >= 0 && cr.last >= cr.total {
		return cr, bad
	}
	return cr, nil
}
