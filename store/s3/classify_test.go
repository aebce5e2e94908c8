package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/s3"
)

// answering is a store whose server answers every request in one way.
func answering(t *testing.T, h http.HandlerFunc) *s3.Store {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s := &server{url: srv.URL}
	return s.store("bucket", func(o *awss3.Options) { o.Retryer = aws.NopRetryer{} })
}

func TestKinds(t *testing.T) {
	t.Parallel()
	const get, head, put, del, list = "get", "head", "put", "delete", "list"
	for _, tc := range []struct {
		op     string
		status int
		code   string
		want   store.Kind
	}{
		{get, 404, "NoSuchKey", store.NotFound},
		{get, 404, "NoSuchVersion", store.NotFound},
		{get, 404, "NoSuchBucket", store.Unavailable},
		{get, 404, "SomethingElse", store.Unknown},
		{get, 404, "", store.Unknown},
		{get, 404, "garbage", store.Unknown},
		{head, 404, "", store.NotFound},
		{head, 403, "", store.Denied},
		{head, 412, "", store.Precondition},
		{head, 503, "", store.Unavailable},
		{head, 400, "", store.Unknown},
		{get, 403, "AccessDenied", store.Denied},
		{get, 403, "ANewOne", store.Denied},
		{get, 403, "InvalidObjectState", store.Archived},
		{get, 403, "SignatureDoesNotMatch", store.Denied},
		{get, 405, "MethodNotAllowed", store.Invalid},
		{get, 412, "PreconditionFailed", store.Precondition},
		{get, 416, "InvalidRange", store.Invalid},
		{get, 429, "TooManyRequests", store.Throttled},
		{get, 429, "ANewOne", store.Throttled},
		{get, 500, "InternalError", store.Unavailable},
		{get, 503, "SlowDown", store.Throttled},
		{get, 503, "ServiceUnavailable", store.Unavailable},
		{get, 301, "PermanentRedirect", store.Unavailable},
		{put, 412, "PreconditionFailed", store.Precondition},
		{put, 404, "NoSuchKey", store.Precondition},
		{put, 404, "NoSuchBucket", store.Unavailable},
		{put, 409, "ConditionalRequestConflict", store.Precondition},
		{put, 400, "EntityTooLarge", store.TooLarge},
		{put, 400, "MetadataTooLarge", store.TooLarge},
		{put, 400, "BadDigest", store.Corrupt},
		{put, 400, "IncompleteBody", store.Corrupt},
		{put, 400, "KeyTooLongError", store.Invalid},
		{put, 501, "NotImplemented", store.Invalid},
		{del, 404, "NoSuchKey", store.NotFound},
		{del, 404, "NoSuchBucket", store.Unavailable},
		{list, 404, "NoSuchBucket", store.Unavailable},
		{list, 403, "AccessDenied", store.Denied},
	} {
		t.Run(fmt.Sprint(tc.op, tc.status, tc.code), func(t *testing.T) {
			t.Parallel()
			s := answering(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(tc.status)
				switch {
				case r.Method == http.MethodHead || tc.code == "":
				case tc.code == "garbage":
					io.WriteString(w, "<html>not found")
				default:
					fmt.Fprintf(w, "<Error><Code>%s</Code><Message>m</Message></Error>", tc.code)
				}
			})
			err := call(t.Context(), s, tc.op)
			e, ok := errors.AsType[*store.Error](err)
			if !ok || e.Kind != tc.want {
				t.Fatalf("%v, want %v", err, tc.want)
			}
			if e.RetryAfter != 7*time.Second && tc.want != store.Unknown {
				t.Errorf("retry after %v", e.RetryAfter)
			}
			if e.Key == "" && tc.op != list || e.Store != "s3://bucket" {
				t.Errorf("error names %q %q", e.Store, e.Key)
			}
		})
	}
}

func call(ctx context.Context, s *s3.Store, op string) error {
	var err error
	switch op {
	case "get":
		_, err = s.Open(ctx, "k", store.ReadOptions{})
	case "head":
		_, err = s.Head(ctx, "k")
	case "put":
		_, err = s.Put(ctx, "k", store.Bytes("x"), store.PutOptions{})
	case "delete":
		err = s.Delete(ctx, "k", store.IfMatch("e"))
	case "list":
		for _, e := range s.List(ctx, store.ListOptions{}) {
			err = e
		}
	}
	return err
}

