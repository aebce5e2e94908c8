package cloudsim

import (
	"net/http"
	"net/url"
	"strings"
)

// GCSOptions configure the GCS face. The zero value is ready.
type GCSOptions struct {
	Recorder *Recorder // counts requests; nil counts none
	Faults   *Faults   // decide which requests fail; nil for none

	// Token, where set, is the OAuth bearer token that every request must
	// carry; others are answered with 401.
	Token string
}

// NewGCS returns the Google Cloud Storage face of core: the JSON API with its
// uploads, and the reads of the XML API, which the Go client uses by default.
// It is served at the root of a URL, to which STORAGE_EMULATOR_HOST or
// option.WithEndpoint(URL + "/storage/v1/") points the unmodified client.
//
// Buckets grant access uniformly: no ACLs are returned. What is not simulated
// (batches, folders, matchGlob, encryption keys, soft delete) is answered
// with 501, so that no test passes by accident.
func NewGCS(core *Core, opts GCSOptions) http.Handler {
	return &gcsFace{core: core, opts: opts, uploads: newGCSUploads()}
}

type gcsFace struct {
	core    *Core
	opts    GCSOptions
	uploads *gcsUploads
}

// gcsCall is one request as routed.
type gcsCall struct {
	op     string // as recorded
	bucket string
	object string
	dest   gcsName // of a rewrite
	query  url.Values
	xml    bool
	fault  *injection // nil for none
}

type gcsName struct{ bucket, object string }

type gcsHandler func(http.ResponseWriter, *http.Request, *gcsCall) error

func (g *gcsFace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &gcsCall{query: r.URL.Query()}
	rec := &gcsResponse{ResponseWriter: w, status: http.StatusOK}
	handle, err := g.route(r, c)
	// Deferred, because a fault may end the handler.
	defer func() { g.opts.Recorder.Record(Call{Op: c.op, Bucket: c.bucket, Key: c.object, Status: rec.status}) }()
	if c.fault = g.opts.Faults.pick(c.op, c.object); c.fault != nil && err == nil {
		if err = c.fault.gcs(w.Header()); err == nil {
			rec.ResponseWriter = c.fault.begin(w, r)
		}
	}
	if err == nil {
		if g.opts.Token != "" && r.Header.Get("Authorization") != "Bearer "+g.opts.Token {
			err = gcsFail(http.StatusUnauthorized, "required", "AuthenticationRequired", "Login Required.")
		} else {
			err = handle(rec, r, c)
		}
	}
	if err != nil {
		writeGCSError(rec, r, c, err)
	}
	c.fault.end(r)
}

// gcsResponse remembers the status for the Recorder.
type gcsResponse struct {
	http.ResponseWriter
	status int
}

func (w *gcsResponse) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap serves http.ResponseController.
func (w *gcsResponse) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// route finds the operation. It works on the escaped path: names may contain
// escaped slashes, which must not part segments, and must not be cleaned.
func (g *gcsFace) route(r *http.Request, c *gcsCall) (gcsHandler, error) {
	c.op = "unknown"
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	for _, prefix := range []string{"resumable/upload/storage/v1/b/", "upload/storage/v1/b/"} {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			return g.routeUpload(r, c, rest)
		}
	}
	switch p := strings.TrimPrefix(path, "download/"); {
	case p == "storage/v1/b" || p == "b":
		return g.routeBuckets(r, c)
	case strings.HasPrefix(p, "storage/v1/b/"):
		return g.routeJSON(r, c, p[len("storage/v1/b/"):])
	case strings.HasPrefix(p, "b/"): // an endpoint without storage/v1; "b" is too short for a bucket
		return g.routeJSON(r, c, p[len("b/"):])
	case strings.HasPrefix(p, "storage/v1/"), strings.HasPrefix(p, "batch/"):
		return nil, gcsUnsupported("this API")
	}
	return g.routeXML(r, c, path)
}

