package file

import (
	"context"
	"errors"
	"io/fs"

	"github.com/crossfade-io/crossfade/store"
)

// Delete removes the file of key, and directories that are empty without it.
func (s *Store) Delete(ctx context.Context, key string, cond store.Condition) error {
	return s.error("delete", key, s.delete(ctx, key, cond))
}

func (s *Store) delete(ctx context.Context, key string, cond store.Condition) error {
	names, err := encodeKey(key)
	if err != nil {
		return err
	}
	last := len(names) - 1
	// An absent object needs no lock, and a source that is only read gets no
	// directory for it.
	if old, err := s.current(ctx, key, cond); err != nil || old == nil {
		return err
	}
	unlock, err := s.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	if old, err := s.current(ctx, key, cond); err != nil || old == nil {
		return err
	}
	dir, err := s.openDir(names[:last])
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	err = dir.Remove(names[last])
	if err == nil {
		err = s.syncDir(dir)
	}
	_ = dir.Close()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.dropSidecars(key, "")
	s.prune(names[:last])
	return nil
}

// UpdateMetadata replaces the attributes of a file. Its bytes and modification
// time stay.
func (s *Store) UpdateMetadata(ctx context.Context, key string, attrs store.Attrs, cond store.Condition) (*store.Object, error) {
	o, err := s.update(ctx, key, attrs, cond)
	if err != nil {
		return nil, s.error("update", key, err)
	}
	return o, nil
}

func (s *Store) update(ctx context.Context, key string, attrs store.Attrs, cond store.Condition) (*store.Object, error) {
	if err := checkAttrs(attrs); err != nil {
		return nil, err
	}
	// Before anything is written, a lock included.
	if old, err := s.current(ctx, key, cond); err != nil {
		return nil, err
	} else if old == nil {
		return nil, errNotFound
	}
	unlock, err := s.lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	f, err := s.present(ctx, key, cond)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // synced
	var sums store.Checksums
	if f.rec != nil {
		sums = f.rec.checksums()
	}
	rec := newRecord(attrs, sums)
	sidecar, err := s.saveRecord(key, f.File, f.info, rec)
	if err == nil {
		err = s.sync(f.File)
	}
	if err != nil {
		return nil, err
	}
	if !sidecar {
		s.dropSidecars(key, "")
	}
	return object(key, f.info, rec), nil
}
