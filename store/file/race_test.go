//go:build linux || darwin

package file

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/crossfade-io/crossfade/store"
)

// A directory, and a file, that turn into symbolic links and back while they are
// used: whatever the store sees, it stays inside.
func TestSymbolicLinkRaces(t *testing.T) {
	t.Parallel()
	dir, check := victim(t)
	s := fresh(t, Options{NoSync: true})
	dirPath, link := filepath.Join(s.dir, "real"), filepath.Join(s.dir, "link")
	mustWrite(t, filepath.Join(dirPath, "secret"), "inside")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		at := filepath.Join(s.dir, "at")
		for {
			for _, from := range []string{dirPath, link} {
				select {
				case <-done:
					return
				default:
				}
				if os.Rename(from, at) == nil {
					os.Rename(at, from) //nolint:errcheck // the next round tells
				}
			}
		}
	})
	for i := range 300 {
		if r, err := s.Open(t.Context(), "at/secret", store.ReadOptions{}); err == nil {
			b := make([]byte, r.Size)
			n, _ := r.Body.Read(b)
			r.Body.Close()
			if string(b[:n]) == "secret" {
				t.Fatalf("read out of the store in round %d", i)
			}
		}
		_, _ = s.Put(t.Context(), "at/new", store.Bytes("attack"), store.PutOptions{})
		_ = s.Delete(t.Context(), "at/secret", store.Condition{})
		_, _ = s.Put(t.Context(), "at/secret", store.Bytes("attack"), store.PutOptions{})
		for o, err := range s.List(t.Context(), store.ListOptions{}) {
			if err == nil && o.Key == "" {
				t.Fatal("a key without a name")
			}
		}
	}
	close(done)
	wg.Wait()
	check()
}

// Names that some file systems take for the store's own directory do not lead
// into it.
func TestReservedInAnotherCase(t *testing.T) {
	t.Parallel()
	s := fresh(t, Options{})
	for _, key := range []string{".CROSSFADE-STORE/tmp/x", ".Crossfade-Store/meta/x", Reserved + "/lock/x", ".crossfade-\u017ftore/x"} {
		mustPut(t, s, key, "x", store.Attrs{})
		if o, err := s.Head(t.Context(), key); err != nil || o.Key != key {
			t.Errorf("%q: %v", key, err)
		}
	}
	n := 0
	for o, err := range s.List(t.Context(), store.ListOptions{}) {
		if n++; err != nil {
			t.Errorf("%v, %v", o, err)
		}
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil || n != 4 || len(entries) != 5 {
		t.Errorf("%d keys, %d names: %v", n, len(entries), err)
	}
}

// A directory named like a piece of a long name, with an ordinary file in it, is
// an error of the listing: it once was the end of the process.
func TestFalsePieceEndsAListing(t *testing.T) {
	t.Parallel()
	s := fresh(t, Options{})
	mustWrite(t, filepath.Join(s.dir, more, "0"), "x")
	for o, err := range s.List(t.Context(), store.ListOptions{}) {
		if store.KindOf(err) != store.Invalid {
			t.Errorf("List yields %v, %v", o, err)
		}
	}
}
