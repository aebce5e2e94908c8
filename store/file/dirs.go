package file

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/crossfade-io/crossfade/store"
)

// openDir opens the directory that names lead to. It follows no symbolic link:
// one that is met yields Kind Invalid. (One that is put there between the look
// and the step is followed by os.Root, but never out of the root.)
func (s *Store) openDir(names []string) (*os.Root, error) {
	dir, err := s.root.OpenRoot(".")
	for i := 0; err == nil && i < len(names); i++ {
		dir, err = step(dir, names[i])
	}
	return dir, err
}

// step opens the directory name below dir, and closes dir.
func step(dir *os.Root, name string) (*os.Root, error) {
	defer dir.Close() //nolint:errcheck // nothing was written
	return child(dir, name)
}

// child opens the directory name below dir. ENOTDIR where it is a file.
func child(dir *os.Root, name string) (*os.Root, error) {
	for {
		fi, err := dir.Lstat(name)
		if err != nil {
			return nil, err
		}
		if err := notFollowed(fi); err != nil {
			return nil, err
		}
		if !fi.IsDir() {
			return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOTDIR}
		}
		sub, err := dir.OpenRoot(name)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return sub, err
		}
		if now, lerr := dir.Lstat(name); lerr != nil || now.IsDir() { // not replaced since
			return nil, err
		}
	}
}

// notFollowed refuses what is neither a file nor a directory.
func notFollowed(fi fs.FileInfo) error {
	switch {
	case fi.Mode().IsRegular(), fi.IsDir():
		return nil
	case fi.Mode()&fs.ModeSymlink != 0:
		return kinded(store.Invalid, "%q is a symbolic link, which is not followed: only files are objects", fi.Name())
	default:
		return kinded(store.Invalid, "%q is a device, pipe or socket: only files are objects", fi.Name())
	}
}

// makeDir opens the directory that names lead to, and makes what is missing.
// made tells from which index on it did so, len(names) for none.
func (s *Store) makeDir(names []string) (dir *os.Root, made int, err error) {
	made = len(names)
	dir, err = s.root.OpenRoot(".")
	for i := 0; err == nil && i < len(names); i++ {
		merr := dir.Mkdir(names[i], 0o777)
		switch {
		case merr == nil:
			made = min(made, i)
		case !errors.Is(merr, fs.ErrExist):
			_ = dir.Close()
			return nil, 0, merr
		}
		dir, err = step(dir, names[i])
	}
	return dir, made, err
}

// prune removes the directory that names lead to, and those above it, as long
// as they are empty. That they are not, or that another process was quicker,
// is no error.
func (s *Store) prune(names []string) {
	for n := len(names); n > 0; n-- {
		parent, err := s.openDir(names[:n-1])
		if err != nil {
			return
		}
		err = removeEmpty(parent, names[n-1])
		_ = parent.Close()
		if err != nil {
			return
		}
	}
}

func removeEmpty(parent *os.Root, name string) error {
	d, err := parent.Open(".")
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // nothing was written
	return rmdir(d, name)
}

// syncDir makes the names in dir durable.
func syncDir(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // synced
	return d.Sync()
}

// clash says why a key that a path leads to cannot be stored.
func clash(names []string) error {
	return kinded(store.Invalid, "a part of %q is a file, or it is a directory itself: a directory cannot hold a key below another key", strings.Join(names, "/"))
}