func (g *gcsFace) routeUpload(r *http.Request, c *gcsCall, rest string) (gcsHandler, error) {
	bucket, tail, _ := strings.Cut(rest, "/")
	if tail != "o" {
		return nil, gcsUnsupported("this path of the upload API")
	}
	var err error
	if c.bucket, err = url.PathUnescape(bucket); err != nil {
		return nil, gcsInvalid("The bucket's name is escaped wrongly.")
	}
	c.op = "objects.insert"
	c.object = c.query.Get("name")
	if c.query.Get("uploadType") == "resumable" && c.query.Has("upload_id") {
		c.op = "resumable." + map[string]string{http.MethodPut: "put", http.MethodPost: "put", http.MethodDelete: "cancel"}[r.Method]
		return g.resumableRequest, nil
	}
	if r.Method != http.MethodPost {
		return nil, gcsMethod(r)
	}
	switch c.query.Get("uploadType") {
	case "media":
		return g.insertMedia, nil
	case "multipart":
		return g.insertMultipart, nil
	case "resumable":
		c.op = "resumable.start"
		return g.resumableStart, nil
	default:
		return nil, gcsInvalid("uploadType must be media, multipart or resumable.")
	}
}

func (g *gcsFace) routeBuckets(r *http.Request, c *gcsCall) (gcsHandler, error) {
	if r.Method != http.MethodPost {
		return nil, gcsUnsupported("listing buckets")
	}
	c.op = "buckets.insert"
	return g.insertBucket, nil
}

// routeJSON serves what is below /storage/v1/b/.
func (g *gcsFace) routeJSON(r *http.Request, c *gcsCall, rest string) (gcsHandler, error) {
	seg := strings.Split(rest, "/")
	for i, s := range seg {
		var err error
		if seg[i], err = url.PathUnescape(s); err != nil {
			return nil, gcsInvalid("The path is escaped wrongly.")
		}
	}
	c.bucket = seg[0]
	switch {
	case len(seg) == 1 && r.Method == http.MethodGet:
		c.op = "buckets.get"
		return g.getBucket, nil
	case len(seg) == 2 && seg[1] == "o":
		if r.Method != http.MethodGet {
			return nil, gcsMethod(r)
		}
		c.op = "objects.list"
		return g.listObjects, nil
	case len(seg) == 3 && seg[1] == "o":
		c.object = seg[2]
		return g.routeObject(r, c)
	case len(seg) == 4 && seg[1] == "o" && seg[3] == "compose" && r.Method == http.MethodPost:
		c.object, c.op = seg[2], "objects.compose"
		return g.compose, nil
	case len(seg) == 8 && seg[1] == "o" && seg[3] == "rewriteTo" && seg[4] == "b" && seg[6] == "o" && r.Method == http.MethodPost:
		c.object, c.op = seg[2], "objects.rewrite"
		c.dest = gcsName{seg[5], seg[7]}
		return g.rewrite, nil
	}
	return nil, gcsUnsupported("this path of the JSON API")
}

func (g *gcsFace) routeObject(r *http.Request, c *gcsCall) (gcsHandler, error) {
	switch r.Method {
	case http.MethodGet:
		if c.query.Get("alt") == "media" {
			c.op = "media.get"
			return g.readJSON, nil
		}
		c.op = "objects.get"
		return g.getObject, nil
	case http.MethodPatch:
		c.op = "objects.patch"
		return g.patchObject, nil
	case http.MethodPut:
		c.op = "objects.update"
		return g.updateObject, nil
	case http.MethodDelete:
		c.op = "objects.delete"
		return g.deleteObject, nil
	}
	return nil, gcsMethod(r)
}

// routeXML serves /bucket/object, whose slashes may be escaped or not.
func (g *gcsFace) routeXML(r *http.Request, c *gcsCall, path string) (gcsHandler, error) {
	c.xml = true
	bucket, object, _ := strings.Cut(path, "/")
	var err error
	if c.bucket, err = url.PathUnescape(bucket); err == nil {
		c.object, err = url.PathUnescape(object)
	}
	if err != nil {
		return nil, gcsInvalid("The path is escaped wrongly.")
	}
	if c.object == "" {
		return nil, gcsUnsupported("buckets in the XML API")
	}
	switch r.Method {
	case http.MethodGet:
		c.op = "media.get"
	case http.MethodHead:
		c.op = "media.head"
	default:
		return nil, gcsUnsupported("writes by the XML API")
	}
	return g.readXML, nil
}

// bucketOf returns the bucket of the call, or 404.
func (g *gcsFace) bucketOf(name string) (*Bucket, error) {
	if b := g.core.Bucket(name); b != nil {
		return b, nil
	}
	return nil, gcsFail(http.StatusNotFound, "notFound", "NoSuchBucket", "The specified bucket does not exist.")
}
