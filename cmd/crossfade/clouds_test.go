package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// clouds are the three faces on a core each, in the environment that the real
// drivers read: s3://bucket, gs://bucket and az://bucket are empty buckets.
type clouds struct {
	*cli
	cores map[string]*cloudsim.Core
}

func newClouds(t *testing.T, azure cloudsim.AzureOptions) *clouds {
	t.Helper()
	c := &clouds{cli: newCLI(t), cores: map[string]*cloudsim.Core{}}
	c.env.openers = drivers()
	for _, scheme := range []string{"s3", "gs", "az"} {
		core := cloudsim.NewCore(nil)
		core.CreateBucket("bucket", false)
		c.cores[scheme] = core
		switch scheme {
		case "s3":
			t.Setenv("AWS_ENDPOINT_URL_S3", c.serve(cloudsim.NewS3(core, cloudsim.S3Options{})))
			t.Setenv("AWS_REGION", "us-east-1")
			t.Setenv("AWS_ACCESS_KEY_ID", "key")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
		case "gs":
			t.Setenv("STORAGE_EMULATOR_HOST", c.serve(cloudsim.NewGCS(core, cloudsim.GCSOptions{})))
		case "az":
			face := c.serve(cloudsim.NewAzure(core, azure))
			t.Setenv("AZURE_STORAGE_CONNECTION_STRING", cloudsim.AzureConnectionString(face, "", ""))
		}
	}
	return c
}

// bodies is what the bucket of a cloud, or a directory, holds.
func (c *clouds) bodies(location string) map[string]string {
	c.t.Helper()
	got := map[string]string{}
	scheme, dir, _ := strings.Cut(location, "://")
	if scheme == "file" {
		err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case name == ".crossfade-store": // the store's own locks
				return fs.SkipDir
			case d.IsDir():
				return nil
			}
			body, err := os.ReadFile(filepath.Join(dir, name))
			got[name] = string(body)
			return err
		})
		if err != nil {
			c.t.Fatal(err)
		}
		return got
	}
	objects, _ := c.cores[scheme].Bucket("bucket").List("", "", false, 1<<20)
	for _, o := range objects {
		got[o.Name] = string(o.Body)
	}
	return got
}

func (c *clouds) serve(face http.Handler) string {
	url, stop := cloudsim.Serve(face)
	c.t.Cleanup(stop)
	return url
}

// seed puts objects of many sorts below location, and returns their bodies.
func (c *clouds) seed(location string) map[string]string {
	c.t.Helper()
	s := c.store(location)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprint(z, strings.Repeat("compressed ", 100))
	z.Close()
	plain := store.Attrs{ContentType: "text/plain", Metadata: map[string]string{"owner": "M\u00fcller", "rank": "1"}}
	all := map[string]string{}
	put := func(key, body string, attrs store.Attrs) {
		c.t.Helper()
		if _, err := s.Put(c.t.Context(), key, store.Bytes(body), store.PutOptions{Attrs: attrs}); err != nil {
			c.t.Fatal(err)
		}
		all[key] = body
	}
	for i := range 24 {
		put(fmt.Sprintf("dir%d/%03d.txt", i%7, i), strings.Repeat("x", i*17), plain)
	}
	put("empty", "", store.Attrs{})
	put("with space+plus%2F&\u00e9\U0001F600.html", "<p>", store.Attrs{ContentType: "text/html", CacheControl: "no-cache", ContentLanguage: "de", ContentDisposition: "inline"})
	put("zipped.txt", zipped.String(), store.Attrs{ContentType: "text/plain", ContentEncoding: "gzip"})
	put("large.bin", strings.Repeat("0123456789abcdef", 9<<16), store.Attrs{ContentType: "video/mp4"}) // 9 MiB
	return all
}

func (c *clouds) store(location string) store.Store {
	c.t.Helper()
	loc, err := config.ParseLocation(location)
	if err != nil {
		c.t.Fatal(err)
	}
	s, err := loc.Open(c.t.Context(), c.env.openers)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { s.Close() })
	return s
}

func (c *clouds) backfill(code int, args ...string) backfillResult {
	c.t.Helper()
	stdout, _ := c.want(code, append([]string{"backfill", "--json", "-q"}, args...)...)
	var r backfillResult
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		c.t.Fatal(err)
	}
	return r
}

func (c *clouds) verify(code int, args ...string) verifyResult {
	c.t.Helper()
	stdout, _ := c.want(code, append([]string{"verify", "--json", "-q"}, args...)...)
	var r verifyResult
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		c.t.Fatal(err)
	}
	return r
}

