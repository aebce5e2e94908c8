package watch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/crossfade-io/crossfade/store"
)

func TestEachChangeOfAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("before", "there at the start")
	w.start()
	w.equal()

	w.write("a.txt", "one")
	w.write("deep/er/b.txt", "two")
	w.equal()
	w.write("a.txt", "one, changed")
	w.write("tmp", "three")
	w.rename("tmp", "a.txt") // as careful programs overwrite
	w.equal()
	w.remove("before")
	w.remove("deep")
	w.equal()
	w.alone()
}

func TestEachChangeOfADirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 5 {
		w.write(fmt.Sprintf("d/sub/%d", i), "x")
	}
	w.write("d/0", "beside")
	w.start()
	w.equal()

	w.rename("d", "e") // what is below has another name now
	w.equal()
	w.write("e/sub/more", "seen under the new name")
	w.equal()
	w.alone()
	w.rename("e/sub", "d") // out of it, to a name that was watched before
	w.write("d/again", "y")
	w.equal()
	outside := filepath.Join(t.TempDir(), "gone")
	if err := os.Rename(w.path("d"), outside); err != nil {
		t.Fatal(err)
	}
	w.equal()
	if err := os.Rename(outside, w.path("back")); err != nil { // with all that is in it
		t.Fatal(err)
	}
	w.equal()
	w.remove("back")
	w.write("back", "a file in place of a directory")
	w.equal()
	w.remove("back")
	w.write("back/x", "and the other way round")
	w.equal()
}

// Random operations as fast as they go: in the end the target equals the
// directory, without an interval's rescan.
func TestAnyOperations(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for n := range 6 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, uint64(n)))
			w := newWorld(t).start()
			name := func() string {
				p := []string{"a", "b", "c"}[rng.IntN(3)]
				for range rng.IntN(3) {
					p += "/" + []string{"a", "b", "c%", "d d"}[rng.IntN(4)]
				}
				return p
			}
			for round := range 4 {
				for i := range 60 {
					p, q := name(), name()
					switch rng.IntN(10) {
					case 0, 1, 2, 3: // errors are part of it: a file is where a directory would have to be
						_ = os.MkdirAll(filepath.Dir(w.path(p)), 0o755)
						_ = os.WriteFile(w.path(p), fmt.Append(nil, round, i), 0o600)
					case 4:
						_ = os.WriteFile(w.path("tmp"), fmt.Append(nil, "tmp", round, i), 0o600)
						_ = os.Rename(w.path("tmp"), w.path(p))
					case 5, 6:
						_ = os.Rename(w.path(p), w.path(q))
					case 7:
						_ = os.RemoveAll(w.path(p))
					case 8:
						_ = os.Remove(w.path(p))
					default:
						_ = os.MkdirAll(w.path(p), 0o755)
					}
				}
				w.equal()
			}
			if s := w.State(); s.Lost != 0 || !s.Watching {
				t.Errorf("state %+v, want nothing lost", s)
			}
		})
	}
}

// Files are written the moment that their directory is there, by many at once:
// the watch on it comes later.
func TestFilesOlderThanTheirWatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t).start()
	var g sync.WaitGroup
	for n := range 4 {
		g.Go(func() {
			for i := range 60 {
				p := w.path(fmt.Sprintf("w%d/%d/x/y/z/file", n, i))
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Error(err)
				}
				if err := os.WriteFile(p, []byte("x"), 0o600); err != nil {
					t.Error(err)
				}
				if i%3 == 0 { // and gone or moved as soon
					if err := os.RemoveAll(w.path(fmt.Sprintf("w%d/%d/x/y", n, i))); err != nil {
						t.Error(err)
					}
				}
				if i%3 == 1 {
					if err := os.Rename(w.path(fmt.Sprintf("w%d/%d", n, i)), w.path(fmt.Sprintf("w%d/moved%d", n, i))); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	g.Wait()
	w.equal()
	if s := w.State(); s.Lost != 0 || !s.Watching {
		t.Errorf("state %+v, want nothing lost", s)
	}
	if got := len(w.objects()); got != 160 {
		t.Errorf("%d objects, want 160", got)
	}
}

// Links, names that no key can have, and the store's own files: named in the log
// or passed over, and none of them in the way of others.
func TestWhatIsNoObject(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t).start()
	for _, err := range []error{
		os.Symlink(secret, w.path("link")),
		os.Symlink(filepath.Dir(secret), w.path("linked")),
		os.WriteFile(w.dir+"/not\xffutf8", []byte("x"), 0o600),
		os.WriteFile(w.dir+"/"+strings.Repeat("long", 60), []byte("x"), 0o600),
		os.WriteFile(w.dir+"/%cf%plain", []byte("x"), 0o600),
		os.MkdirAll(w.dir+"/.crossfade-store/tmp", 0o755),
		os.WriteFile(w.dir+"/.crossfade-store/tmp/x", []byte("x"), 0o600),
		os.MkdirAll(w.dir+"/ü/Ä", 0o755),
		os.WriteFile(w.dir+"/ü/Ä/a%20b\n+", []byte("odd"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.until("two objects", func() bool { return len(w.objects()) == 2 })
	if got := w.objects(); got["ü/Ä/a%20b\n+"] != "odd" || got[strings.Repeat("long", 60)] != "x" {
		t.Errorf("the target has %q", got)
	}
	for _, parts := range [][]string{{"key=link ", "symbolic link"}, {"key=linked ", "symbolic link"}, {"not UTF-8"}, {"reserved for escaped names"}} {
		w.until("the refusal of "+parts[0], func() bool { return w.log.lines(append(parts, "dead-letter")...) > 0 })
	}
	w.until("them to be counted", func() bool { return w.State().DeadLetters >= 4 })
	if w.log.lines(".crossfade-store") > 0 {
		t.Error("the store's own files are events")
	}
	if strings.Contains(w.log.String(), filepath.Dir(secret)) {
		t.Error("the log names what a link leads to")
	}
}

func TestTheDirectoryItselfIsGone(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(dir string) error{
		"removed": os.RemoveAll,
		"moved":   func(dir string) error { return os.Rename(dir, dir+"-elsewhere") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write("a", "x")
			w.start()
			w.equal()
			if err := end(w.dir); err != nil {
				t.Fatal(err)
			}
			err := w.wait()
			if store.KindOf(err) != store.Unavailable || !strings.Contains(err.Error(), w.dir) {
				t.Errorf("Run returned %v, want an error of kind Unavailable that names the directory", err)
			}
			if got := len(w.objects()); name == "moved" && got != 1 {
				t.Errorf("%d objects on the target, want the one that was there", got)
			}
		})
	}
}
