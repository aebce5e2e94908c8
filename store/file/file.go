// Package file is the store on a local directory.
//
// A key is the path of a file: photos/a.jpg is the file a.jpg in the directory
// photos, so an existing tree can be a source, and other programs can read what
// was copied. Keys that a path cannot hold exactly (empty, "." and ".."
// segments, NUL bytes, segments above 255 bytes) are stored under escaped
// names that begin with "%cf", and come back as they were. What cannot be held
// is a key below another key, "dir/file" beside an object "dir": the later of
// the two is refused with Kind Invalid. File systems that fold case or
// normalise names are out of scope.
//
// The key cannot lead outside of the directory: everything goes through
// os.Root, and symbolic links are not followed at all, not even inside. A link,
// a device, a pipe, or a file whose name is no valid key is listed all the
// same, and its Head and Open yield Kind Invalid with the reason: it is counted
// and named instead of being passed over.
//
// Attributes, user metadata and checksums are kept in the extended attribute
// user.crossfade, or in a small file below .crossfade-store where the file
// system has none or too little room. They name the size and modification time
// of the bytes they belong to: a file that another program rewrote has none.
// Such a bare file gets a content type by its extension.
//
// Writes go to a temporary file, are verified, synced, and renamed. Conditions
// are exact among all processes that use this package, which take a lock of
// the operating system for the key; other programs are not bound by it.
// Directories that a Delete leaves empty are removed.
package file

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/parts"
)

// Reserved is the directory below the root in which the store keeps temporary
// files, locks, and attributes that the file system cannot. It appears with
// the first write and is never listed.
const Reserved = ".crossfade-store"

// Bodies above partSize are read in parallel parts.
const (
	partSize = 8 * parts.MiB
	parallel = 4
	poolSize = 64 * parts.MiB
)

// Options of a store. The zero value is good.
type Options struct {
	// Sidecar keeps attributes in files even where extended attributes work.
	// Both are read in any case.
	Sidecar bool

	// NoSync leaves it to the operating system when bytes reach the disk:
	// faster, but what was acknowledged may be lost with the power.
	NoSync bool

	// Now is the clock by which old temporary files are told: default time.Now.
	Now func() time.Time
}

// Store is a store on a directory. It is safe for concurrent use.
type Store struct {
	dir   string
	root  *os.Root
	opts  Options
	pool  *parts.Pool
	part  int64 // partSize, but for tests
	locks locks
}

var (
	_ store.Store           = (*Store)(nil)
	_ store.MetadataUpdater = (*Store)(nil)
	_ store.Checker         = (*Store)(nil)
	_ store.UniqueVersions  = (*Store)(nil)
)

// Open opens file:///dir. Parameters: sidecar=true, sync=false.
func Open(_ context.Context, u *url.URL) (store.Store, error) {
	var opts Options
	for name, values := range u.Query() {
		on, err := strconv.ParseBool(values[len(values)-1])
		switch {
		case name != "sidecar" && name != "sync":
			return nil, fmt.Errorf("unknown parameter %q in a file URL: known are sidecar=true and sync=false", name)
		case err != nil:
			return nil, fmt.Errorf("parameter %s=%q in a file URL: write true or false", name, values[len(values)-1])
		case name == "sidecar":
			opts.Sidecar = on
		default:
			opts.NoSync = !on
		}
	}
	if u.Host != "" && u.Host != "localhost" || u.Path == "" {
		return nil, errors.New("a file URL needs three slashes and a whole path: file:///directory")
	}
	return New(u.Path, opts)
}

// New returns a store on the directory dir, which must exist, and removes
// temporary files in it that are older than a day.
func New(dir string, opts Options) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("directory %q: %w", dir, err)
	}
	if opts.Now == nil {
		opts.Now = time.Now //nolint:forbidigo // the age of leftovers on a disk is told by the real clock
	}
	s := &Store{dir: abs, opts: opts, pool: parts.NewPool(poolSize, partSize), part: partSize}
	if !supported {
		return nil, s.fail("check", "", store.Invalid, errors.New("directories are supported on Linux, macOS, FreeBSD and NetBSD only"))
	}
	s.root, err = os.OpenRoot(abs)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, s.fail("check", "", store.Unavailable, errors.New("there is no such directory: create it, or mount what it is on"))
	case err != nil:
		return nil, s.error("check", "", err)
	}
	s.locks.init()
	s.sweep()
	return s, nil
}

// Close releases the directory.
func (s *Store) Close() error { return s.root.Close() }

// UniqueVersions marks the store: each write brings a new random number into
// the Version, besides time and inode.
func (s *Store) UniqueVersions() {}

// Check reports whether the directory can be listed.
func (s *Store) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return s.error("check", "", err)
	}
	if err := s.alive(); err != nil {
		return s.error("check", "", err)
	}
	d, err := s.root.Open(".")
	if err != nil {
		return s.error("check", "", err)
	}
	defer d.Close() //nolint:errcheck // nothing was written
	if _, err := d.Readdirnames(1); err != nil && !isEOF(err) {
		return s.error("check", "", err)
	}
	return nil
}

// alive tells an empty directory from one that was removed under our feet: in
// the latter no key is definitely absent.
func (s *Store) alive() error {
	fi, err := s.root.Stat(".")
	if err != nil {
		return err
	}
	if links(fi) == 0 {
		return kinded(store.Unavailable, "the directory was removed")
	}
	return nil
}

// sweep removes old temporary files. It is no concern of the caller where it
// cannot: a source may be read-only.
func (s *Store) sweep() {
	tmp, err := s.root.OpenRoot(Reserved + "/tmp")
	if err != nil {
		return
	}
	defer tmp.Close() //nolint:errcheck // nothing was written
	d, err := tmp.Open(".")
	if err != nil {
		return
	}
	defer d.Close() //nolint:errcheck // nothing was written
	entries, _ := d.ReadDir(-1)
	for _, e := range entries {
		fi, err := e.Info()
		if err == nil && fi.Mode().IsRegular() && s.opts.Now().Sub(fi.ModTime()) > 24*time.Hour {
			_ = tmp.Remove(e.Name())
		}
	}
}
