package file

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/crossfade-io/crossfade/store"
)

// asNobody runs f without the rights of root, in which tests may be run, on a
// thread of its own.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if _, err := unix.SetfsuidRetUid(65534); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

// TestWhatCannotBeReadIsDenied: never an empty result, never NotFound.
func TestWhatCannotBeReadIsDenied(t *testing.T) {
	t.Parallel()
	s := fresh(t, Options{})
	mustPut(t, s, "a", "readable", store.Attrs{})
	mustPut(t, s, "b/file", "x", store.Attrs{})
	mustPut(t, s, "c", "unreadable", store.Attrs{})
	locked := filepath.Join(s.dir, "b")
	for path, mode := range map[string]os.FileMode{s.dir: 0o755, filepath.Join(s.dir, "c"): 0, locked: 0} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(locked, 0o755) })
	asNobody(t, func() {
		for _, key := range []string{"b/file", "b/none", "c"} {
			_, err := s.Head(t.Context(), key)
			if store.KindOf(err) != store.Denied {
				t.Errorf("Head %q: %v", key, err)
			}
			if _, err = s.Open(t.Context(), key, store.ReadOptions{}); store.KindOf(err) != store.Denied {
				t.Errorf("Open %q: %v", key, err)
			}
		}
		var keys []string
		var last error
		for o, err := range s.List(t.Context(), store.ListOptions{}) {
			if last = err; err == nil {
				keys = append(keys, o.Key)
			}
		}
		if store.KindOf(last) != store.Denied || !slices.Equal(keys, []string{"a"}) {
			t.Errorf("List yields %q and then %v", keys, last)
		}
		keys = nil
		for o, err := range s.List(t.Context(), store.ListOptions{After: "b0"}) {
			if err != nil {
				t.Error(err)
				return
			}
			keys = append(keys, o.Key)
			if !o.Partial {
				t.Errorf("an unreadable file has attributes: %+v", o)
			}
		}
		if !slices.Equal(keys, []string{"c"}) {
			t.Errorf("List after b0 yields %q", keys)
		}
	})
}

// TestReadOnlySource: a directory that may only be read is a good source.
func TestReadOnlySource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustWrite(t, filepath.Join(dir, "d/k"), "x")
	for _, d := range []string{filepath.Join(dir, "d"), dir} {
		if err := os.Chmod(d, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_ = os.Chmod(dir, 0o755)
		_ = os.Chmod(filepath.Join(dir, "d"), 0o755)
	})
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		s, err := New(dir, Options{})
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if o, err := s.Head(t.Context(), "d/k"); err != nil || o.Size != 1 {
			t.Errorf("%v, %v", o, err)
		}
		if _, err := s.Put(t.Context(), "d/k", store.Bytes("y"), store.PutOptions{}); store.KindOf(err) != store.Denied {
			t.Errorf("Put: %v", err)
		}
		if err := s.Delete(t.Context(), "d/k", store.Condition{}); store.KindOf(err) != store.Denied {
			t.Errorf("Delete: %v", err)
		}
		if err := s.Delete(t.Context(), "absent", store.Condition{}); err != nil {
			t.Errorf("Delete of an absent key: %v", err)
		}
	})
}
