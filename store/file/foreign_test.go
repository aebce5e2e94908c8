package file

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// These tests show what happens when other programs work in the directory.

func mustWrite(t *testing.T, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mustPut(t *testing.T, s *Store, key, body string, a store.Attrs) *store.Object {
	t.Helper()
	o, err := s.Put(t.Context(), key, store.Bytes(body), store.PutOptions{Attrs: a})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func mustHead(t *testing.T, s *Store, key string) *store.Object {
	t.Helper()
	o, err := s.Head(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestBareFilesAreObjects(t *testing.T) {
	t.Parallel()
	s := fresh(t, Options{})
	mustWrite(t, filepath.Join(s.dir, "site/Index.HTML"), "<p>")
	mustWrite(t, filepath.Join(s.dir, "site/data"), "")
	if o := mustHead(t, s, "site/Index.HTML"); o.ContentType != "text/html; charset=utf-8" || o.Size != 3 || len(o.Metadata) > 0 || o.Checksums.CRC32C != nil {
		t.Errorf("%+v", o)
	}
	if o := mustHead(t, s, "site/data"); o.ContentType != "application/octet-stream" || o.Size != 0 {
		t.Errorf("%+v", o)
	}
	if _, err := os.Lstat(filepath.Join(s.dir, Reserved)); !os.IsNotExist(err) {
		t.Errorf("reading made the reserved directory: %v", err)
	}
}

func TestForeignRewriteHasNoStaleAttributes(t *testing.T) {
	t.Parallel()
	for _, opts := range []Options{{}, {Sidecar: true}} {
		for name, rewrite := range map[string]func(path string){
			"in place": func(path string) { mustWrite(t, path, "other bytes") },
			"in place, same size": func(path string) {
				// Not within the same tick of the clock.
				mustWrite(t, path, "OURS")
				later := time.Now().Add(time.Second)
				if err := os.Chtimes(path, later, later); err != nil {
					t.Fatal(err)
				}
			},
			"by rename": func(path string) {
				mustWrite(t, path+".new", "their")
				if err := os.Rename(path+".new", path); err != nil {
					t.Fatal(err)
				}
			},
		} {
			s := fresh(t, opts)
			path := filepath.Join(s.dir, "d/k.txt")
			ours := mustPut(t, s, "d/k.txt", "ours", store.Attrs{ContentType: "x/y", Metadata: map[string]string{"crossfade": "stamp"}})
			rewrite(path)
			o := mustHead(t, s, "d/k.txt")
			if len(o.Metadata) > 0 || o.ContentType != "text/plain; charset=utf-8" || o.Checksums.CRC32C != nil || o.Version == ours.Version {
				t.Errorf("%s, sidecar %v: %+v", name, opts.Sidecar, o)
			}
			_, err := s.Put(t.Context(), "d/k.txt", store.Bytes("x"), store.PutOptions{If: store.IfMatch(ours.Version)})
			if store.KindOf(err) != store.Precondition {
				t.Errorf("%s: Put on the version before: %v", name, err)
			}
		}
	}
}

func TestAttributesGoWithACopiedTree(t *testing.T) {
	t.Parallel()
	s := fresh(t, Options{Sidecar: true})
	mustPut(t, s, "a/b", "bytes", store.Attrs{ContentType: "x/y"})
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(filepath.Join(s.dir, "a/b"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "a/b"), fi.ModTime(), fi.ModTime()); err != nil { // as cp -a and rsync -a do
		t.Fatal(err)
	}
	c, err := New(dir, Options{Sidecar: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if o := mustHead(t, c, "a/b"); o.ContentType != "x/y" {
		t.Errorf("%+v", o)
	}
}

func TestTornReadIsAnError(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(path string) error{
		"overwritten": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt([]byte("XYZ"), 90_000)
			return err
		},
		"appended": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString("more")
			return err
		},
		"truncated": func(path string) error { return os.Truncate(path, 50_000) },
	} {
		s := fresh(t, Options{})
		path := filepath.Join(s.dir, "k")
		mustWrite(t, path, string(bytes.Repeat([]byte("a"), 100_000)))
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
		v := mustHead(t, s, "k").Version
		r, err := s.Open(t.Context(), "k", store.ReadOptions{Version: v})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r.Body, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if err := change(path); err != nil {
			t.Fatal(err)
		}
		// Even a reader that asks for not a byte more than there should be.
		if _, err := io.ReadFull(r.Body, make([]byte, 99_000)); store.KindOf(err) != store.Precondition {
			t.Errorf("%s: %v", name, err)
		}
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestVersionsDifferWithinATickOfTheClock(t *testing.T) {
	t.Parallel()
	for _, opts := range []Options{{NoSync: true}, {NoSync: true, Sidecar: true}} {
		s := fresh(t, opts)
		seen := map[store.Version]bool{}
		for range 200 {
			o := mustPut(t, s, "k", "same", store.Attrs{})
			if seen[o.Version] || mustHead(t, s, "k").Version != o.Version {
				t.Fatalf("version %s", o.Version)
			}
			seen[o.Version] = true
		}
	}
}

// TestEqualTimes makes the old object as old as the new one, as a coarse file
// system would.
func TestEqualTimes(t *testing.T) {
	t.Parallel()
	for _, opts := range []Options{{}, {Sidecar: true}} {
		s := fresh(t, opts)
		mustPut(t, s, "k", "one!", store.Attrs{ContentType: "one/x"})
		tmp, err := s.newTemp()
		if err != nil {
			t.Fatal(err)
		}
		defer tmp.discard()
		if _, err := tmp.WriteString("two!"); err != nil {
			t.Fatal(err)
		}
		old := mustHead(t, s, "k")
		if err := tmp.dir.Chtimes(tmp.name, old.ModTime, old.ModTime); err != nil {
			t.Fatal(err)
		}
		rec := newRecord(store.Attrs{ContentType: "two/x"}, store.Checksums{})
		if err := s.prepare(tmp, rec); err != nil {
			t.Fatal(err)
		}
		o, err := s.commit(t.Context(), "k", []string{"k"}, tmp, rec, store.IfMatch(old.Version))
		if err != nil {
			t.Fatal(err)
		}
		if h := mustHead(t, s, "k"); h.ModTime.Equal(old.ModTime) || h.ContentType != "two/x" || h.Version != o.Version {
			t.Errorf("%+v", h)
		}
	}
}

func TestLargeAttributesMoveToASidecarAndBack(t *testing.T) {
	t.Parallel()
	s := fresh(t, Options{})
	big := store.Attrs{ContentType: "x/big", Metadata: map[string]string{"m": string(bytes.Repeat([]byte("0123456789"), 2500))}}
	small := store.Attrs{ContentType: "x/small"}
	mustPut(t, s, "k", "bytes", small)
	for _, a := range []store.Attrs{big, small, big, big, small} {
		o, err := s.UpdateMetadata(t.Context(), "k", a, store.Condition{})
		if err != nil {
			t.Fatal(err)
		}
		if h := mustHead(t, s, "k"); h.ContentType != a.ContentType || h.Metadata["m"] != a.Metadata["m"] || h.Version != o.Version {
			t.Errorf("%s after %s", h.ContentType, a.ContentType)
		}
	}
	mustPut(t, s, "k", "bytes", big)
	if h := mustHead(t, s, "k"); h.ContentType != "x/big" {
		t.Errorf("%+v", h)
	}
	mustPut(t, s, "k", "bytes", small)
	if err := s.Delete(t.Context(), "k", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(s.dir, Reserved, "meta", "*", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("sidecars are left: %q, %v", left, err)
	}
}

func TestBothPlacesAreRead(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{false, true} {
		one := fresh(t, Options{Sidecar: first})
		two, err := New(one.dir, Options{Sidecar: !first})
		if err != nil {
			t.Fatal(err)
		}
		defer two.Close()
		v := mustPut(t, one, "k", "bytes", store.Attrs{ContentType: "x/one"}).Version
		if h := mustHead(t, two, "k"); h.Version != v || h.ContentType != "x/one" {
			t.Errorf("first by sidecar %v: %+v", first, h)
		}
		o, err := two.UpdateMetadata(t.Context(), "k", store.Attrs{ContentType: "x/two"}, store.IfMatch(v))
		if err != nil {
			t.Fatal(err)
		}
		if h := mustHead(t, one, "k"); h.Version != o.Version || h.ContentType != "x/two" || h.Checksums.CRC32C == nil {
			t.Errorf("first by sidecar %v: %+v", first, h)
		}
	}
}

func TestCorruptRecordsAreIgnored(t *testing.T) {
	t.Parallel()
	s := fresh(t, Options{Sidecar: true})
	mustPut(t, s, "k.txt", "bytes", store.Attrs{ContentType: "x/y"})
	all, err := filepath.Glob(filepath.Join(s.dir, Reserved, "meta", "*", "*", "*"))
	if err != nil || len(all) != 1 {
		t.Fatalf("%q, %v", all, err)
	}
	for _, b := range []string{"", "{", `{"v":2}`, "null", `{"v":1,"w":"x","size":5}`} {
		mustWrite(t, all[0], b)
		if o := mustHead(t, s, "k.txt"); o.ContentType != "text/plain; charset=utf-8" {
			t.Errorf("record %q: %+v", b, o)
		}
	}
}
