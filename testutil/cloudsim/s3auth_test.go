package cloudsim

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestS3ChunkSignatures replays the example of "Signature calculations for the
// authorization header: transferring payload in multiple chunks".
func TestS3ChunkSignatures(t *testing.T) {
	t.Parallel()
	chunk := func(n int, signature string) string {
		return fmt.Sprintf("%x;chunk-signature=%s\r\n%s\r\n", n, signature, strings.Repeat("a", n))
	}
	right := chunk(65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648") +
		chunk(1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497") +
		chunk(0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")
	for name, tc := range map[string]struct {
		body   string
		age    time.Duration
		status int
		code   string
	}{
		"right":         {right, 0, 200, ""},
		"wrong data":    {strings.Replace(right, "aaa", "aba", 1), 0, 403, "SignatureDoesNotMatch"},
		"swapped":       {strings.Replace(right, "0055", "0056", 1), 0, 403, "SignatureDoesNotMatch"},
		"bad last":      {strings.Replace(right, "b6c6", "b6c7", 1), 0, 403, "SignatureDoesNotMatch"},
		"too late":      {right, 16 * time.Minute, 403, "RequestTimeTooSkewed"},
		"from tomorrow": {right, -16 * time.Minute, 403, "RequestTimeTooSkewed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core := NewCore(func() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC).Add(tc.age) })
			b := core.CreateBucket("examplebucket", false)
			face := NewS3(core, S3Options{Credentials: map[string]string{"AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}})
			r := httptest.NewRequest("PUT", "http://s3.amazonaws.com/examplebucket/chunkObject.txt", strings.NewReader(tc.body))
			for k, v := range map[string]string{
				"Content-Encoding": "aws-chunked", "x-amz-content-sha256": s3StreamingSigned, "x-amz-date": "20130524T000000Z",
				"x-amz-decoded-content-length": "66560", "x-amz-storage-class": "REDUCED_REDUNDANCY",
				"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
			} {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			face.ServeHTTP(w, r)
			a := s3Answer{w.Code, w.Header(), w.Body.String()}
			if a.status != tc.status || a.code() != tc.code {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if o := b.Get("chunkObject.txt"); (o != nil) != (tc.status == 200) || o != nil && string(o.Body) != strings.Repeat("a", 66560) {
				t.Errorf("stored: %v", o != nil)
			}
		})
	}
}
