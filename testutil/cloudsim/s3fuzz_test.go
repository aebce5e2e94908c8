package cloudsim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzS3Chunks decodes whatever comes, and requires of bodies that it encoded
// itself that they come back.
func FuzzS3Chunks(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), 3)
	f.Add([]byte("5;chunk-signature="+strings.Repeat("a", 64)+"\r\nhello\r\n0\r\n\r\n"), 1)
	f.Add([]byte("0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n"), 7)
	f.Add([]byte("ffffffffff\r\n"), 2)
	f.Fuzz(func(t *testing.T, raw []byte, size int) {
		c := newS3Chunks(bytes.NewReader(raw), s3StreamingUnsigned, nil)
		if decoded, err := io.ReadAll(c); err == nil && len(decoded) > len(raw) {
			t.Fatalf("%d bytes out of %d", len(decoded), len(raw))
		}
		size = max(size, 1)
		var b strings.Builder
		for rest := raw; len(rest) > 0; {
			n := min(size, len(rest))
			fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		b.WriteString("0\r\nx-amz-checksum-crc32c:v\r\n\r\n")
		c = newS3Chunks(strings.NewReader(b.String()), s3StreamingUnsigned, nil)
		decoded, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(decoded, raw) || c.trailers["x-amz-checksum-crc32c"] != "v" {
			t.Fatalf("%q came back as %q: %v", raw, decoded, err)
		}
	})
}

// FuzzS3Request sends any request line, header and XML: there is always an
// answer that is no server error, and what a face stores it lists.
func FuzzS3Request(f *testing.F) {
	f.Add("PUT", "/b/a%20b", "", "body")
	f.Add("POST", "/b?delete", "Content-MD5", "<Delete><Object><Key>k</Key></Object></Delete>")
	f.Add("POST", "/b/k?uploadId=upload-0000000000000001", "", completion(partXML(1, "x")))
	f.Add("GET", "/b?list-type=2&prefix=%FF&delimiter=/&max-keys=1", "", "")
	f.Add("GET", "/b?versions&key-marker=k", "", "")
	f.Add("PUT", "/b/k", "x-amz-copy-source", "%zz/k?versionId=1")
	f.Fuzz(func(t *testing.T, method, target, header, body string) {
		core := NewCore(nil)
		b := core.CreateBucket("b", true)
		if _, err := b.Put(NewObject("k", []byte("x")), Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
		face := NewS3(core, S3Options{})
		r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1/", strings.NewReader(body))
		if err != nil {
			return
		}
		u, err := r.URL.Parse(target)
		if err != nil {
			return
		}
		r.URL = u
		if header != "" {
			r.Header[http.CanonicalHeaderKey(header)] = []string{body}
		}
		w := httptest.NewRecorder()
		face.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Fatalf("%s %s: %s", method, target, w.Body)
		}
		objects, more := b.List("", "", true, 10)
		if more || len(objects) != b.Len() {
			t.Fatalf("%d objects listed of %d", len(objects), b.Len())
		}
	})
}
