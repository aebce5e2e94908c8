package file

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// victim makes a directory outside of a store with a file that nobody may
// touch, and returns a function that checks it.
func victim(t *testing.T) (dir string, check func()) {
	t.Helper()
	dir = t.TempDir()
	mustWrite(t, filepath.Join(dir, "secret"), "secret")
	return dir, func() {
		t.Helper()
		entries, err := os.ReadDir(dir)
		b, rerr := os.ReadFile(filepath.Join(dir, "secret"))
		if err != nil || rerr != nil || len(entries) != 1 || string(b) != "secret" {
			t.Errorf("outside of the store: %v, %q, %v, %v", entries, b, err, rerr)
		}
	}
}

// tryAll uses a key in every way, and fails if any yields the secret.
func tryAll(t *testing.T, s *Store, key string) (kinds []store.Kind) {
	t.Helper()
	_, err := s.Head(t.Context(), key)
	kinds = append(kinds, store.KindOf(err))
	r, err := s.Open(t.Context(), key, store.ReadOptions{})
	if err == nil {
		t.Errorf("%q can be read", key)
		_ = r.Body.Close()
	}
	kinds = append(kinds, store.KindOf(err))
	_, err = s.UpdateMetadata(t.Context(), key, store.Attrs{}, store.Condition{})
	kinds = append(kinds, store.KindOf(err))
	_, err = s.Put(t.Context(), key, store.Bytes("attack"), store.PutOptions{})
	kinds = append(kinds, store.KindOf(err))
	return append(kinds, store.KindOf(s.Delete(t.Context(), key, store.Condition{})))
}

func TestKeysStayInside(t *testing.T) {
	t.Parallel()
	dir, check := victim(t)
	s := fresh(t, Options{})
	for _, key := range []string{
		"../" + filepath.Base(dir) + "/secret", dir + "/secret", "a/../../../../../../../../.." + dir + "/secret",
		"..", ".", "/", "a/..", "//" + dir + "/secret", "./../secret",
	} {
		tryAll(t, s, key) // stored below the root, under escaped names
		check()
		for o, err := range s.List(t.Context(), store.ListOptions{}) {
			t.Errorf("%q left %v, %v", key, o, err)
		}
	}
}

func TestSymbolicLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	dir, check := victim(t)
	s := fresh(t, Options{})
	mustPut(t, s, "real/file", "real", store.Attrs{})
	for name, to := range map[string]string{
		"file": filepath.Join(dir, "secret"), "dir": dir, "inside": "real/file", "insidedir": "real",
		"rel": "../" + filepath.Base(dir) + "/secret", "dangling": "nowhere", "loop": "loop", "sub/up": "..",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(s.dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"file", "dir", "dir/secret", "dir/new", "inside", "insidedir/file", "insidedir/new", "rel", "dangling", "dangling/x", "loop", "loop/x", "sub/up", "sub/up/real/file"} {
		for i, k := range tryAll(t, s, key) {
			if k != store.Invalid {
				t.Errorf("%q, call %d: Kind %v, want invalid", key, i, k)
			}
		}
	}
	check()
	// They are named in listings: what Head then says makes them count.
	var keys []string
	for o, err := range s.List(t.Context(), store.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if keys = append(keys, o.Key); o.Partial != (o.Key != "real/file") {
			t.Errorf("%+v", o)
		}
	}
	if want := []string{"dangling", "dir", "file", "inside", "insidedir", "loop", "real/file", "rel", "sub/up"}; !slices.Equal(keys, want) {
		t.Errorf("List yields %q, want %q", keys, want)
	}
}

func TestReservedDirectoryBehindALink(t *testing.T) {
	t.Parallel()
	dir, check := victim(t)
	s := fresh(t, Options{Sidecar: true})
	if err := os.Symlink(dir, filepath.Join(s.dir, Reserved)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{}); err == nil {
		t.Error("a store whose reserved directory is a link accepts a Put")
	}
	if again, err := New(s.dir, Options{Now: func() time.Time { return time.Now().Add(1000 * time.Hour) }}); err == nil {
		_ = again.Close()
	}
	check()
}

