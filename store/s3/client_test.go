package s3_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// TestPresigned reads and writes through presigned URLs, as Azure's pulls do.
func TestPresigned(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := atomic.Pointer[time.Time]{}
	clock.Store(&now)
	s := &server{core: cloudsim.NewCore(func() time.Time { return *clock.Load() }), rec: &cloudsim.Recorder{}}
	face, stop := cloudsim.Serve(cloudsim.NewS3(s.core, cloudsim.S3Options{Credentials: map[string]string{accessKey: secretKey}}))
	t.Cleanup(stop)
	s.url = face
	s.core.CreateBucket("b", false)
	if _, err := s.store("b").Put(t.Context(), "k+ \u00fc//x", store.Bytes("body"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	p, err := awss3.NewPresignClient(s.client()).PresignGetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k+ \u00fc//x")}, awss3.WithPresignExpires(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	get := func(u string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := loopback.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	if status, body := get(p.URL); status != 200 || body != "body" {
		t.Errorf("%d %s", status, body)
	}
	if status, body := get(strings.Replace(p.URL, "/b/k", "/b/j", 1)); status != 403 || !strings.Contains(body, "SignatureDoesNotMatch") {
		t.Errorf("another key: %d %s", status, body)
	}
	if status, body := get(s.url + "/b/k"); status != 403 || !strings.Contains(body, "AccessDenied") {
		t.Errorf("no signature: %d %s", status, body)
	}
	later := now.Add(2 * time.Minute)
	clock.Store(&later)
	if status, body := get(p.URL); status != 403 || !strings.Contains(body, "expired") {
		t.Errorf("expired: %d %s", status, body)
	}
}

// TestDefaultClient lets the SDK do as it does by default, over TLS: checksums
// in trailers of aws-chunked bodies, validated answers.
func TestDefaultClient(t *testing.T) {
	t.Parallel()
	core := cloudsim.NewCore(nil)
	b := core.CreateBucket("b", false)
	srv := httptest.NewTLSServer(cloudsim.NewS3(core, cloudsim.S3Options{Credentials: map[string]string{accessKey: secretKey}}))
	t.Cleanup(srv.Close)
	s := &server{url: srv.URL}
	c := s.client(func(o *awss3.Options) {
		o.HTTPClient = srv.Client()
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
	})
	body := bytes.Repeat([]byte("0123456789"), 30000)
	for _, algorithm := range types.ChecksumAlgorithm("").Values()[:5] {
		key := string(algorithm)
		_, err := c.PutObject(t.Context(), &awss3.PutObjectInput{
			Bucket: aws.String("b"), Key: &key, ChecksumAlgorithm: algorithm, ContentEncoding: aws.String("br"),
			Body: io.MultiReader(bytes.NewReader(body)), ContentLength: aws.Int64(int64(len(body))),
		})
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		if o := b.Get(key); o == nil || !bytes.Equal(o.Body, body) || o.ContentEncoding != "br" || o.Extra["s3-checksum-algorithm"] != key {
			t.Errorf("%s: stored wrongly", key)
		}
		out, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("b"), Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes, %v", key, len(got), err)
		}
	}
	del, err := c.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: aws.String("b"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("CRC32")}}}})
	if err != nil || len(del.Errors) != 0 || b.Get("CRC32") != nil {
		t.Errorf("delete: %v", err)
	}
}

// TestErrorsKeepSecrets looks for keys and signatures in what is logged.
func TestErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	s := serve(t, cloudsim.S3Options{Credentials: map[string]string{accessKey: "another"}})
	s.core.CreateBucket("b", false)
	st := s.store("b")
	for _, op := range []string{"get", "head", "put", "delete", "list"} {
		err := call(t.Context(), st, op)
		if store.KindOf(err) != store.Denied {
			t.Errorf("%s: %v", op, err)
		}
		for _, secret := range []string{secretKey, url.QueryEscape(secretKey), accessKey, "Signature="} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s tells %q: %v", op, secret, err)
			}
		}
	}
}
