package cloudsim

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// s3Client sends plain requests to a face that checks no signatures.
type s3Client struct {
	t    *testing.T
	core *Core
	url  string
}

func newS3Client(t *testing.T, opts S3Options) *s3Client {
	t.Helper()
	c := &s3Client{t: t, core: NewCore(nil)}
	c.core.CreateBucket("b", false)
	c.core.CreateBucket("v", true)
	url, stop := Serve(NewS3(c.core, opts))
	t.Cleanup(stop)
	c.url = url
	return c
}

type s3Answer struct {
	status int
	header http.Header
	body   string
}

// code is the error code of the answer, or "".
func (a s3Answer) code() string {
	var e struct{ Code string }
	if xml.Unmarshal([]byte(a.body), &e) != nil {
		return ""
	}
	return e.Code
}

// do sends one request; headers are "Name: value".
func (c *s3Client) do(method, path, body string, headers ...string) s3Answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	resp, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return s3Answer{resp.StatusCode, resp.Header, string(b)}
}

// want sends a request and requires status and error code.
func (c *s3Client) want(status int, code, method, path, body string, headers ...string) s3Answer {
	c.t.Helper()
	a := c.do(method, path, body, headers...)
	if a.status != status || a.code() != code {
		c.t.Errorf("%s %s %q: %d %q, want %d %q\n%s", method, path, headers, a.status, a.code(), status, code, a.body)
	}
	return a
}

