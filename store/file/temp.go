package file

import (
	"crypto/rand"
	"errors"
	"os"
)

// temp is a temporary file, open for writing.
type temp struct {
	*os.File
	dir      *os.Root
	name     string
	moved    bool
	recorded bool // its record is in an extended attribute
}

func (s *Store) newTemp() (*temp, error) {
	dir, _, err := s.makeDir([]string{Reserved, "tmp"})
	if err != nil {
		return nil, err
	}
	name := rand.Text()
	f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return &temp{File: f, dir: dir, name: name}, nil
}

// moveTo renames the file into dir.
func (t *temp) moveTo(dir *os.Root, name string) error {
	from, err := t.dir.Open(".")
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // nothing was written
	to, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // nothing was written
	if err := rename(from, t.name, to, name); err != nil {
		return err
	}
	t.moved = true
	return nil
}

// discard closes the file, and removes it unless it was moved.
func (t *temp) discard() {
	_ = t.Close()
	if !t.moved {
		_ = t.dir.Remove(t.name)
	}
	_ = t.dir.Close()
}

func (s *Store) sync(f *os.File) error {
	if s.opts.NoSync {
		return nil
	}
	return f.Sync()
}

func (s *Store) syncDir(dir *os.Root) error {
	if s.opts.NoSync {
		return nil
	}
	return syncDir(dir)
}
