package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/crossfade-io/crossfade/store"
)

// looks bounds how often an object is looked at again because it was replaced
// between two looks.
const looks = 100

// opened is a file with its description.
type opened struct {
	*os.File
	info fs.FileInfo
	rec  *record
}

// open opens the file of key in dir. errNotFound where there is none.
func (s *Store) open(dir *os.Root, name, key string) (*opened, error) {
	for range looks {
		o, again, err := s.look(dir, name, key)
		if err != nil || !again {
			return o, err
		}
	}
	return nil, kinded(store.Unavailable, "replaced again and again while it was opened")
}

func (s *Store) look(dir *os.Root, name, key string) (o *opened, again bool, err error) {
	fi, err := dir.Lstat(name)
	switch {
	case gone(err):
		return nil, false, errNotFound
	case err != nil:
		return nil, false, err
	case fi.IsDir():
		return nil, false, errNotFound
	}
	if err := notFollowed(fi); err != nil {
		return nil, false, err
	}
	f, err := dir.OpenFile(name, openFlags, 0)
	if gone(err) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	o, again, err = s.describe(dir, name, key, f, fi)
	if o == nil {
		_ = f.Close()
	}
	return o, again, err
}

// describe finds the record of an open file. Records are removed only after
// the file that they describe: if there is none, and the file is still in its
// place, it has none.
func (s *Store) describe(dir *os.Root, name, key string, f *os.File, seen fs.FileInfo) (o *opened, again bool, err error) {
	fi, err := f.Stat()
	if err != nil || !os.SameFile(fi, seen) {
		return nil, err == nil, err
	}
	rec, err := s.loadRecord(key, f, fi)
	if err != nil {
		return nil, false, err
	}
	if rec == nil {
		now, err := dir.Lstat(name)
		if gone(err) || err == nil && !sameBytes(now, fi) {
			return nil, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		// A change of attributes may have moved the record into the file.
		if rec, err = s.loadRecord(key, f, fi); err != nil {
			return nil, false, err
		}
	}
	return &opened{f, fi, rec}, false, nil
}

// sameBytes reports whether two descriptions are of one file in one state.
func sameBytes(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// openKey opens the file of key.
func (s *Store) openKey(ctx context.Context, key string) (*opened, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	names, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	last := len(names) - 1
	dir, err := s.openDir(names[:last])
	if gone(err) {
		err = errNotFound
	}
	if err == nil {
		defer dir.Close() //nolint:errcheck // nothing was written
		var o *opened
		if o, err = s.open(dir, names[last], key); err == nil {
			return o, nil
		}
	}
	if errors.Is(err, errNotFound) {
		if err := s.alive(); err != nil {
			return nil, err
		}
	}
	return nil, err
}

// Head returns the object under key.
func (s *Store) Head(ctx context.Context, key string) (*store.Object, error) {
	o, err := s.openKey(ctx, key)
	if err != nil {
		return nil, s.error("head", key, err)
	}
	defer o.Close() //nolint:errcheck // nothing was written
	return object(key, o.info, o.rec), nil
}

// Open returns the bytes of the file. Its body fails at the end with Kind
// Precondition if the file was changed in place while it was read.
func (s *Store) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	f, err := s.openKey(ctx, key)
	if err != nil {
		return nil, s.error("open", key, err)
	}
	o := object(key, f.info, f.rec)
	switch {
	case opts.Version != "" && opts.Version != o.Version:
		err = kinded(store.Precondition, "the file is version %s, not %s", o.Version, opts.Version)
	case opts.Offset < 0 || opts.Length < 0 || opts.Offset > o.Size:
		err = kinded(store.Invalid, "range %d+%d of %d bytes", opts.Offset, opts.Length, o.Size)
	}
	if err != nil {
		return nil, s.error("open", key, errors.Join(err, f.Close()))
	}
	end := o.Size
	if opts.Length > 0 && opts.Length < end-opts.Offset {
		end = opts.Offset + opts.Length
	}
	return &store.Reader{Object: *o, Body: &body{ctx: ctx, s: s, key: key, f: f, off: opts.Offset, end: end}}, nil
}

// body reads a range of a file, and checks at its end that the file is what it
// was at the beginning.
type body struct {
	ctx      context.Context //nolint:containedctx // a body ends with the context it was opened with
	s        *Store
	key      string
	f        *opened
	off, end int64
	failed   error
}

func (b *body) Read(p []byte) (int, error) {
	if b.failed != nil {
		return 0, b.failed
	}
	n, err := b.read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // io.EOF is returned as it is
		// The bytes just read are withheld: io.ReadFull drops an error that comes
		// with the last of them.
		b.failed = b.s.error("read", b.key, err)
		return 0, b.failed
	}
	return n, err
}

func (b *body) read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.off == b.end {
		return 0, io.EOF
	}
	if left := b.end - b.off; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := b.f.ReadAt(p, b.off)
	b.off += int64(n)
	if isEOF(err) {
		err = nil
		if n == 0 && len(p) > 0 {
			return 0, kinded(store.Precondition, "the file became shorter while it was read")
		}
	}
	if err == nil && b.off == b.end {
		err = b.unchanged()
	}
	return n, err
}

func (b *body) unchanged() error {
	now, err := b.f.Stat()
	if err == nil && !sameBytes(now, b.f.info) {
		err = kinded(store.Precondition, "the file was changed while it was read")
	}
	return err
}

// Close closes the file.
func (b *body) Close() error { return b.f.Close() }