func md5Base64(s string) string {
	sum := md5.Sum([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestS3Conditions(t *testing.T) {
	t.Parallel()
	one, stale := `"`+md5Hex("one")+`"`, `"`+md5Hex("other")+`"`
	copied := "x-amz-copy-source: /b/k"
	replace := "x-amz-metadata-directive: REPLACE"
	for _, tc := range []struct {
		name    string
		method  string
		path    string
		headers []string
		status  int
		code    string
		kept    string // what /b/k holds afterwards
	}{
		{"put absent on existing", "PUT", "/b/k", []string{"If-None-Match: *"}, 412, "PreconditionFailed", "one"},
		{"put absent on absent", "PUT", "/b/new", []string{"If-None-Match: *"}, 200, "", "one"},
		{"put match", "PUT", "/b/k", []string{"If-Match: " + one}, 200, "", "two"},
		{"put match without quotes", "PUT", "/b/k", []string{"If-Match: " + strings.Trim(one, `"`)}, 200, "", "two"},
		{"put match stale", "PUT", "/b/k", []string{"If-Match: " + stale}, 412, "PreconditionFailed", "one"},
		{"put match on absent", "PUT", "/b/new", []string{"If-Match: " + one}, 404, "NoSuchKey", "one"},
		{"put none-match of an ETag", "PUT", "/b/k", []string{"If-None-Match: " + stale}, 501, "NotImplemented", "one"},
		{"delete stale", "DELETE", "/b/k", []string{"If-Match: " + stale}, 412, "PreconditionFailed", "one"},
		{"delete match", "DELETE", "/b/k", []string{"If-Match: " + one}, 204, "", ""},
		{"delete any", "DELETE", "/b/k", []string{"If-Match: *"}, 204, "", ""},
		{"delete any on absent", "DELETE", "/b/new", []string{"If-Match: *"}, 404, "NoSuchKey", "one"},
		{"delete absent", "DELETE", "/b/new", nil, 204, "", "one"},
		{"get match", "GET", "/b/k", []string{"If-Match: " + one}, 200, "", "one"},
		{"get stale", "GET", "/b/k", []string{"If-Match: " + stale}, 412, "PreconditionFailed", "one"},
		{"get unchanged", "GET", "/b/k", []string{"If-None-Match: " + one}, 304, "", "one"},
		{"get unmodified since long ago", "GET", "/b/k", []string{"If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"}, 412, "PreconditionFailed", "one"},
		{"get match outweighs unmodified", "GET", "/b/k", []string{"If-Match: " + one, "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"}, 200, "", "one"},
		{"get modified since the future", "GET", "/b/k", []string{"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"}, 304, "", "one"},
		{"get none-match outweighs modified", "GET", "/b/k", []string{"If-None-Match: " + stale, "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"}, 200, "", "one"},
		{"head stale", "HEAD", "/b/k", []string{"If-Match: " + stale}, 412, "", "one"},
		{"head absent", "HEAD", "/b/new", nil, 404, "", "one"},
		{"copy onto itself unchanged", "PUT", "/b/k", []string{copied}, 400, "InvalidRequest", "one"},
		{"copy onto itself replacing", "PUT", "/b/k", []string{copied, replace}, 200, "", "one"},
		{"copy source stale", "PUT", "/b/new", []string{copied, "x-amz-copy-source-if-match: " + stale}, 412, "PreconditionFailed", "one"},
		{"copy destination stale", "PUT", "/b/k", []string{copied, replace, "If-Match: " + stale}, 412, "PreconditionFailed", "one"},
		{"copy absent on existing", "PUT", "/b/k", []string{copied, replace, "If-None-Match: *"}, 412, "PreconditionFailed", "one"},
		{"copy of absent", "PUT", "/b/k", []string{"x-amz-copy-source: /b/no"}, 404, "NoSuchKey", "one"},
		{"no bucket", "GET", "/nobucket/k", nil, 404, "NoSuchBucket", "one"},
		{"tagging is not a put", "PUT", "/b/k?tagging", nil, 501, "NotImplemented", "one"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newS3Client(t, S3Options{})
			c.want(200, "", "PUT", "/b/k", "one")
			body := ""
			if tc.method == "PUT" {
				body = "two"
			}
			c.want(tc.status, tc.code, tc.method, tc.path, body, tc.headers...)
			got := c.do("GET", "/b/k", "")
			if tc.kept == "" {
				if got.status != 404 {
					t.Errorf("k is still there: %q", got.body)
				}
			} else if got.body != tc.kept {
				t.Errorf("k holds %q, want %q", got.body, tc.kept)
			}
			if o := c.core.Bucket("b").Get("new"); tc.status >= 400 && o != nil {
				t.Error("a refused write stored an object")
			}
		})
	}
}

func TestS3WrongBodies(t *testing.T) {
	t.Parallel()
	const crc = "4waSgw==" // CRC32C of "123456789"
	trailer := []string{"x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length: 9"}
	chunked := func(sum string) string {
		return "5\r\n12345\r\n4\r\n6789\r\n0\r\nx-amz-checksum-crc32c:" + sum + "\r\n\r\n"
	}
	for _, tc := range []struct {
		name    string
		body    string
		headers []string
		status  int
		code    string
	}{
		{"right MD5", "123456789", []string{"Content-MD5: " + md5Base64("123456789")}, 200, ""},
		{"wrong MD5", "123456789", []string{"Content-MD5: " + md5Base64("x")}, 400, "BadDigest"},
		{"no MD5 at all", "123456789", []string{"Content-MD5: zzz"}, 400, "InvalidDigest"},
		{"right CRC32C", "123456789", []string{"x-amz-checksum-crc32c: " + crc}, 200, ""},
		{"wrong CRC32C", "12345678X", []string{"x-amz-checksum-crc32c: " + crc}, 400, "BadDigest"},
		{"right CRC64NVME", "123456789", []string{"x-amz-checksum-crc64nvme: rosUhgp5mIg="}, 200, ""},
		{"wrong SHA256", "123456789", []string{"x-amz-checksum-sha256: " + base64.StdEncoding.EncodeToString(make([]byte, 32))}, 400, "BadDigest"},
		{"right CRC32", "123456789", []string{"x-amz-checksum-crc32: y/Q5Jg=="}, 200, ""},
		{"two checksums", "123456789", []string{"x-amz-checksum-crc32c: " + crc, "x-amz-checksum-crc32: y/Q5Jg=="}, 400, "InvalidRequest"},
		{"malformed checksum", "123456789", []string{"x-amz-checksum-crc32c: AAA"}, 400, "InvalidRequest"},
		{"unknown checksum", "123456789", []string{"x-amz-checksum-xxhash3: AAAAAAAAAAA="}, 501, "NotImplemented"},
		{"wrong payload hash", "123456789", []string{"x-amz-content-sha256: " + s3EmptyHash}, 400, "XAmzContentSHA256Mismatch"},
		{"right trailer", chunked(crc), append(trailer, "x-amz-trailer: x-amz-checksum-crc32c"), 200, ""},
		{"wrong trailer", chunked("AAAAAA=="), append(trailer, "x-amz-trailer: x-amz-checksum-crc32c"), 400, "BadDigest"},
		{"missing trailer", "9\r\n123456789\r\n0\r\n\r\n", append(trailer, "x-amz-trailer: x-amz-checksum-crc32c"), 400, "MalformedTrailerError"},
		{"longer than declared", "a\r\n1234567890\r\n0\r\n\r\n", trailer, 400, "InvalidChunkSizeError"},
		{"shorter than declared", "8\r\n12345678\r\n0\r\n\r\n", trailer, 400, "IncompleteBody"},
		{"cut within a chunk", "9\r\n12345", trailer, 400, "IncompleteBody"},
		{"no last chunk", "9\r\n123456789\r\n", trailer, 400, "IncompleteBody"},
		{"no size", "zz\r\n123456789\r\n0\r\n\r\n", trailer, 400, "InvalidChunkSizeError"},
		{"chunk longer than its size", "5\r\n123456789\r\n0\r\n\r\n", trailer, 400, "InvalidChunkSizeError"},
		{"no decoded length", chunked(crc), trailer[:1], 411, "MissingContentLength"},
		{"metadata of 2 KB", "123456789", []string{"x-amz-meta-a: " + strings.Repeat("x", 2047)}, 200, ""},
		{"metadata above 2 KB", "123456789", []string{"x-amz-meta-a: " + strings.Repeat("x", 2048)}, 400, "MetadataTooLarge"},
		{"storage class", "123456789", []string{"x-amz-storage-class: COLD"}, 400, "InvalidStorageClass"},
		{"object lock", "123456789", []string{"x-amz-object-lock-mode: GOVERNANCE"}, 501, "NotImplemented"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newS3Client(t, S3Options{})
			c.want(200, "", "PUT", "/b/k", "old")
			c.want(tc.status, tc.code, "PUT", "/b/k", tc.body, tc.headers...)
			want := "old"
			if tc.status == 200 {
				want = "123456789"
			}
			a := c.do("GET", "/b/k", "", "x-amz-checksum-mode: ENABLED")
			if a.body != want {
				t.Errorf("k holds %q, want %q", a.body, want)
			}
			for _, h := range tc.headers {
				if name, value, _ := strings.Cut(h, ": "); tc.status == 200 && strings.HasPrefix(name, "x-amz-checksum") && a.header.Get(name) != value {
					t.Errorf("%s is %q when read, want %q", name, a.header.Get(name), value)
				}
			}
			if a.header.Get("Content-Encoding") != "" {
				t.Errorf("Content-Encoding %q was stored", a.header.Get("Content-Encoding"))
			}
		})
	}
}

// TestS3CutConnection closes the connection in the middle of a body.
func TestS3CutConnection(t *testing.T) {
	t.Parallel()
	rec := &Recorder{}
	c := newS3Client(t, S3Options{Recorder: rec})
	c.want(200, "", "PUT", "/b/k", "old")
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if !bytes.Contains(answer, []byte("IncompleteBody")) {
		t.Errorf("answer: %s", answer)
	}
	if a := c.do("GET", "/b/k", ""); a.body != "old" {
		t.Errorf("k holds %q", a.body)
	}
}

func TestS3LengthRequired(t *testing.T) {
	t.Parallel()
	c := newS3Client(t, S3Options{})
	r, _ := http.NewRequestWithContext(t.Context(), "PUT", c.url+"/b/k", io.NopCloser(strings.NewReader("x")))
	r.ContentLength = -1
	resp, err := loopback.Client().Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusLengthRequired || c.core.Bucket("b").Len() != 0 {
		t.Errorf("status %d, %d objects", resp.StatusCode, c.core.Bucket("b").Len())
	}
}

func TestS3Ranges(t *testing.T) {
	t.Parallel()
	c := newS3Client(t, S3Options{})
	c.want(200, "", "PUT", "/b/k", "0123456789")
	c.want(200, "", "PUT", "/b/empty", "")
	for _, tc := range []struct {
		path, spec  string
		status      int
		body, total string
	}{
		{"/b/k", "bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"/b/k", "bytes=3-5", 206, "345", "bytes 3-5/10"},
		{"/b/k", "bytes=7-", 206, "789", "bytes 7-9/10"},
		{"/b/k", "bytes=7-100", 206, "789", "bytes 7-9/10"},
		{"/b/k", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"/b/k", "bytes=-30", 206, "0123456789", "bytes 0-9/10"},
		{"/b/k", "bytes=10-", 416, "", "bytes */10"},
		{"/b/k", "bytes=-0", 416, "", "bytes */10"},
		{"/b/k", "bytes=5-3", 200, "0123456789", ""},
		{"/b/k", "bytes=0-1,3-4", 200, "0123456789", ""},
		{"/b/k", "lines=1-2", 200, "0123456789", ""},
		{"/b/empty", "bytes=0-", 416, "", "bytes */0"},
	} {
		a := c.do("GET", tc.path, "", "Range: "+tc.spec, "x-amz-checksum-mode: ENABLED")
		if a.status != tc.status || a.header.Get("Content-Range") != tc.total || tc.status != 416 && a.body != tc.body {
			t.Errorf("%s: %d %q %q", tc.spec, a.status, a.header.Get("Content-Range"), a.body)
		}
		if a.status == 206 && a.header.Get("x-amz-checksum-crc64nvme") != "" {
			t.Errorf("%s: a part was sent with the checksum of the whole", tc.spec)
		}
	}
}

// TestS3Keys uses keys as they come over the wire.
func TestS3Keys(t *testing.T) {
	t.Parallel()
	c := newS3Client(t, S3Options{})
	for path, key := range map[string]string{
		"/b//x": "/x", "/b/a//b": "a//b", "/b/./x": "./x", "/b/../x": "../x", "/b/a/../b": "a/../b",
		"/b/a%2Fb": "a/b", "/b/a%252Fb": "a%2Fb", "/b/a+b": "a+b", "/b/a%20b": "a b", "/b/%F0%9F%98%80": "\U0001F600",
		"/b/%01%1F": "\x01\x1f", "/b/dir/": "dir/", "/b/q%3Fx": "q?x", "/b/%5C": `\`,
	} {
		c.want(200, "", "PUT", path, key)
		if o := c.core.Bucket("b").Get(key); o == nil || string(o.Body) != key {
			t.Errorf("%s: no object %q", path, key)
		}
		if a := c.do("GET", path, ""); a.body != key {
			t.Errorf("%s holds %q", path, a.body)
		}
	}
	c.want(400, "KeyTooLongError", "PUT", "/b/"+strings.Repeat("k", 1025), "x")
	c.want(200, "", "PUT", "/b/"+strings.Repeat("k", 1024), "x")
	c.want(400, "InvalidURI", "PUT", "/b/%FF", "x")
}

func TestS3Metadata(t *testing.T) {
	t.Parallel()
	c := newS3Client(t, S3Options{})
	c.want(200, "", "PUT", "/b/k", "x", "X-Amz-Meta-UPPER: v", "x-amz-meta-raw: \xc3\xbc", "x-amz-meta-word: =?UTF-8?B?w7w=?=",
		"Content-Type: text/plain", "Content-Encoding: aws-chunked,gzip", "Cache-Control: no-cache", "Expires: tomorrow")
	o := c.core.Bucket("b").Get("k")
	// Bytes above ASCII are taken for Latin-1; encoded words stay as they are.
	for k, want := range map[string]string{"upper": "v", "raw": "\u00c3\u00bc", "word": "=?UTF-8?B?w7w=?="} {
		if o.Metadata[k] != want {
			t.Errorf("%s: %q, want %q", k, o.Metadata[k], want)
		}
	}
	a := c.do("HEAD", "/b/k", "")
	for name, want := range map[string]string{
		"Content-Encoding": "gzip", "Cache-Control": "no-cache", "Expires": "tomorrow", "Content-Type": "text/plain",
		"x-amz-meta-raw": "=?UTF-8?b?w4PCvA==?=", "x-amz-missing-meta": "",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	bad := NewObject("bad", nil)
	bad.Metadata = map[string]string{"a": "\x01", "b c": "v", "d": "v"}
	if _, err := c.core.Bucket("b").Put(bad, Origin{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if a := c.do("HEAD", "/b/bad", ""); a.header.Get("x-amz-missing-meta") != "2" || a.header.Get("x-amz-meta-d") != "v" {
		t.Errorf("missing-meta: %v", a.header)
	}
}

func TestS3Archive(t *testing.T) {
	t.Parallel()
	c := newS3Client(t, S3Options{})
	c.want(200, "", "PUT", "/b/k", "cold", "x-amz-storage-class: GLACIER")
	c.want(403, "InvalidObjectState", "GET", "/b/k", "")
	if a := c.do("HEAD", "/b/k", ""); a.status != 200 || a.header.Get("x-amz-storage-class") != "GLACIER" {
		t.Errorf("head: %d %v", a.status, a.header)
	}
	if a := c.do("HEAD", "/b/no", ""); a.body != "" {
		t.Errorf("HEAD has a body: %q", a.body)
	}
}
