package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// TestRequests counts what each method costs.
func TestRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, cloudsim.S3Options{})
	b := s.core.CreateBucket("b", false)
	st := s.store("b")
	large := store.Bytes(bytes.Repeat([]byte("x"), 2*partBytes+1))
	for _, tc := range []struct {
		name string
		do   func(context.Context) error
		want map[string]int
	}{
		{"small put", func(ctx context.Context) error {
			_, err := st.Put(ctx, "k", store.Bytes("x"), store.PutOptions{If: store.IfAbsent()})
			return err
		}, map[string]int{"PutObject": 1}},
		{"head", func(ctx context.Context) error { _, err := st.Head(ctx, "k"); return err }, map[string]int{"HeadObject": 1}},
		{"open", func(ctx context.Context) error {
			r, err := st.Open(ctx, "k", store.ReadOptions{})
			if err == nil {
				_, err = io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
			return err
		}, map[string]int{"GetObject": 1}},
		{"large put", func(ctx context.Context) error {
			_, err := st.Put(ctx, "large", large, store.PutOptions{If: store.IfAbsent()})
			return err
		}, map[string]int{"CreateMultipartUpload": 1, "UploadPart": 3, "CompleteMultipartUpload": 1}},
		{"large put refused", func(ctx context.Context) error {
			if _, err := st.Put(ctx, "large", large, store.PutOptions{If: store.IfAbsent()}); store.KindOf(err) != store.Precondition {
				return fmt.Errorf("want precondition, got %w", err)
			}
			return nil
		}, map[string]int{"CreateMultipartUpload": 1, "UploadPart": 3, "CompleteMultipartUpload": 1, "AbortMultipartUpload": 1}},
		{"update", func(ctx context.Context) error {
			_, err := st.UpdateMetadata(ctx, "k", store.Attrs{ContentType: "a/b"}, store.Condition{})
			return err
		}, map[string]int{"HeadObject": 1, "CopyObject": 1}},
		{"delete", func(ctx context.Context) error { return st.Delete(ctx, "k", store.Condition{}) }, map[string]int{"DeleteObject": 1}},
	} {
		s.rec.Keep()
		if err := tc.do(t.Context()); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if got := s.rec.Counts(); !maps.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	if b.Get("k") != nil || b.Get("large") == nil {
		t.Error("wrong objects are left")
	}
	if n := uploads(t, s, "b"); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

func uploads(t *testing.T, s *server, bucket string) int {
	t.Helper()
	out, err := s.client().ListMultipartUploads(context.WithoutCancel(t.Context()), &awss3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Uploads)
}

// failing is a Content that breaks behind its first part.
type failing struct {
	store.Bytes
	cancel context.CancelFunc
}

func (f failing) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if offset > 0 {
		if f.cancel != nil {
			f.cancel()
		}
		return nil, errors.New("source broke")
	}
	return f.Bytes.Open(ctx, offset, length)
}

// TestNothingIsLeft looks for uploads that nobody completes or aborts.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	s := serve(t, cloudsim.S3Options{})
	s.core.CreateBucket("b", false)
	body := store.Bytes(make([]byte, 3*partBytes))
	ctx, cancel := context.WithCancel(t.Context())
	for name, c := range map[string]store.Content{"failing": failing{Bytes: body}, "cancelled": failing{body, cancel}} {
		if _, err := s.store("b").Put(ctx, name, c, store.PutOptions{}); err == nil {
			t.Errorf("%s: no error", name)
		}
		if n := uploads(t, s, "b"); n != 0 {
			t.Errorf("%s: %d uploads are left", name, n)
		}
		ctx = t.Context()
	}
	cancel()
}

// TestLostAnswer drops the answer to a write that succeeded: the SDK repeats it
// and is told that the condition does not hold, which the caller looks into.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	core := cloudsim.NewCore(nil)
	b := core.CreateBucket("b", false)
	face := cloudsim.NewS3(core, cloudsim.S3Options{})
	var puts atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && puts.Add(1) == 1 {
			face.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		face.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	st := (&server{url: srv.URL}).store("b")
	_, err := st.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{If: store.IfAbsent()})
	if store.KindOf(err) != store.Precondition || puts.Load() != 2 {
		t.Errorf("%d requests, %v", puts.Load(), err)
	}
	if o := b.Get("k"); o == nil || string(o.Body) != "x" {
		t.Error("the object is not there")
	}
}

