package cloudsim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

type gcsRig struct {
	core   *cloudsim.Core
	bucket *cloudsim.Bucket
	rec    *cloudsim.Recorder
	url    string
	client *storage.Client
}

// newGCS points the unmodified client to a face with a bucket named "bucket".
func newGCS(t testing.TB, versioned bool, opts ...option.ClientOption) *gcsRig {
	t.Helper()
	g := &gcsRig{core: cloudsim.NewCore(nil), rec: new(cloudsim.Recorder)}
	g.bucket = g.core.CreateBucket("bucket", versioned)
	server := httptest.NewServer(cloudsim.NewGCS(g.core, cloudsim.GCSOptions{Recorder: g.rec}))
	t.Cleanup(server.Close)
	g.url = server.URL
	var err error
	opts = append(opts, option.WithEndpoint(g.url+"/storage/v1/"), option.WithoutAuthentication())
	if g.client, err = storage.NewClient(t.Context(), opts...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.client.Close() })
	return g
}

func (g *gcsRig) object(name string) *storage.ObjectHandle {
	return g.client.Bucket("bucket").Object(name)
}

func gcsWrite(t testing.TB, o *storage.ObjectHandle, body string, set func(*storage.Writer)) (*storage.ObjectAttrs, error) {
	t.Helper()
	w := o.NewWriter(t.Context())
	if set != nil {
		set(w)
	}
	if _, err := io.WriteString(w, body); err != nil {
		_ = w.Close()
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return w.Attrs(), nil
}

func gcsStatus(err error) int {
	if e, ok := errors.AsType[*googleapi.Error](err); ok {
		return e.Code
	}
	return 0
}

func gcsRead(ctx context.Context, o *storage.ObjectHandle) (string, error) {
	r, err := o.NewReader(ctx)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

// TestGCSClientByEnvironment is not parallel: it sets the environment.
func TestGCSClientByEnvironment(t *testing.T) {
	core := cloudsim.NewCore(nil)
	url, stop := cloudsim.Serve(cloudsim.NewGCS(core, cloudsim.GCSOptions{}))
	defer stop()
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(url, "http://"))
	client, err := storage.NewClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	bucket := client.Bucket("new-bucket")
	if _, err := bucket.Attrs(t.Context()); !errors.Is(err, storage.ErrBucketNotExist) {
		t.Errorf("attributes of no bucket: %v", err)
	}
	if err := bucket.Create(t.Context(), "project", &storage.BucketAttrs{VersioningEnabled: true}); err != nil {
		t.Fatal(err)
	}
	if err := bucket.Create(t.Context(), "project", nil); gcsStatus(err) != http.StatusConflict {
		t.Errorf("creating it again: %v", err)
	}
	if a, err := bucket.Attrs(t.Context()); err != nil || !a.VersioningEnabled || a.Name != "new-bucket" {
		t.Errorf("attributes: %+v, %v", a, err)
	}
	if err := client.Bucket("No").Create(t.Context(), "project", nil); gcsStatus(err) != http.StatusBadRequest {
		t.Errorf("creating a bucket with a wrong name: %v", err)
	}
	for _, size := range []int{0, 1, 300_000} {
		body := strings.Repeat("b", size)
		a, err := gcsWrite(t, bucket.Object("a/b c"), body, func(w *storage.Writer) { w.ChunkSize = 256 << 10 })
		if err != nil || a.Size != int64(size) {
			t.Fatalf("writing %d bytes: %v", size, err)
		}
		if got, err := gcsRead(t.Context(), bucket.Object("a/b c")); err != nil || got != body {
			t.Errorf("reading %d bytes yields %d, error %v", size, len(got), err)
		}
	}
}

func TestGCSAttributes(t *testing.T) {
	t.Parallel()
	g := newGCS(t, false)
	o := g.object("dir/über#1?%2F")
	meta := map[string]string{"k": "v", "Über": "größe"}
	a, err := gcsWrite(t, o, "hello", func(w *storage.Writer) {
		w.ContentType, w.CacheControl, w.ContentDisposition = "text/x", "no-cache", "inline"
		w.ContentLanguage, w.ContentEncoding, w.Metadata = "de", "br", meta
		w.StorageClass = "NEARLINE"
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := o.Attrs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, ok := range map[string]bool{
		"name":    got.Name == "dir/über#1?%2F" && got.Bucket == "bucket",
		"headers": got.ContentType == "text/x" && got.CacheControl == "no-cache" && got.ContentDisposition == "inline" && got.ContentLanguage == "de" && got.ContentEncoding == "br",
		"meta":    maps.Equal(got.Metadata, meta),
		"class":   got.StorageClass == "NEARLINE",
		"version": got.Generation == a.Generation && got.Metageneration == 1 && got.Etag == a.Etag && got.Etag != "",
		"sums":    got.Size == 5 && got.CRC32C == 0x9a71bb4c && fmt.Sprintf("%x", got.MD5) == "5d41402abc4b2a76b9719d911017c592",
		"times":   got.Created.Equal(got.Updated) && !got.Created.IsZero(),
	} {
		if !ok {
			t.Errorf("%s is wrong in %+v", what, got)
		}
	}
	// A patch merges; null, which the client sends for an empty map, removes all.
	up, err := o.Update(t.Context(), storage.ObjectAttrsToUpdate{Metadata: map[string]string{"new": "1"}, CacheControl: "", ContentType: ""})
	if err != nil || len(up.Metadata) != 3 || up.CacheControl != "" || up.ContentType != "" || up.ContentLanguage != "de" {
		t.Errorf("update: %+v, %v", up, err)
	}
	if up.Generation != a.Generation || up.Metageneration != 2 || up.Etag == a.Etag {
		t.Errorf("an update leaves version %d.%d", up.Generation, up.Metageneration)
	}
	if up, err = o.Update(t.Context(), storage.ObjectAttrsToUpdate{Metadata: map[string]string{}}); err != nil || len(up.Metadata) != 0 {
		t.Errorf("emptying update: %+v, %v", up, err)
	}
	if _, err := o.Update(t.Context(), storage.ObjectAttrsToUpdate{Metadata: map[string]string{"big": strings.Repeat("x", 8<<10)}}); gcsStatus(err) != 400 {
		t.Errorf("8 KiB and more of metadata: %v", err)
	}
	if after, err := o.Attrs(t.Context()); err != nil || after.Metageneration != 3 {
		t.Errorf("a refused update leaves %+v, %v", after, err)
	}
}

func TestGCSVersions(t *testing.T) {
	t.Parallel()
	g := newGCS(t, true)
	o := g.object("k")
	var gens []int64
	for _, body := range []string{"one", "two", "three"} {
		a, err := gcsWrite(t, o, body, nil)
		if err != nil {
			t.Fatal(err)
		}
		gens = append(gens, a.Generation)
	}
	if got, err := gcsRead(t.Context(), o.Generation(gens[0])); err != nil || got != "one" {
		t.Errorf("a noncurrent generation holds %q, error %v", got, err)
	}
	if err := o.If(storage.Conditions{GenerationMatch: gens[2]}).Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Attrs(t.Context()); !errors.Is(err, storage.ErrObjectNotExist) {
		t.Errorf("after the delete: %v", err)
	}
	if got, err := gcsRead(t.Context(), o.Generation(gens[2])); err != nil || got != "three" {
		t.Errorf("what was deleted holds %q, error %v", got, err)
	}
	versions := func() (out []int64) {
		for it := g.client.Bucket("bucket").Objects(t.Context(), &storage.Query{Versions: true}); ; {
			a, err := it.Next()
			if errors.Is(err, iterator.Done) {
				return out
			}
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, a.Generation)
		}
	}
	if got := versions(); !slices.Equal(got, gens) {
		t.Errorf("versions are %v, want %v", got, gens)
	}
	// Removing a generation for good makes no other one current.
	if err := o.Generation(gens[1]).Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Attrs(t.Context()); !errors.Is(err, storage.ErrObjectNotExist) {
		t.Errorf("a noncurrent generation became current: %v", err)
	}
	if got := versions(); !slices.Equal(got, []int64{gens[0], gens[2]}) {
		t.Errorf("versions are %v after one was removed", got)
	}
	if err := o.Generation(gens[1]).Delete(t.Context()); gcsStatus(err) != 404 {
		t.Errorf("removing it again: %v", err)
	}
}

func TestGCSListing(t *testing.T) {
	t.Parallel()
	g := newGCS(t, false)
	names := []string{"a", "a/", "a/b", "a/b/c", "a/c", "a0", "b//x", "b/x", "é", "ｆ", "\U0001F600"}
	for _, n := range names {
		if _, err := gcsWrite(t, g.object(n), n, nil); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(names)
	list := func(q *storage.Query, page int) (out []string) {
		it := g.client.Bucket("bucket").Objects(t.Context(), q)
		it.PageInfo().MaxSize = page
		for {
			a, err := it.Next()
			if errors.Is(err, iterator.Done) {
				return out
			}
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, a.Name+a.Prefix)
		}
	}
	for _, page := range []int{1, 2, 3, 1000} {
		for _, x := range []struct {
			q    storage.Query
			want []string
		}{
			{storage.Query{}, names},
			{storage.Query{Prefix: "a/"}, []string{"a/", "a/b", "a/b/c", "a/c"}},
			{storage.Query{StartOffset: "a/b", EndOffset: "a0"}, []string{"a/b", "a/b/c", "a/c"}},
			{storage.Query{StartOffset: "a/b\x00", EndOffset: "a0\x00"}, []string{"a/b/c", "a/c", "a0"}},
			{storage.Query{Prefix: "a/", StartOffset: "a/b/"}, []string{"a/b/c", "a/c"}},
			{storage.Query{Prefix: "zzz"}, nil},
			{storage.Query{Delimiter: "/"}, []string{"a", "a/", "a0", "b/", "é", "ｆ", "\U0001F600"}},
			{storage.Query{Delimiter: "/", Prefix: "a/"}, []string{"a/", "a/b", "a/b/", "a/c"}},
			{storage.Query{Delimiter: "/", IncludeTrailingDelimiter: true}, []string{"a", "a/", "a/", "a0", "b/", "é", "ｆ", "\U0001F600"}},
		} {
			got := list(&x.q, page)
			want := slices.Clone(x.want)
			slices.Sort(got) // the client tells prefixes behind the objects of a page
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d, %+v: %q, want %q", page, x.q, got, want)
			}
		}
	}
	q := &storage.Query{Prefix: "a/b/"}
	if err := q.SetAttrSelection([]string{"Name", "Size"}); err != nil {
		t.Fatal(err)
	}
	a, err := g.client.Bucket("bucket").Objects(t.Context(), q).Next()
	if err != nil || a.Name != "a/b/c" || a.Size != 5 || a.Generation != 0 || a.CRC32C != 0 {
		t.Errorf("a selection of attributes yields %+v, %v", a, err)
	}
}

// TestGCSWriterChecksums: what does not match is refused, and nothing stored.
func TestGCSWriterChecksums(t *testing.T) {
	t.Parallel()
	g := newGCS(t, false)
	big := strings.Repeat("x", 600<<10)
	for _, body := range []string{"small", big} {
		for name, set := range map[string]func(*storage.Writer){
			"crc32c": func(w *storage.Writer) { w.CRC32C, w.SendCRC32C = 1, true },
			"md5":    func(w *storage.Writer) { w.MD5 = bytes.Repeat([]byte{1}, 16) },
		} {
			_, err := gcsWrite(t, g.object("k"), body, func(w *storage.Writer) { w.ChunkSize = 256 << 10; set(w) })
			if gcsStatus(err) != 400 {
				t.Errorf("%d bytes with a wrong %s: %v", len(body), name, err)
			}
		}
	}
	if g.bucket.Len() != 0 {
		t.Error("an object was stored")
	}
}

func TestGCSReadsByJSON(t *testing.T) {
	t.Parallel()
	g := newGCS(t, false, storage.WithJSONReads())
	if _, err := gcsWrite(t, g.object("a//b"), "0123456789", nil); err != nil {
		t.Fatal(err)
	}
	r, err := g.object("a//b").NewRangeReader(t.Context(), 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != "234" || r.Attrs.Size != 10 {
		t.Errorf("range holds %q of %d, error %v", b, r.Attrs.Size, err)
	}
	if _, err := gcsRead(t.Context(), g.object("no")); !errors.Is(err, storage.ErrObjectNotExist) {
		t.Errorf("reading what is not there: %v", err)
	}
}
