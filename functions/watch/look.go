package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/file"
)

// look watches the directory rel and all below it. If whole, what is in them is
// handed on: each directory is looked at once it is watched, so nothing that was
// written in between is missed. Without whole that is done for signals alone,
// which rescans pass over.
func (f *follower) look(ctx context.Context, rel string, whole bool) error {
	for todo := []string{rel}; len(todo) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		dir := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !f.watch(dir) {
			if dir == "" {
				return f.gone()
			}
			continue
		}
		err := f.read(dir, func(rel string, d fs.DirEntry) {
			switch {
			case file.IsReserved(rel):
			case d.IsDir():
				todo = append(todo, rel)
			case whole, strings.HasPrefix(rel, store.ControlPrefix):
				f.note(rel, found)
			}
		})
		if err != nil && !vanished(err) {
			f.missing = fmt.Errorf("reading %q: %w", f.path(dir), cause(err))
		}
	}
	return nil
}

// watch adds the directory rel, and reports whether it is one.
func (f *follower) watch(rel string) bool {
	p := f.path(rel)
	stat := os.Lstat // links are not followed
	if rel == "" {
		stat = os.Stat // as store/file opens it
	}
	fi, err := stat(p)
	if err == nil && !fi.IsDir() {
		return false
	}
	if err == nil {
		f.renamed(rel, fi)
		err = f.n.Add(p)
	}
	if rel == "" && f.root == nil {
		f.root = fi
	}
	switch {
	case err == nil:
		if _, none := f.n.(blind); !none {
			f.dirs.add(rel)
			f.watched++
			f.identify(rel, fi)
			f.update(func(s *State) { s.Directories = f.watched })
		}
		return true
	case vanished(err), errors.Is(err, syscall.ENAMETOOLONG): // no key is as long
		return false
	default:
		if f.missing == nil {
			f.missing = fmt.Errorf("directory %q: %w", p, limited(err))
		}
		return true // what is below may still be
	}
}

// chunk is how many names of a directory are read at once.
const chunk = 1024

func (f *follower) read(rel string, each func(rel string, d fs.DirEntry)) error {
	d, err := os.Open(f.path(rel))
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // nothing was written
	for {
		entries, err := d.ReadDir(chunk)
		for _, e := range entries {
			name := e.Name()
			if rel != "" {
				name = rel + "/" + name
			}
			each(name, e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (f *follower) path(rel string) string { return filepath.Join(f.opts.Dir, rel) }

// forget ends the watches on rel and below it. Those on a directory that was
// moved would go on under its old name.
func (f *follower) forget(rel string) {
	f.dirs.remove(rel, func(p string) {
		f.watched--
		_ = f.n.Remove(f.path(p)) // most often the system was quicker
		if len(f.left) == maxLeft {
			clear(f.left)
			f.want("more directories were moved or removed than are remembered")
		}
		f.left[p] = struct{}{}
		if known, ok := f.inodes[p]; ok {
			delete(f.inodes, p)
			delete(f.names, known)
		}
	})
	f.update(func(s *State) { s.Directories = f.watched })
}

// inode is a directory, whatever its name.
type inode struct{ dev, ino uint64 }

// renamed deals with a directory that is watched under another name, of which it
// was moved: the event that tells so may come later, and would end this watch.
func (f *follower) renamed(rel string, fi fs.FileInfo) {
	known, _ := inodeOf(fi)
	if old, ok := f.names[known]; ok && old != rel {
		f.forget(old)
		f.moved(old)
	}
}

// identify remembers what directory is watched at rel.
func (f *follower) identify(rel string, fi fs.FileInfo) {
	if known, ok := inodeOf(fi); ok {
		f.inodes[rel], f.names[known] = known, rel
	}
}

// maxLeft is how many directories that were moved or removed are remembered.
const maxLeft = 1 << 14

// vanished reports whether a directory was removed, or replaced by a file, after
// its name was read.
func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// cause is err without the path, which is named already.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// limited adds the remedy to the errors of limits.
func limited(err error) error {
	err = cause(err)
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: the system's limit of watched directories is reached: raise it, such as by sysctl fs.inotify.max_user_watches=1048576", err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%w: the limit of open files or of watchers is reached: raise it, by ulimit -n or sysctl fs.inotify.max_user_instances=1024", err)
	default:
		return err
	}
}