// TestChecksums are those of the whole body only.
func TestChecksums(t *testing.T) {
	t.Parallel()
	s := serve(t, cloudsim.S3Options{})
	s.core.CreateBucket("b", false)
	c, st := s.client(), s.store("b")
	put := func(key string, fn func(*awss3.PutObjectInput)) {
		in := &awss3.PutObjectInput{Bucket: aws.String("b"), Key: &key, Body: strings.NewReader("123456789")}
		fn(in)
		if _, err := c.PutObject(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	put("plain", func(*awss3.PutObjectInput) {})
	put("kms", func(in *awss3.PutObjectInput) { in.ServerSideEncryption = types.ServerSideEncryptionAwsKms })
	put("crc", func(in *awss3.PutObjectInput) { in.ChecksumCRC32C = aws.String("4waSgw==") })
	compose(t, c, "composite")
	for key, want := range map[string]string{
		"plain": "crc64 ae8b14860a799888 md5 25f9e794323b453885f5181f1b624d0b", "kms": "crc64 ae8b14860a799888",
		"crc": "crc32c e3069283 md5 25f9e794323b453885f5181f1b624d0b", "composite": "",
	} {
		o, err := st.Head(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range []struct {
			name string
			sum  []byte
		}{{"crc32c", o.Checksums.CRC32C}, {"crc64", o.Checksums.CRC64NVME}, {"md5", o.Checksums.MD5}} {
			if x.sum != nil {
				got = append(got, fmt.Sprintf("%s %x", x.name, x.sum))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
		r, err := st.Open(t.Context(), key, store.ReadOptions{Offset: 1, Length: 2})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r.Body); err != nil || string(b) != "23" || r.Size != 9 || r.Checksums.CRC64NVME != nil || r.Checksums.CRC32C != nil {
			t.Errorf("%s: range %q of %d, %v, %v", key, b, r.Size, r.Checksums, err)
		}
		r.Body.Close()
	}
}

// compose stores 123456789 in parts with a checksum of the checksums.
func compose(t *testing.T, c *awss3.Client, key string) {
	t.Helper()
	b := aws.String("b")
	u, err := c.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: b, Key: &key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c})
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{
		Bucket: b, Key: &key, UploadId: u.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("123456789"), ChecksumCRC32C: aws.String("4waSgw=="),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{
		Bucket: b, Key: &key, UploadId: u.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: p.ETag, ChecksumCRC32C: p.ChecksumCRC32C}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestUpdateKeeps what a copy onto itself would lose.
func TestUpdateKeeps(t *testing.T) {
	t.Parallel()
	s := serve(t, cloudsim.S3Options{})
	b := s.core.CreateBucket("b", false)
	when := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	_, err := s.client().PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: aws.String("b"), Key: aws.String("k \u00fc+%"), Body: strings.NewReader("x"), StorageClass: types.StorageClassStandardIa,
		WebsiteRedirectLocation: aws.String("/other"), Expires: &when, Tagging: aws.String("a=b"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms,
	})
	if err != nil {
		t.Fatal(err)
	}
	before := b.Get("k \u00fc+%")
	o, err := s.store("b").UpdateMetadata(t.Context(), "k \u00fc+%", store.Attrs{Metadata: map[string]string{"A": "1"}}, store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	after := b.Get("k \u00fc+%")
	for k, v := range before.Extra {
		if after.Extra[k] != v {
			t.Errorf("%s was %q and is %q", k, v, after.Extra[k])
		}
	}
	if after.StorageClass != "STANDARD_IA" || after.Metadata["a"] != "1" || string(after.Body) != "x" {
		t.Errorf("%+v", after)
	}
	if o.Metadata["a"] != "1" || o.Size != 1 || o.ModTime.IsZero() {
		t.Errorf("%+v", o)
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	s := serve(t, cloudsim.S3Options{})
	b := s.core.CreateBucket("b", false)
	st := s.store("b")
	for key, change := range map[string]func(*cloudsim.Object){
		"meta": func(o *cloudsim.Object) { o.Metadata = map[string]string{"a": "\x01"} },
		"cold": func(o *cloudsim.Object) { o.StorageClass = "DEEP_ARCHIVE" },
	} {
		o := cloudsim.NewObject(key, []byte("x"))
		change(o)
		if _, err := b.Put(o, cloudsim.Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := st.Head(t.Context(), "meta"); store.KindOf(err) != store.Invalid {
		t.Errorf("head: %v", err)
	}
	if _, err := st.Open(t.Context(), "meta", store.ReadOptions{}); store.KindOf(err) != store.Invalid {
		t.Errorf("open: %v", err)
	}
	if _, err := st.Open(t.Context(), "cold", store.ReadOptions{}); store.KindOf(err) != store.Archived {
		t.Errorf("archived: %v", err)
	}
	if _, err := st.Head(t.Context(), "cold"); err != nil {
		t.Errorf("archived: %v", err)
	}
}

// TestPrefix keeps a store within its prefix, and the marker of it out.
func TestPrefix(t *testing.T) {
	t.Parallel()
	s := serve(t, cloudsim.S3Options{})
	b := s.core.CreateBucket("b", false)
	for _, k := range []string{"dir", "dir-x", "dir/", "dir/a", "dir/b", "dir0"} {
		if _, err := b.Put(cloudsim.NewObject(k, nil), cloudsim.Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	st := s3.New(s.client(), "b", "dir/", s3.Options{})
	var keys []string
	for o, err := range st.List(t.Context(), store.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	if strings.Join(keys, " ") != "a b" {
		t.Errorf("keys %q", keys)
	}
	if _, err := st.Put(t.Context(), "../c", store.Bytes("x"), store.PutOptions{}); err != nil || b.Get("dir/../c") == nil {
		t.Errorf("%v", err)
	}
	long := strings.Repeat("k", 1021)
	if _, err := st.Put(t.Context(), long, store.Bytes("x"), store.PutOptions{}); store.KindOf(err) != store.Invalid {
		t.Errorf("key too long with its prefix: %v", err)
	}
}
