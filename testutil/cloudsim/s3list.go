package cloudsim

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// s3Page holds the parameters that listings have in common.
type s3Page struct {
	prefix, delimiter string
	maxKeys           int
	url               bool // encoding-type=url
}

func s3ReadPage(q *s3Request) (p s3Page, err error) {
	p = s3Page{prefix: q.query.Get("prefix"), delimiter: q.query.Get("delimiter"), maxKeys: s3MaxKeys}
	if v := q.query.Get("max-keys"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return p, s3InvalidArgument("max-keys", v, "Argument maxKeys must be an integer between 0 and 2147483647")
		}
		p.maxKeys = min(n, s3MaxKeys)
	}
	switch v := q.query.Get("encoding-type"); v {
	case "":
	case "url":
		p.url = true
	default:
		return p, s3InvalidArgument("encoding-type", v, "Invalid Encoding Method specified in Request")
	}
	return p, nil
}

// encode is how S3 writes names under encoding-type=url: as in forms, but with
// slashes kept.
func (p s3Page) encode(s string) string {
	if !p.url {
		return s
	}
	return s3FormEncode(s)
}

func s3FormEncode(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/")
}

// s3Cursor is where a listing goes on: behind a key, or behind all keys that
// begin with a common prefix.
type s3Cursor struct {
	after  string
	prefix bool
}

func (c s3Cursor) token() string {
	kind := "k"
	if c.prefix {
		kind = "p"
	}
	return base64.RawURLEncoding.EncodeToString([]byte(kind + c.after))
}

func s3ReadCursor(q *s3Request) (s3Cursor, error) {
	token, ok := q.query["continuation-token"]
	if !ok {
		return s3Cursor{after: q.query.Get("start-after")}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token[0])
	if err != nil || len(b) == 0 || b[0] != 'k' && b[0] != 'p' {
		return s3Cursor{}, s3InvalidArgument("continuation-token", token[0], "The continuation token provided is incorrect")
	}
	return s3Cursor{after: string(b[1:]), prefix: b[0] == 'p'}, nil
}

// s3Entry is one object or common prefix of a page.
type s3Entry struct {
	object *Object
	prefix string
}

// list collects a page. next is the cursor behind it; more is false at the end.
func (p s3Page) list(b *Bucket, at s3Cursor) (entries []s3Entry, next s3Cursor, more bool) {
	next = at
	for p.maxKeys > 0 {
		after, inclusive := next.after, false
		if next.prefix {
			var ok bool
			if after, ok = s3Successor(next.after); !ok {
				return entries, next, false
			}
			inclusive = true
		}
		objects, rest := b.List(p.prefix, after, inclusive, p.maxKeys)
		rolled := false
		for _, o := range objects {
			if len(entries) == p.maxKeys {
				return entries, next, true
			}
			if i := s3Roll(o.Name, p.prefix, p.delimiter); i > 0 {
				entries = append(entries, s3Entry{prefix: o.Name[:i]})
				next = s3Cursor{after: o.Name[:i], prefix: true}
				rolled = true
				break
			}
			entries = append(entries, s3Entry{object: o})
			next = s3Cursor{after: o.Name}
		}
		if !rolled && (!rest || len(entries) == p.maxKeys) {
			return entries, next, rest
		}
	}
	return entries, next, false
}

// s3Roll is the length of the common prefix that name falls under, or 0.
func s3Roll(name, prefix, delimiter string) int {
	if delimiter == "" {
		return 0
	}
	i := strings.Index(name[len(prefix):], delimiter)
	if i < 0 {
		return 0
	}
	return len(prefix) + i + len(delimiter)
}

// s3Successor is the least string greater than all that begin with s.
func s3Successor(s string) (string, bool) {
	b := []byte(s)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1]), true
		}
	}
	return "", false
}

func (f *s3Face) listObjects(q *s3Request) error {
	p, err := s3ReadPage(q)
	if err != nil {
		return err
	}
	at, err := s3ReadCursor(q)
	if err != nil {
		return err
	}
	entries, next, more := p.list(q.bucket, at)

	var x s3XML
	x.b.Grow(1024 + 320*len(entries))
	x.open("ListBucketResult")
	x.element("Name", q.bucket.Name)
	x.element("Prefix", p.encode(p.prefix))
	if v := q.query.Get("start-after"); v != "" {
		x.element("StartAfter", p.encode(v))
	}
	if p.delimiter != "" {
		x.element("Delimiter", p.encode(p.delimiter))
	}
	if v := q.query.Get("continuation-token"); v != "" {
		x.element("ContinuationToken", v)
	}
	x.number("KeyCount", int64(len(entries)))
	x.number("MaxKeys", int64(p.maxKeys))
	if p.url {
		x.element("EncodingType", "url")
	}
	x.element("IsTruncated", boolText(more))
	if more {
		x.element("NextContinuationToken", next.token())
	}
	for _, e := range entries {
		if e.object == nil {
			continue
		}
		o := e.object
		x.begin("Contents")
		x.element("Key", p.encode(o.Name))
		x.time("LastModified", s3Time(o))
		x.etag(s3ETag(o))
		if a := o.Extra["s3-checksum-algorithm"]; a != "" && !f.opts.Interop {
			x.element("ChecksumAlgorithm", a)
			x.element("ChecksumType", o.Extra["s3-checksum-type"])
		}
		x.number("Size", int64(len(o.Body)))
		x.element("StorageClass", s3ClassOf(o))
		x.close("Contents")
	}
	for _, e := range entries {
		if e.object == nil {
			x.begin("CommonPrefixes")
			x.element("Prefix", p.encode(e.prefix))
			x.close("CommonPrefixes")
		}
	}
	x.close("ListBucketResult")
	return x.send(q, http.StatusOK)
}