func TestKindsWithoutAnswer(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	gone := (&server{url: srv.URL}).store("bucket", func(o *awss3.Options) { o.Retryer = aws.NopRetryer{} })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, op := range []string{"get", "head", "put", "delete", "list"} {
		if err := call(t.Context(), gone, op); store.KindOf(err) != store.Unavailable {
			t.Errorf("%s without a server: %v", op, err)
		}
		if err := call(ctx, gone, op); store.KindOf(err) != store.Unknown || !errors.Is(err, context.Canceled) {
			t.Errorf("%s cancelled: %v", op, err)
		}
	}
	none := (&server{url: srv.URL}).store("bucket", func(o *awss3.Options) {
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("no such file")
		})
	})
	if err := call(t.Context(), none, "get"); err == nil || store.KindOf(err) == store.NotFound {
		t.Errorf("no credentials: %v", err)
	}
}

// TestBodies serves bodies that are not what the headers promise.
func TestBodies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		want store.Kind
	}{
		"right":   {"123456789", 0},
		"short":   {"12345", store.Unavailable},
		"corrupt": {"12345678X", store.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"x"`)
				w.Header().Set("Content-Length", "9")
				w.Header().Set("x-amz-checksum-crc32c", "4waSgw==")
				w.Header().Set("x-amz-checksum-type", "FULL_OBJECT")
				io.WriteString(w, tc.body)
			})
			r, err := s.Open(t.Context(), "k", store.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			b, err := io.ReadAll(r.Body)
			if tc.want == 0 {
				if err != nil || string(b) != tc.body {
					t.Errorf("%q %v", b, err)
				}
				return
			}
			if e, ok := errors.AsType[*store.Error](err); !ok || e.Kind != tc.want || e.Op != "read" {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

// TestListings serves listings that no caller may believe.
func TestListings(t *testing.T) {
	t.Parallel()
	entry := func(key string) string {
		return "<Contents><Key>" + key + "</Key><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"
	}
	for name, tc := range map[string]struct {
		body string
		want store.Kind
		keys string
	}{
		"in order":           {entry("a") + entry("b"), 0, "a b"},
		"not encoded":        {entry("a+b%20"), 0, "a+b%20"},
		"encoded":            {"<EncodingType>url</EncodingType>" + entry("a+b%2B%01"), 0, "a b+\x01"},
		"badly encoded":      {"<EncodingType>url</EncodingType>" + entry("a%zz"), store.Invalid, ""},
		"out of order":       {entry("b") + entry("a"), store.Invalid, "b"},
		"twice":              {entry("a") + entry("a"), store.Invalid, "a"},
		"more, but no token": {entry("a") + "<IsTruncated>true</IsTruncated>", store.Unavailable, "a"},
		"cut":                {entry("a") + "<Contents><Key>b", store.Unknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "<ListBucketResult>"+tc.body)
				if name != "cut" {
					io.WriteString(w, "</ListBucketResult>")
				}
			})
			var keys []string
			var last error
			for o, err := range s.List(t.Context(), store.ListOptions{}) {
				if last = err; err == nil {
					keys = append(keys, o.Key)
				}
			}
			if strings.Join(keys, " ") != tc.keys || (last != nil) != (name != "in order" && name != "encoded" && name != "not encoded") || store.KindOf(last) != tc.want {
				t.Errorf("%q, %v", keys, last)
			}
		})
	}
}

// TestCompletionFails answers 200 with an error inside, as S3 may.
func TestCompletionFails(t *testing.T) {
	t.Parallel()
	aborted := make(chan struct{}, 1)
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		switch {
		case r.URL.Query().Has("uploads"):
			io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
		case r.Method == http.MethodPost:
			io.WriteString(w, "<?xml version=\"1.0\"?>\n   <Error><Code>InternalError</Code><Message>m</Message></Error>")
		case r.Method == http.MethodDelete:
			aborted <- struct{}{}
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("ETag", `"e"`)
		}
	})
	_, err := s.Put(t.Context(), "k", store.Bytes(make([]byte, partBytes+1)), store.PutOptions{})
	if store.KindOf(err) != store.Unavailable || err == nil {
		t.Errorf("%v", err)
	}
	select {
	case <-aborted:
	default:
		t.Error("the upload was not aborted")
	}
}
