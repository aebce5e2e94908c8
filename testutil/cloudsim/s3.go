package cloudsim

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// S3Options configure the S3 face.
type S3Options struct {
	// Recorder, if any, sees every request under the name of its S3 operation.
	Recorder *Recorder

	// Faults, if any, decide which requests fail.
	Faults *Faults

	// Credentials maps access keys to secret keys. When it has any, the
	// Signature V4 of every request, in headers or presigned, is checked with
	// its payload hash and expiry. Otherwise every request is let in.
	Credentials map[string]string

	// Region is where the buckets are: default us-east-1.
	Region string

	// MinPartBytes is the least size of a part that is not the last: default
	// 5 MiB, as on S3. Tests of many uploads set less.
	MinPartBytes int

	// Principals maps access keys to the ARN of whose they are, which bucket
	// policies see as aws:PrincipalArn: of a role, not of its session. An access
	// key that it does not name is a root user's; a request without one is
	// anonymous, and has no ARN.
	Principals map[string]string

	// PolicyLag delays the effect of changed bucket policies: default not.
	PolicyLag S3PolicyLag

	// Interop makes the face behave as Cloud Storage does to S3 clients: see
	// s3interop.go.
	Interop bool
}

// Limits of Amazon S3 ("Amazon S3 quotas", "Object key naming guidelines",
// "Working with object metadata").
const (
	s3MaxKey      = 1024
	s3MaxMetadata = 2048
	s3MaxBody     = 5 << 30
	s3MaxXML      = 4 << 20
	s3MaxKeys     = 1000
	s3MinPart     = 5 << 20
	s3MaxParts    = 10000
)

// NewS3 returns the S3 face of core: the REST API with path-style addresses.
func NewS3(core *Core, opts S3Options) http.Handler {
	if opts.Region == "" {
		opts.Region = "us-east-1"
	}
	if opts.MinPartBytes == 0 {
		opts.MinPartBytes = s3MinPart
	}
	return &s3Face{core: core, opts: opts, uploads: s3Uploads{byID: map[string]*s3Upload{}}, policies: s3Policies{byBucket: map[string]*s3Policy{}}}
}

type s3Face struct {
	core     *Core
	opts     S3Options
	uploads  s3Uploads
	policies s3Policies
	requests atomic.Uint64
}

// s3Request is one request on its way through the face.
type s3Request struct {
	*http.Request
	w          *s3StatusWriter
	id         string
	op         string
	bucketName string
	bucket     *Bucket
	key        string
	query      url.Values
	sig        *s3Signature // nil when signatures are not checked
	sent       http.Header  // as sent; Header may be respelled
	google     bool         // in the x-goog-* dialect
	fault      *injection   // nil for none
	denies     []s3Deny     // of the bucket's policy
	principal  string       // where there are denies
}

// s3StatusWriter remembers the status for the Recorder.
type s3StatusWriter struct {
	http.ResponseWriter
	status int
	google bool // respell vendor headers
}

func (w *s3StatusWriter) WriteHeader(status int) {
	w.status = status
	if w.google {
		interopRespell(w.Header(), "X-Amz-", "X-Goog-")
	}
	w.ResponseWriter.WriteHeader(status)
}

func (f *s3Face) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sw := &s3StatusWriter{ResponseWriter: w, status: http.StatusOK}
	q := &s3Request{Request: r, sent: r.Header, w: sw, op: "Unknown", id: requestID(f.requests.Add(1))}
	h := w.Header()
	h.Set("x-amz-request-id", q.id)
	h.Set("Server", "AmazonS3")
	// Deferred, because a fault may end the handler.
	defer func() { f.opts.Recorder.Record(Call{Op: q.op, Bucket: q.bucketName, Key: q.key, Status: sw.status}) }()
	if err := f.serve(q); err != nil {
		// Reading on lets a client that is still sending see the answer.
		io.CopyN(io.Discard, r.Body, 64<<20) //nolint:errcheck // the answer is an error anyway
		q.fail(err)
	}
	q.fault.end(r)
}

