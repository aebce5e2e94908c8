package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/crossfade-io/crossfade/store"
)

// errStop ends a walk that the caller of List wants no more of.
var errStop = errors.New("stop")

// List yields the files below the directory in byte order of keys. The names
// of one directory at a time, and of those above it, are held in memory.
func (s *Store) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		w := &walk{ctx: ctx, s: s, opts: opts, yield: func(o *store.Object) bool { return yield(o, nil) }}
		err := s.alive()
		if err == nil {
			var dir *os.Root
			if dir, err = s.root.OpenRoot("."); err == nil {
				err = w.directory(dir, "")
			}
		}
		if err == nil { // what vanished was not the whole tree
			err = s.alive()
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, s.error("list", "", err))
		}
	}
}

type walk struct {
	ctx   context.Context //nolint:containedctx // lives as long as one listing
	s     *Store
	opts  store.ListOptions
	yield func(*store.Object) bool
}

// entry is a name in a directory, or below pieces of a long name in it.
type entry struct {
	path []string // from the directory, one name but for long segments
	key  string   // of the file, or with "/" at its end of the directory
	mode fs.FileMode
}

// directory lists dir, whose keys begin with prefix, and closes it.
func (w *walk) directory(dir *os.Root, prefix string) error {
	defer dir.Close() //nolint:errcheck // nothing was written
	entries, err := w.entries(dir, nil, prefix)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		switch {
		case w.opts.Until != "" && e.key > w.opts.Until:
			return errStop // and so are all that follow
		case e.mode.IsDir():
			if e.key <= w.opts.After && !strings.HasPrefix(w.opts.After, e.key) {
				continue // all below it come before After
			}
			err = w.below(dir, e)
		case e.key > w.opts.After:
			err = w.file(dir, e)
		}
		if err != nil && !vanished(err) {
			return err
		}
	}
	return nil
}

// vanished reports whether an entry was removed, or replaced by something
// else, after its name was read.
func vanished(err error) bool { return gone(err) || errors.Is(err, errNotFound) }

func (w *walk) below(dir *os.Root, e entry) error {
	sub, err := descend(dir, e.path)
	if err != nil {
		return err
	}
	return w.directory(sub, e.key)
}

// descend opens a directory below dir, which stays open.
func descend(dir *os.Root, path []string) (*os.Root, error) {
	sub, err := dir.OpenRoot(".")
	for i := 0; err == nil && i < len(path); i++ {
		sub, err = step(sub, path[i])
	}
	return sub, err
}

func (w *walk) file(dir *os.Root, e entry) error {
	last := len(e.path) - 1
	if last > 0 {
		sub, err := descend(dir, e.path[:last])
		if err != nil {
			return err
		}
		defer sub.Close() //nolint:errcheck // nothing was written
		dir = sub
	}
	o := &store.Object{Key: e.key, Partial: true} // what only Head can complain of
	if e.mode.IsRegular() && checkKey(e.key) == nil {
		f, err := w.s.open(dir, e.path[last], e.key)
		switch {
		case err == nil:
			o = object(e.key, f.info, f.rec)
			_ = f.Close()
		case vanished(err):
			return err
		}
	}
	if !w.yield(o) {
		return errStop
	}
	return nil
}

// entries reads the names of dir. above are the pieces of a long segment that
// lead to it: what is below such pieces is sorted with what is beside them.
func (w *walk) entries(dir *os.Root, above []string, prefix string) ([]entry, error) {
	d, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close() //nolint:errcheck // nothing was written
	var all []entry
	for {
		if err := w.ctx.Err(); err != nil {
			return nil, err
		}
		read, err := d.ReadDir(4096)
		for _, x := range read {
			more, err := w.entry(dir, above, prefix, x)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
		}
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (w *walk) entry(dir *os.Root, above []string, prefix string, x fs.DirEntry) ([]entry, error) {
	name, mode := x.Name(), x.Type()
	if prefix == "" && len(above) == 0 && reserved(name) {
		return nil, nil
	}
	path := append(slices.Clone(above), name)
	if strings.HasPrefix(name, more) && mode.IsDir() {
		sub, err := child(dir, name)
		if gone(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		defer sub.Close() //nolint:errcheck // nothing was written
		return w.entries(sub, path, prefix)
	}
	seg, err := decodeSegment(path, prefix == "")
	if err != nil {
		return nil, kinded(store.Invalid, "below %q: %w", prefix, err)
	}
	if mode.IsDir() {
		seg += "/"
	}
	return []entry{{path: path, key: prefix + seg, mode: mode}}, nil
}
