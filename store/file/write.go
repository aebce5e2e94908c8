package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/parts"
)

// Put stores content as a file.
func (s *Store) Put(ctx context.Context, key string, content store.Content, opts store.PutOptions) (*store.Object, error) {
	o, err := s.put(ctx, key, content, opts)
	if err != nil {
		return nil, s.error("put", key, err)
	}
	return o, nil
}

func (s *Store) put(ctx context.Context, key string, content store.Content, opts store.PutOptions) (*store.Object, error) {
	names, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	if err := checkAttrs(opts.Attrs); err != nil {
		return nil, err
	}
	if _, err := s.current(ctx, key, opts.If); err != nil { // before any byte is read
		return nil, err
	}
	tmp, err := s.newTemp()
	if err != nil {
		return nil, err
	}
	defer tmp.discard()
	sums, err := s.fill(ctx, tmp.File, content, opts.Checksums)
	if err != nil {
		return nil, err
	}
	rec := newRecord(opts.Attrs, sums)
	if err := s.prepare(tmp, rec); err != nil {
		return nil, err
	}
	if err := s.sync(tmp.File); err != nil {
		return nil, err
	}
	return s.commit(ctx, key, names, tmp, rec, opts.If)
}

// current describes what is stored under key, nil for nothing, if cond holds.
func (s *Store) current(ctx context.Context, key string, cond store.Condition) (fs.FileInfo, error) {
	o, err := s.present(ctx, key, cond)
	if errors.Is(err, errNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return o.info, o.Close()
}

// present opens the file of key, if cond holds. The caller closes it.
func (s *Store) present(ctx context.Context, key string, cond store.Condition) (*opened, error) {
	o, err := s.openKey(ctx, key)
	if errors.Is(err, errNotFound) && cond.Match != "" {
		return nil, kinded(store.Precondition, "there is no such file")
	}
	if err != nil {
		return nil, err
	}
	v := object(key, o.info, o.rec).Version
	switch {
	case cond.Absent:
		err = kinded(store.Precondition, "the file exists, as version %s", v)
	case cond.Match != "" && cond.Match != v:
		err = kinded(store.Precondition, "the file is version %s, not %s", v, cond.Match)
	default:
		return o, nil
	}
	return nil, errors.Join(err, o.Close())
}

// fill writes content to f and verifies it.
func (s *Store) fill(ctx context.Context, f *os.File, content store.Content, want store.Checksums) (store.Checksums, error) {
	size := content.Size()
	if b, ok := content.(store.Bytes); ok || size > s.part {
		if ok && size <= s.part {
			return s.fillWhole(ctx, f, b, want)
		}
		return s.pool.Upload(ctx, content, s.part, parallel, want, func(_ context.Context, p parts.Part) error {
			_, err := f.WriteAt(p.Data, p.Offset)
			return err
		})
	}
	r, err := content.Open(ctx, 0, size)
	if err != nil {
		return store.Checksums{}, fmt.Errorf("reading the source: %w", err)
	}
	sums, err := s.copyVerified(ctx, f, r, size, want)
	return sums, errors.Join(err, r.Close())
}

func (s *Store) fillWhole(ctx context.Context, f *os.File, b store.Bytes, want store.Checksums) (store.Checksums, error) {
	_, sums, err := parts.Whole(ctx, b, want)
	if err == nil {
		_, err = f.Write(b)
	}
	return sums, err
}

func (s *Store) copyVerified(ctx context.Context, f *os.File, r io.Reader, size int64, want store.Checksums) (store.Checksums, error) {
	hash := store.NewHasher(want)
	limited := io.LimitReader(&contextReader{ctx, r}, size+1) // one more, to notice what runs long
	if _, err := io.Copy(io.MultiWriter(f, hash), limited); err != nil {
		return store.Checksums{}, err
	}
	if err := hash.Verify(size); err != nil {
		return store.Checksums{}, kinded(store.Corrupt, "%w", err)
	}
	return hash.Sum(), nil
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context //nolint:containedctx // lives as long as one call
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// commit puts the file tmp in the place of key, if cond holds. It is durable
// when commit returns.
func (s *Store) commit(ctx context.Context, key string, names []string, tmp *temp, rec *record, cond store.Condition) (*store.Object, error) {
	unlock, err := s.lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	old, err := s.current(ctx, key, cond)
	if err != nil {
		return nil, err
	}
	fi, changed, err := distinct(tmp, old)
	if err != nil {
		return nil, err
	}
	keep := "" // the sidecar
	if changed || !tmp.recorded {
		sidecar, err := s.saveRecord(key, tmp.File, fi, rec)
		if err == nil {
			err = s.sync(tmp.File)
		}
		if err != nil {
			return nil, err
		}
		if sidecar {
			keep = sidecarName(fi)
		}
	}
	dir, made, err := s.place(ctx, names, tmp)
	if err != nil {
		if keep != "" { // of bytes that never came
			s.dropSidecars(key, nameOf(old))
		}
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // synced
	if err := s.syncDir(dir); err != nil {
		return nil, err
	}
	for n := len(names) - 2; n >= made; n-- { // the new directories' own names
		if err := s.syncNamed(names[:n]); err != nil {
			return nil, err
		}
	}
	s.dropSidecars(key, keep)
	return object(key, fi, rec), nil
}

// prepare keeps rec in the temporary file, if it has room for it. What has to
// go to a sidecar waits for the lock, because its name may be taken.
func (s *Store) prepare(tmp *temp, rec *record) error {
	if s.opts.Sidecar {
		return nil
	}
	fi, err := tmp.Stat()
	if err != nil {
		return err
	}
	b, err := rec.encode(fi)
	if err != nil {
		return err
	}
	err = setAttr(tmp.File, attrName, b)
	if noRoom(err) {
		return nil
	}
	tmp.recorded = err == nil
	return err
}

func nameOf(fi fs.FileInfo) string {
	if fi == nil {
		return ""
	}
	return sidecarName(fi)
}

// distinct makes the new file differ in time or size from the old, so that
// neither Version nor sidecar can be confused, and describes it.
func distinct(tmp *temp, old fs.FileInfo) (fi fs.FileInfo, changed bool, err error) {
	same := func() bool {
		return err == nil && old != nil && fi.Size() == old.Size() && fi.ModTime().Equal(old.ModTime())
	}
	fi, err = tmp.Stat()
	// A file system may keep less than nanoseconds: try steps that it keeps.
	for step := time.Nanosecond; same() && step <= 10*time.Second; step *= 10 {
		later := old.ModTime().Add(step)
		if err = tmp.dir.Chtimes(tmp.name, later, later); err == nil {
			changed = true
			fi, err = tmp.Stat()
		}
	}
	if same() {
		err = kinded(store.Unavailable, "the file system does not tell times apart")
	}
	return fi, changed, err
}

// place renames tmp to where names lead. An object is not there half way; the
// directories above it are made, again if another's Delete removes them in
// between.
func (s *Store) place(ctx context.Context, names []string, tmp *temp) (dir *os.Root, made int, err error) {
	last := len(names) - 1
	for range looks {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		dir, made, err = s.makeDir(names[:last])
		if err == nil {
			if err = tmp.moveTo(dir, names[last]); errors.Is(err, syscall.EISDIR) {
				if err = removeEmpty(dir, names[last]); err == nil {
					err = tmp.moveTo(dir, names[last])
				}
			}
			if err == nil {
				return dir, made, nil
			}
			_ = dir.Close()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, fs.ErrExist):
			return nil, 0, clash(names)
		}
		return nil, 0, err
	}
	return nil, 0, kinded(store.Unavailable, "its directory was removed again and again")
}

func (s *Store) syncNamed(names []string) error {
	dir, err := s.openDir(names)
	if err != nil {
		if gone(err) { // the object was deleted since
			return nil
		}
		return err
	}
	defer dir.Close() //nolint:errcheck // synced
	return s.syncDir(dir)
}
