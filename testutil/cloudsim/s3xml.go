package cloudsim

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

const s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// s3Error is an answer in the form of the "Error responses" chapter.
type s3Error struct {
	status        int
	code, message string
	fields        [][2]string // further elements of the document
	header        [][2]string
}

func s3Fail(status int, code, message string) *s3Error {
	return &s3Error{status: status, code: code, message: message}
}

func s3NoSuchKey(key string) *s3Error {
	return s3Fail(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.").with("Key", key)
}

func s3Precondition(condition string) *s3Error {
	return s3Fail(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold").with("Condition", condition)
}

func s3Invalid(format string, args ...any) *s3Error {
	return s3Fail(http.StatusBadRequest, "InvalidRequest", fmt.Sprintf(format, args...))
}

func s3InvalidArgument(name, value, message string) *s3Error {
	return s3Fail(http.StatusBadRequest, "InvalidArgument", message).with("ArgumentName", name).with("ArgumentValue", value)
}

func (e *s3Error) with(name, value string) *s3Error {
	e.fields = append(e.fields, [2]string{name, value})
	return e
}

func (e *s3Error) withHeader(name, value string) *s3Error {
	e.header = append(e.header, [2]string{name, value})
	return e
}

func (e *s3Error) Error() string { return e.code + ": " + e.message }

// fail answers with err. As on S3, HEAD and 304 have no body, so that a client
// learns nothing but the status.
func (q *s3Request) fail(err error) {
	e, ok := errors.AsType[*s3Error](err)
	if !ok {
		e = s3Fail(http.StatusInternalServerError, "InternalError", err.Error())
	}
	for _, h := range e.header {
		q.w.Header().Set(h[0], h[1])
	}
	if q.Method == http.MethodHead || e.status == http.StatusNotModified {
		q.w.WriteHeader(e.status)
		return
	}
	var x s3XML
	x.prolog()
	x.b.WriteString("<Error>")
	x.element("Code", e.code)
	x.element("Message", e.message)
	for _, f := range e.fields {
		x.element(f[0], f[1])
	}
	x.element("Resource", q.URL.EscapedPath())
	x.element("RequestId", q.id)
	x.b.WriteString("</Error>")
	x.write(q, e.status)
}

// s3XML writes documents. Unlike encoding/xml it writes bytes that XML cannot
// hold as references, as S3 does, and not as other characters: a client that
// lists such keys without encoding-type=url gets a document it cannot read.
type s3XML struct{ b bytes.Buffer }

func (x *s3XML) prolog() { x.b.WriteString(xml.Header) }

// open begins the document with its root element.
func (x *s3XML) open(root string) {
	x.prolog()
	x.b.WriteString("<" + root + ` xmlns="` + s3Namespace + `">`)
}

func (x *s3XML) close(name string) { x.b.WriteString("</" + name + ">") }

func (x *s3XML) begin(name string) { x.b.WriteString("<" + name + ">") }

// element writes one element with text; attr, if given, goes into its tag.
func (x *s3XML) element(name, text string, attr ...string) {
	x.b.WriteByte('<')
	x.b.WriteString(name)
	for _, a := range attr {
		x.b.WriteString(a)
	}
	x.b.WriteByte('>')
	x.text(text)
	x.b.WriteString("</")
	x.b.WriteString(name)
	x.b.WriteByte('>')
}

func (x *s3XML) number(name string, n int64) { x.element(name, strconv.FormatInt(n, 10)) }

func (x *s3XML) time(name string, t time.Time) {
	x.element(name, t.UTC().Format("2006-01-02T15:04:05.000Z"))
}

func (x *s3XML) etag(etag string) { x.element("ETag", `"`+etag+`"`) }

func (x *s3XML) text(s string) {
	last := 0
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		var ref string
		switch {
		case r == '&':
			ref = "&amp;"
		case r == '<':
			ref = "&lt;"
		case r == '>':
			ref = "&gt;"
		case r == '"':
			ref = "&quot;"
		case r < 0x20 || r == 0xFFFE || r == 0xFFFF:
			ref = fmt.Sprintf("&#x%X;", r)
		default:
			i += n
			continue
		}
		x.b.WriteString(s[last:i])
		x.b.WriteString(ref)
		i += n
		last = i
	}
	x.b.WriteString(s[last:])
}

// send answers with the document. It returns nil so that handlers can end in it.
func (x *s3XML) send(q *s3Request, status int) error {
	x.write(q, status)
	return nil
}

func (x *s3XML) write(q *s3Request, status int) {
	h := q.w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Length", strconv.Itoa(x.b.Len()))
	q.w.WriteHeader(status)
	q.w.Write(x.b.Bytes()) //nolint:errcheck // the client has gone
}

// s3Decode reads an XML request body.
func s3Decode(body []byte, into any) error {
	if err := xml.Unmarshal(body, into); err != nil {
		return s3MalformedXML()
	}
	return nil
}

func s3MalformedXML() *s3Error {
	return s3Fail(http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}
