package cloudsim

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzAzureRequest sends any request line, header and XML: there is always an
// answer that is no internal error, and what the face stores it lists.
func FuzzAzureRequest(f *testing.F) {
	f.Add("PUT", "/acct/b/a%20b", "X-Ms-Blob-Type", "BlockBlob", "body")
	f.Add("PUT", "/acct/b/k?comp=block&blockid=MDAx", "", "", "body")
	f.Add("PUT", "/acct/b/k?comp=blocklist", "", "", "<BlockList><Latest>MDAx</Latest></BlockList>")
	f.Add("GET", "/acct/b?restype=container&comp=list&prefix=%FF&maxresults=1&marker=2!a2s", "", "", "")
	f.Add("GET", "/acct/b/k", "Range", "bytes=0-9223372036854775807", "")
	f.Add("PUT", "/acct/b/k?comp=metadata", "X-Ms-Meta-A", "b", "")
	f.Add("PUT", "/acct/b/k", "X-Ms-Copy-Source", "http://127.0.0.1:1/%zz", "")
	f.Add("DELETE", "/acct/b/k", "If-Match", `"*"`, "")
	f.Fuzz(func(t *testing.T, method, target, header, value, body string) {
		if strings.EqualFold(header, "X-Ms-Copy-Source") && strings.Contains(value, "://") && !strings.HasPrefix(value, "http://127.0.0.1:1/") {
			return // the face would go there
		}
		core := NewCore(nil)
		b := core.CreateBucket("b", false)
		if _, err := b.Put(NewObject("k", []byte("x")), Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
		face := NewAzure(core, AzureOptions{Account: "acct"})
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
			r.Header[http.CanonicalHeaderKey(header)] = []string{value}
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

// FuzzGCSRequest does the same for the JSON and XML APIs of GCS.
func FuzzGCSRequest(f *testing.F) {
	f.Add("GET", "/storage/v1/b/b/o?prefix=%FF&delimiter=/&maxResults=1&pageToken=x&startOffset=a", "", "", "")
	f.Add("POST", "/storage/v1/b/b/o/k/rewriteTo/b/b/o/l", "", "", "{}")
	f.Add("POST", "/storage/v1/b/b/o/l/compose", "", "", `{"sourceObjects":[{"name":"k","generation":"1"}]}`)
	f.Add("GET", "/b/k", "Range", "bytes=-9223372036854775808", "")
	f.Add("PUT", "/b/k", "X-Goog-If-Generation-Match", "0", "body")
	f.Add("DELETE", "/storage/v1/b/b/o/k?ifGenerationMatch=9223372036854775808", "", "", "")
	f.Add("POST", "/upload/storage/v1/b/b/o?uploadType=media&name=%00", "", "", "x")
	f.Fuzz(func(t *testing.T, method, target, header, value, body string) {
		core := NewCore(nil)
		b := core.CreateBucket("b", true)
		if _, err := b.Put(NewObject("k", []byte("x")), Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
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
			r.Header[http.CanonicalHeaderKey(header)] = []string{value}
		}
		w := httptest.NewRecorder()
		NewGCS(core, GCSOptions{}).ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Fatalf("%s %s: %s", method, target, w.Body)
		}
		objects, more := b.List("", "", true, 10)
		if more || len(objects) != b.Len() {
			t.Fatalf("%d objects listed of %d", len(objects), b.Len())
		}
	})
}
