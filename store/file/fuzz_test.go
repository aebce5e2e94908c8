package file

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/store"
)

// FuzzKeyPath: the path of any key stays below the root, outside of the store's
// own directory on any file system, and is no other key's; it leads back to it.
func FuzzKeyPath(f *testing.F) {
	for _, k := range []string{"a", "a//b", "../x", "a/../../x", "/etc/passwd", ".", "..", "...", "a\x00b", "%cf%x", "%cf+x", Reserved + "/meta", strings.ToUpper(Reserved) + "/meta", strings.Repeat("é", 200), "C:\\x", "~/x", "a/b/"} {
		f.Add(k, "a/b")
		f.Add(k, "%cf%%25cf%25x")
	}
	f.Fuzz(func(t *testing.T, key, other string) {
		names, err := encodeKey(key)
		if err != nil {
			if key != "" && len(key) <= 1024 && utf8.ValidString(key) {
				t.Errorf("%q: %v", key, err)
			}
			return
		}
		for i, n := range names {
			if n == "" || n == "." || n == ".." || len(n) > maxName || strings.ContainsAny(n, "/\x00") || i == 0 && strings.EqualFold(n, Reserved) {
				t.Errorf("%q has the name %q", key, n)
			}
		}
		if path := filepath.Join(names...); !filepath.IsLocal(path) || path != strings.Join(names, "/") {
			t.Errorf("%q is stored at %q", key, path)
		}
		if back, err := decodeKey(names); err != nil || back != key {
			t.Errorf("%q is read back as %q, %v", key, back, err)
		}
		if others, err := encodeKey(other); err == nil && other != key && slices.Equal(others, names) {
			t.Errorf("%q and %q share %q", key, other, names)
		}
	})
}

// FuzzNames: names that anyone may have put into the directory are refused, or
// stand for a key that is stored at just these names.
func FuzzNames(f *testing.F) {
	for _, p := range []string{"a/b", "%cf%", "%cf%%25", "%cf%x", "%cf+a/%cf%b", "%cf%" + Reserved, "a/%cf%..", "%cf%%00", "%cf+/%cf%", "%cf%%2f", "%cf+/0"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, path string) {
		names := strings.Split(path, "/")
		for i, n := range names { // what a file system can have
			if n == "" || n == "." || n == ".." || len(n) > maxName || strings.IndexByte(n, 0) >= 0 || i == 0 && reserved(n) {
				return
			}
		}
		if strings.HasPrefix(names[len(names)-1], more) {
			return // a directory only
		}
		key, err := decodeKey(names)
		if err != nil || checkKey(key) != nil {
			return
		}
		if again, err := encodeKey(key); err != nil || !slices.Equal(again, names) {
			t.Errorf("%q is listed as %q, which is stored at %q, %v", names, key, again, err)
		}
	})
}

// FuzzRecord: what another program left as the store's own attribute is passed
// over, or describes the file that it is on; and what is kept comes back.
func FuzzRecord(f *testing.F) {
	path := filepath.Join(f.TempDir(), "file")
	at := time.Unix(1_700_000_000, 5)
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		f.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		f.Fatal(err)
	}
	fi, err := os.Lstat(path)
	if err != nil {
		f.Fatal(err)
	}
	good, err := newRecord(store.Attrs{ContentType: "a/b"}, store.Checksums{MD5: make([]byte, 16)}).encode(fi)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, "name", "value")
	f.Add([]byte(`{"v":1,"w":"x","size":5,"mtime":1700000000000000005,"crc32c":"AAA="}`), "crossfade", "v1 from=x")
	f.Add([]byte(`{"v":1e9,"meta":{"a":1}}`), "", "\x00")
	f.Fuzz(func(t *testing.T, raw []byte, name, value string) {
		if rec := parseRecord(raw, fi); rec != nil {
			checkDescribes(t, fi, rec)
		}
		attrs := store.Attrs{ContentType: value, CacheControl: name, Metadata: map[string]string{name: value}}
		if checkAttrs(attrs) != nil {
			return
		}
		rec := newRecord(attrs, store.Checksums{CRC32C: []byte("1234")})
		b, err := rec.encode(fi)
		if err != nil || len(b) > maxRecord {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		got := parseRecord(b, fi)
		if got == nil || !reflect.DeepEqual(object("k", fi, got), object("k", fi, rec)) {
			t.Errorf("%+v comes back as %+v", rec, got)
		}
	})
}

func checkDescribes(t *testing.T, fi fs.FileInfo, rec *record) {
	t.Helper()
	o := object("k", fi, rec)
	if o.Size != fi.Size() || !o.ModTime.Equal(fi.ModTime()) || o.Version == "" {
		t.Errorf("%+v", o)
	}
	if _, err := json.Marshal(o.Attrs); err != nil {
		t.Errorf("%+v: %v", o.Attrs, err)
	}
}