func TestSpecialFilesAreNamedNotRead(t *testing.T) {
	t.Parallel()
	s := fresh(t, Options{})
	if err := syscall.Mkfifo(filepath.Join(s.dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(s.dir, "bad\xffname"), "x")
	deep := strings.Repeat("d/", 600) + "file"
	mustWrite(t, filepath.Join(s.dir, deep), "x")
	var keys []string
	for o, err := range s.List(t.Context(), store.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
		if _, err := s.Head(t.Context(), o.Key); store.KindOf(err) != store.Invalid {
			t.Errorf("Head %q: %v", o.Key, err)
		}
	}
	if want := []string{"bad\xffname", deep, "pipe"}; !slices.Equal(keys, want) {
		t.Errorf("List yields %q", keys)
	}
}

func TestFalseEscapesEndAListing(t *testing.T) {
	t.Parallel()
	s := fresh(t, Options{})
	mustWrite(t, filepath.Join(s.dir, "d", "%cf%plain"), "x")
	n := 0
	for o, err := range s.List(t.Context(), store.ListOptions{}) {
		if n++; err == nil || store.KindOf(err) != store.Invalid {
			t.Errorf("List yields %v, %v", o, err)
		}
	}
	if n != 1 {
		t.Errorf("List yields %d times", n)
	}
}

func TestRemovedRootIsNoEmptyStore(t *testing.T) {
	t.Parallel()
	s := fresh(t, Options{})
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	for i, k := range tryAll(t, s, "k") {
		if k == store.NotFound {
			t.Errorf("call %d: NotFound in a directory that was removed", i)
		}
	}
	var last error
	for _, err := range s.List(t.Context(), store.ListOptions{}) {
		last = err
	}
	if store.KindOf(last) != store.Unavailable || last == nil {
		t.Errorf("List: %v", last)
	}
	if err := s.Check(t.Context()); store.KindOf(err) != store.Unavailable || err == nil {
		t.Errorf("Check: %v", err)
	}
}

func TestEmptyDirectories(t *testing.T) {
	t.Parallel()
	s := fresh(t, Options{})
	mustPut(t, s, "a/b/c/d", "x", store.Attrs{})
	mustPut(t, s, "a/e", "x", store.Attrs{})
	for _, key := range []string{"a/b/c/d", "a/e"} {
		if err := s.Delete(t.Context(), key, store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(filepath.Join(s.dir, "a")); !os.IsNotExist(err) {
		t.Errorf("an empty directory stayed: %v", err)
	}
	// One that another program left makes way for an object.
	if err := os.Mkdir(filepath.Join(s.dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "empty", "now a file", store.Attrs{})
	if err := s.Delete(t.Context(), "empty", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(s.dir); err != nil {
		t.Errorf("the root went as well: %v", err)
	}
}

func TestOldTemporaryFilesAreSwept(t *testing.T) {
	t.Parallel()
	s := fresh(t, Options{})
	mustPut(t, s, "k", "x", store.Attrs{})
	tmp := filepath.Join(s.dir, Reserved, "tmp")
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("a Put left %v, %v", left, err)
	}
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "young": 23 * time.Hour} {
		mustWrite(t, filepath.Join(tmp, name), "x")
		at := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(tmp, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	again, err := New(s.dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) != 1 || left[0].Name() != "young" {
		t.Errorf("left are %v, %v", left, err)
	}
	for o, err := range again.List(t.Context(), store.ListOptions{}) {
		if err != nil || o.Key != "k" {
			t.Errorf("List yields %v, %v", o, err)
		}
	}
}

func TestOpenURL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, x := range []struct{ raw, want string }{
		{"file://" + dir, ""},
		{"file://" + dir + "?sidecar=true&sync=false", ""},
		{"file://" + dir + "?sidecars=true", `unknown parameter "sidecars"`},
		{"file://" + dir + "?sync=perhaps", "write true or false"},
		{"file://" + dir + "/none", "create it"},
		{"file://host" + dir, "three slashes"},
	} {
		u, err := url.Parse(x.raw)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), u)
		if err == nil {
			_ = s.Close()
		}
		if (x.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v", x.raw, err)
		}
	}
	mustWrite(t, filepath.Join(dir, "f"), "x")
	if _, err := New(filepath.Join(dir, "f"), Options{}); err == nil {
		t.Error("a file was opened as a store")
	}
}