func (f *s3Face) serve(q *s3Request) error {
	if err := q.parse(); err != nil {
		return err
	}
	if f.opts.Interop {
		if err := q.readDialect(); err != nil {
			return err
		}
	}
	var handle func(*s3Request) error
	q.op, handle = f.route(q)
	if q.fault = f.opts.Faults.pick(q.op, q.key); q.fault != nil {
		if err := q.fault.s3(f.opts.Interop); err != nil {
			return err
		}
		q.w.ResponseWriter = q.fault.begin(q.w.ResponseWriter, q.Request)
	}
	if len(f.opts.Credentials) > 0 {
		sig, err := f.authenticate(q)
		if err != nil {
			return err
		}
		q.sig = sig
	}
	if handle == nil {
		return s3Fail(http.StatusNotImplemented, "NotImplemented", "A header or query parameter implies functionality that is not implemented")
	}
	if q.bucketName == "" {
		return s3Fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource")
	}
	q.bucket = f.core.Bucket(q.bucketName)
	if q.bucket == nil && q.op != "CreateBucket" {
		return s3Fail(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist").with("BucketName", q.bucketName)
	}
	if len(q.key) > s3MaxKey {
		return s3Fail(http.StatusBadRequest, "KeyTooLongError", "Your key is too long").
			with("Size", strconv.Itoa(len(q.key))).with("MaxSizeAllowed", strconv.Itoa(s3MaxKey))
	}
	if err := f.authorize(q); err != nil {
		return err
	}
	return handle(q)
}

// parse takes bucket, key and query from the request line exactly as sent: no
// segment is cleaned, merged or decoded twice.
func (q *s3Request) parse() error {
	rest := strings.TrimPrefix(q.URL.EscapedPath(), "/")
	bucket, key, _ := strings.Cut(rest, "/")
	var err error
	if q.bucketName, err = url.PathUnescape(bucket); err != nil {
		return s3BadURI()
	}
	if q.key, err = url.PathUnescape(key); err != nil || !utf8.ValidString(q.key) {
		return s3BadURI()
	}
	if q.query, err = url.ParseQuery(q.URL.RawQuery); err != nil {
		return s3BadURI()
	}
	return nil
}

func s3BadURI() error {
	return s3Fail(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI")
}

// s3SubResources are query parameters that name another operation than the
// plain one. Those the face has no operation for must not fall back to it.
var s3SubResources = []string{
	"accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering",
	"inventory", "legal-hold", "lifecycle", "logging", "metrics", "notification", "object-lock",
	"ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication",
	"requestPayment", "restore", "retention", "select", "tagging", "torrent", "website",
}

func (f *s3Face) route(q *s3Request) (op string, handle func(*s3Request) error) {
	if q.query.Has("policy") && q.key == "" && !f.opts.Interop {
		return f.routePolicy(q)
	}
	for _, s := range s3SubResources {
		if q.query.Has(s) {
			return q.Method + " ?" + s, nil
		}
	}
	if q.key == "" {
		return f.routeBucket(q)
	}
	upload := q.query.Has("uploadId")
	copySource := q.Header.Get("x-amz-copy-source") != ""
	switch {
	case q.Method == http.MethodGet && upload:
		return "ListParts", f.listParts
	case q.Method == http.MethodGet:
		return "GetObject", f.getObject
	case q.Method == http.MethodHead:
		return "HeadObject", f.getObject
	case q.Method == http.MethodPut && upload && copySource:
		return "UploadPartCopy", f.uploadPartCopy
	case q.Method == http.MethodPut && upload:
		return "UploadPart", f.uploadPart
	case q.Method == http.MethodPut && copySource:
		return "CopyObject", f.copyObject
	case q.Method == http.MethodPut:
		return "PutObject", f.putObject
	case q.Method == http.MethodPost && q.query.Has("uploads"):
		return "CreateMultipartUpload", f.createMultipartUpload
	case q.Method == http.MethodPost && upload:
		return "CompleteMultipartUpload", f.completeMultipartUpload
	case q.Method == http.MethodDelete && upload:
		return "AbortMultipartUpload", f.abortMultipartUpload
	case q.Method == http.MethodDelete:
		return "DeleteObject", f.deleteObject
	}
	return q.Method + " object", nil
}

func (f *s3Face) routeBucket(q *s3Request) (op string, handle func(*s3Request) error) {
	switch {
	case q.Method == http.MethodHead:
		return "HeadBucket", f.headBucket
	case q.Method == http.MethodPut && !q.query.Has("versioning"):
		return "CreateBucket", f.createBucket
	case q.Method == http.MethodGet && q.query.Has("location"):
		return "GetBucketLocation", f.getBucketLocation
	case q.Method == http.MethodGet && q.query.Has("versioning"):
		return "GetBucketVersioning", f.getBucketVersioning
	case q.Method == http.MethodGet && q.query.Has("uploads"):
		return "ListMultipartUploads", f.listMultipartUploads
	case q.Method == http.MethodGet && q.query.Has("versions"):
		return "ListObjectVersions", f.listObjectVersions
	case q.Method == http.MethodGet && q.query.Get("list-type") == "2":
		return "ListObjectsV2", f.listObjects
	case q.Method == http.MethodPost && q.query.Has("delete"):
		return "DeleteObjects", f.deleteObjects
	}
	return q.Method + " bucket", nil
}

func (f *s3Face) headBucket(q *s3Request) error {
	q.w.Header().Set("x-amz-bucket-region", f.opts.Region)
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func (f *s3Face) createBucket(q *s3Request) error {
	if q.bucket != nil {
		return s3Fail(http.StatusConflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it")
	}
	f.core.CreateBucket(q.bucketName, false)
	q.w.Header().Set("Location", "/"+q.bucketName)
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func (f *s3Face) getBucketLocation(q *s3Request) error {
	var x s3XML
	region := f.opts.Region
	if region == "us-east-1" {
		region = "" // documented: null for us-east-1
	}
	x.prolog()
	x.element("LocationConstraint", region, ` xmlns="`+s3Namespace+`"`)
	return x.send(q, http.StatusOK)
}

func (f *s3Face) getBucketVersioning(q *s3Request) error {
	var x s3XML
	x.open("VersioningConfiguration")
	if q.bucket.Versioned {
		x.element("Status", "Enabled")
	}
	x.close("VersioningConfiguration")
	return x.send(q, http.StatusOK)
}

func requestID(n uint64) string {
	var b [8]byte
	for i := range b {
		b[i] = byte(n >> (56 - 8*i))
	}
	return strings.ToUpper(hex.EncodeToString(b[:]))
}
