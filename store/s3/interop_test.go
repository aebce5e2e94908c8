package s3

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crossfade-io/crossfade/store"
)

// recorder answers every request with body and keeps the last.
type recorder struct {
	header http.Header
	body   string
	last   *http.Request
}

func (r *recorder) Do(req *http.Request) (*http.Response, error) {
	r.last = req
	if req.Body != nil {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return nil, err
		}
	}
	h := r.header.Clone()
	h.Set("Content-Length", strconv.Itoa(len(r.body)))
	return &http.Response{StatusCode: http.StatusOK, Header: h, Body: io.NopCloser(strings.NewReader(r.body)), ContentLength: int64(len(r.body)), Request: req}, nil
}

func TestOpenCloudStorage(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"https://storage.googleapis.com": true, "https://STORAGE.googleapis.com:443": true, "http://storage.googleapis.com/": true,
		"https://eu.storage.googleapis.com": true, "https://example.com": false, "https://storage.googleapis.com.example.com": false,
	} {
		u := &url.URL{Scheme: "s3", Host: "b", Path: "/p", RawQuery: url.Values{"endpoint": {endpoint}, "region": {"eu-west-1"}}.Encode()}
		s, err := Open(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		st := s.(*Store)
		o := st.client.Options()
		_, signs := o.HTTPSignerV4.(googleSigner)
		if st.opts.Interop != want || signs != want || want && (o.Region != "auto" || !o.UsePathStyle) {
			t.Errorf("%s: interop %v, signer %T, region %s", endpoint, st.opts.Interop, o.HTTPSignerV4, o.Region)
		}
	}
}

// TestGoogleDialect looks at the requests that leave for Cloud Storage.
func TestGoogleDialect(t *testing.T) {
	t.Parallel()
	rec := &recorder{header: http.Header{
		"Etag": {`"e"`}, "X-Goog-Generation": {"12"}, "X-Goog-Metageneration": {"3"}, "X-Goog-Meta-A": {"v"},
		"X-Goog-Hash": {"crc32c=4waSgw==,md5=JfnnlDI7RThYhfUYHxtiTQ=="},
	}, body: "123456789"}
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String("https://storage.googleapis.com"), HTTPClient: rec,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "GOOG1", SecretAccessKey: "secret"}, nil
		}),
	}, Interoperable)
	st := New(client, "b", "", Options{Interop: true})
	r, err := st.Open(t.Context(), "k", store.ReadOptions{Version: "e@12.3"})
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.Version != "e@12.3" || r.Metadata["a"] != "v" || len(r.Checksums.CRC32C) != 4 || len(r.Checksums.MD5) != 16 {
		t.Errorf("%+v", r.Object)
	}
	check := func(what string, want map[string]string) {
		t.Helper()
		h := rec.last.Header
		for name, v := range want {
			if h.Get(name) != v {
				t.Errorf("%s: %s is %q, want %q", what, name, h.Get(name), v)
			}
		}
		auth := h.Get("Authorization")
		for name := range h {
			lower := strings.ToLower(name)
			if strings.HasPrefix(lower, "x-amz-") || strings.HasPrefix(lower, "amz-") {
				t.Errorf("%s: header %s", what, name)
			}
			if strings.HasPrefix(lower, "x-goog-") && !strings.Contains(auth, lower) {
				t.Errorf("%s: header %s is not signed", what, name)
			}
		}
		if !strings.HasPrefix(auth, "GOOG4-HMAC-SHA256 Credential=GOOG1/") || strings.Contains(auth, "accept-encoding") {
			t.Errorf("%s: %s", what, auth)
		}
		if rec.last.URL.Query().Has("x-id") || rec.last.URL.Query().Has("encoding-type") {
			t.Errorf("%s: query %s", what, rec.last.URL.RawQuery)
		}
	}
	check("read", map[string]string{"Accept-Encoding": "gzip", "x-goog-if-generation-match": "12", "x-goog-if-metageneration-match": "3", "If-Match": `"e"`})

	if _, err := st.Put(t.Context(), "k", store.Bytes("123456789"), store.PutOptions{If: store.IfAbsent(), Attrs: store.Attrs{Metadata: map[string]string{"a": "v"}}}); err != nil {
		t.Fatal(err)
	}
	check("write", map[string]string{"x-goog-if-generation-match": "0", "x-goog-hash": "crc32c=4waSgw==", "x-goog-meta-a": "v", "If-None-Match": ""})

	rec.body = "<ListBucketResult></ListBucketResult>"
	for o, err := range st.List(t.Context(), store.ListOptions{After: "a\x01b"}) {
		t.Errorf("%v %v", o, err)
	}
	check("list", nil)
	if got := rec.last.URL.Query().Get("start-after"); got != "a" {
		t.Errorf("start-after %q", got)
	}
	for o, err := range st.List(t.Context(), store.ListOptions{After: "a/b\x01/", Until: "a/b\x010"}) {
		t.Errorf("%v %v", o, err)
	}
	if got := rec.last.URL.Query().Get("prefix"); got != "a/b" {
		t.Errorf("prefix %q: the service is to list nothing beyond the range, and cannot answer with a control character", got)
	}
}