// From every cloud, and a directory, to every other: backfill, compare with the
// bodies themselves, verify by either means, change, and do it again.
func TestEveryPairOfStores(t *testing.T) {
	for _, from := range []string{"s3", "gs", "az", "file"} {
		for _, to := range []string{"s3", "gs", "az", "file"} {
			if from == to {
				continue
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				c := newClouds(t, cloudsim.AzureOptions{})
				c.everyStep(c.location(from), c.location(to))
			})
		}
	}
}

func (c *clouds) location(scheme string) string {
	if scheme == "file" {
		return (&url.URL{Scheme: "file", Path: c.t.TempDir()}).String()
	}
	return scheme + "://bucket"
}

func (c *clouds) everyStep(src, dst string) {
	t := c.t
	t.Helper()
	want := c.seed(src)
	n := int64(len(want))
	if dry := c.backfill(exitDone, src, dst, "--dry-run"); dry.Copied != n || len(c.bodies(dst)) != 0 {
		t.Fatalf("dry run: %+v", dry)
	}
	if r := c.backfill(exitDone, src, dst); r.Copied != n || r.Listed != n {
		t.Fatalf("%+v", r)
	}
	got := c.bodies(dst)
	for key := range maps.Keys(got) {
		if got[key] != want[key] {
			t.Errorf("%q has %d bytes on the target that are not those of the source", key, len(got[key]))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d objects on the target, %d on the source", len(got), len(want))
	}
	for _, checksum := range []string{"--checksum=false", "--checksum"} {
		if r := c.verify(exitDone, src, dst, checksum); r.Equal != n {
			t.Fatalf("%s: %+v", checksum, r)
		}
	}
	if r := c.backfill(exitDone, src, dst); r.Copied+r.Updated != 0 || r.Skipped != n {
		t.Fatalf("again: %+v", r)
	}

	s, d := c.store(src), c.store(dst)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Delete(t.Context(), "empty", store.Condition{}))
	must(s.Delete(t.Context(), "dir0/000.txt", store.Condition{}))
	_, err := s.Put(t.Context(), "dir1/001.txt", store.Bytes("changed"), store.PutOptions{})
	must(err)
	_, err = d.Put(t.Context(), "dir2/002.txt", store.Bytes("by someone else"), store.PutOptions{})
	must(err)
	r := c.verify(exitIncomplete, src, dst)
	if r.Extra != 2 || !slices.Equal(r.Keys[backfill.Different], []string{"dir1/001.txt"}) || !slices.Equal(r.Keys[backfill.Foreign], []string{"dir2/002.txt"}) || r.Missing+r.Failed != 0 {
		t.Fatalf("after changes: %+v", r)
	}
	b := c.backfill(exitIncomplete, src, dst, "--delete")
	if b.Copied != 1 || b.Deleted != 2 || b.Conflicts != 1 || b.Failures[0].Key != "dir2/002.txt" {
		t.Fatalf("after changes: %+v", b)
	}
	c.backfill(exitDone, src, dst, "--foreign=overwrite")
	if r := c.verify(exitDone, src, dst, "--checksum"); r.Equal != n-2 {
		t.Fatalf("in the end: %+v", r)
	}
}

// A storage account with hierarchical namespaces does not list in byte order.
func TestHierarchicalNamespace(t *testing.T) {
	for _, pair := range [][2]string{{"az://bucket", "gs://bucket"}, {"s3://bucket", "az://bucket"}} {
		t.Run(pair[0], func(t *testing.T) {
			c := newClouds(t, cloudsim.AzureOptions{Hierarchical: true})
			s := c.store(pair[0])
			keys := []string{"a", "a-b", "a/b", "a/c/d", "a.b", "b"} // "a/…" sorts before "a-b" by segments
			for _, k := range keys {
				if _, err := s.Put(t.Context(), k, store.Bytes(k), store.PutOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			if r := c.backfill(exitDone, pair[0], pair[1]); r.Listed != 6 || r.Copied != 6 {
				t.Fatalf("%+v", r)
			}
			if r := c.backfill(exitDone, pair[0], pair[1]); r.Listed != 6 || r.Skipped != 6 {
				t.Fatalf("again: %+v", r)
			}
			if r := c.verify(exitDone, pair[0], pair[1]); r.Equal != 6 {
				t.Fatalf("%+v", r)
			}
			_, stderr := c.want(exitIncomplete, "backfill", pair[0], pair[1], "--delete")
			if !strings.Contains(stderr, "deleting needs both listings in byte order of keys") {
				t.Fatal(stderr)
			}
			if err := s.Delete(context.Background(), "a-b", store.Condition{}); err != nil {
				t.Fatal(err)
			}
			if r := c.verify(exitIncomplete, pair[0], pair[1]); r.Equal != 5 || !slices.Equal(r.Keys[backfill.Extra], []string{"a-b"}) {
				t.Fatalf("%+v", r)
			}
		})
	}
}
