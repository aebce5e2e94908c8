package s3_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

func begin(t testing.TB, c *awss3.Client, bucket string, keys ...string) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(16)
	for _, key := range keys {
		g.Go(func() error {
			_, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key})
			if strings.Contains(key, "\x01") {
				return nil // the SDK cannot read the answer
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func unfinished(t testing.TB, s store.UploadAborter) (all []store.Upload) {
	t.Helper()
	for u, err := range s.Uploads(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	return all
}

// More than a page of uploads, some of one key, names that need encoding, and
// others outside of the prefix, which stay.
func TestUploads(t *testing.T) {
	t.Parallel()
	s := serve(t, cloudsim.S3Options{})
	s.core.CreateBucket("b", false)
	client := s.client(shortPages)
	want := []string{"a\x01b", "ü +%", "ü +%", "x/y?z=&", "😀"}
	for i := range listKeys {
		want = append(want, fmt.Sprintf("many/%04d", i))
	}
	names := make([]string, len(want))
	for i, key := range want {
		names[i] = "p/" + key
	}
	begin(t, client, "b", append(names, "outside", "p", "p0")...)

	st := s3.New(client, "b", "p/", s3.Options{})
	now, err := st.UploadClock(t.Context())
	if err != nil || now.Nanosecond() != 0 {
		t.Fatalf("clock %v, %v", now, err)
	}
	all := unfinished(t, st)
	var got []string
	for _, u := range all {
		got = append(got, u.Key)
		if u.Begun.IsZero() || u.Begun.After(now.Add(time.Second)) {
			t.Errorf("%q begun %v, and now it is %v", u.Key, u.Begun, now)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("%d uploads, want %d", len(got), len(want))
	}
	for _, u := range append(all, all[0]) { // the last has ended already
		if err := st.AbortUpload(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	if left := unfinished(t, st); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if left := unfinished(t, s3.New(client, "b", "", s3.Options{})); len(left) != 3 {
		t.Errorf("outside of the prefix: %v, want 3", left)
	}
}

// The answers to the requests of an upload name the key, in XML that the SDK
// cannot read.
func TestMultipartControlBytes(t *testing.T) {
	t.Parallel()
	s := serve(t, cloudsim.S3Options{})
	b := s.core.CreateBucket("b", false)
	st := s.store("b")
	const key = "a\x01\x1f\x7fb"
	if _, err := st.Put(t.Context(), key, store.Bytes(make([]byte, 2*partBytes)), store.PutOptions{If: store.IfAbsent()}); err != nil {
		t.Error(err)
	}
	if o := b.Get(key); o == nil || len(o.Body) != 2*partBytes {
		t.Error("not stored")
	}
	if left := unfinished(t, st); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestUploadsInterop(t *testing.T) {
	t.Parallel()
	s := serve(t, cloudsim.S3Options{Interop: true})
	st := s3.New(s.client(s3.Interoperable), "b", "", s3.Options{Interop: true})
	if now, err := st.UploadClock(t.Context()); !now.IsZero() || err != nil {
		t.Errorf("clock %v, %v", now, err)
	}
	if all := unfinished(t, st); len(all) != 0 || len(s.rec.Counts()) != 0 {
		t.Errorf("%v after %v", all, s.rec.Counts())
	}
}

// doer is an HTTP client.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// A server that refuses the marker that it gave is asked by the key alone.
func TestUploadsMarkerRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, cloudsim.S3Options{Credentials: map[string]string{}}) // takes changed queries
	s.core.CreateBucket("b", false)
	begin(t, s.client(), "b", "a", "b", "c")
	paged := doer(func(r *http.Request) (*http.Response, error) {
		q := r.URL.Query()
		if q.Has("upload-id-marker") {
			return answers{400, http.Header{}, `<Error><Code>InvalidArgument</Code></Error>`}.Do(r)
		}
		q.Set("max-uploads", "1")
		r.URL.RawQuery = q.Encode()
		return loopback.Client().Do(r)
	})
	st := s3.New(s.client(func(o *awss3.Options) { o.HTTPClient = paged }), "b", "", s3.Options{})
	if all := unfinished(t, st); len(all) != 3 {
		t.Errorf("%v, want 3", all)
	}
}

// answers is an HTTP client that gives the same answer to every request.
type answers struct {
	status int
	header http.Header
	body   string
}

func (a answers) Do(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Header: a.header.Clone(), Request: r,
		Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}, nil
}

// Nothing is taken for an upload of the store that is not surely one.
func TestUploadsRefused(t *testing.T) {
	t.Parallel()
	const head, tail = `<ListMultipartUploadsResult><IsTruncated>`, `</ListMultipartUploadsResult>`
	upload := func(key, begun string) string {
		return `false</IsTruncated><Upload><Key>` + key + `</Key><UploadId>1</UploadId>` + begun + `</Upload>`
	}
	const begun = `<Initiated>2026-01-02T03:04:05.000Z</Initiated>`
	for name, c := range map[string]struct {
		answers
		kind  store.Kind
		want  string
		clock bool
	}{
		"prefix ignored": {answers{200, nil, head + upload("q/a", begun) + tail}, store.Invalid, "not below the prefix", false},
		"no time":        {answers{200, nil, head + upload("p/a", "") + tail}, store.Invalid, "when an upload was begun", false},
		"malformed key":  {answers{200, nil, head + upload("p/%zz", begun) + `<EncodingType>url</EncodingType>` + tail}, store.Invalid, "decoded", false},
		"no next page":   {answers{200, nil, head + `true</IsTruncated>` + tail}, store.Unavailable, "not where", false},
		"same page": {
			answers{200, nil, head + `true</IsTruncated><NextKeyMarker>p/a</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>` + tail},
			store.Unavailable, "not where", false,
		},
		"no date":  {answers{200, nil, head + `false</IsTruncated>` + tail}, store.Invalid, "no Date", true},
		"denied":   {answers{403, nil, `<Error><Code>AccessDenied</Code></Error>`}, store.Denied, "s3:ListBucketMultipartUploads", true},
		"no such":  {answers{501, nil, `<Error><Code>NotImplemented</Code></Error>`}, store.Invalid, "list uploads s3://b/p", true},
		"denied 2": {answers{403, nil, `<Error><Code>AccessDenied</Code></Error>`}, store.Denied, "list uploads s3://b/p", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.header == nil {
				c.header = http.Header{}
			}
			st := s3.New(serve(t, cloudsim.S3Options{}).client(func(o *awss3.Options) { o.HTTPClient = c.answers }), "b", "p/", s3.Options{})
			var err error
			if c.clock {
				_, err = st.UploadClock(t.Context())
			} else {
				for _, err = range st.Uploads(t.Context()) {
				}
			}
			if err == nil || store.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s with %q", err, c.kind, c.want)
			}
		})
	}
}
