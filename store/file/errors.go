package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/crossfade-io/crossfade/store"
)

func (s *Store) fail(op, key string, kind store.Kind, err error) error {
	return &store.Error{Op: op, Store: "file://" + s.dir, Key: key, Kind: kind, Err: err}
}

// kinded is an error with a Kind that is completed on its way out.
type kindError struct {
	kind store.Kind
	err  error
}

func (e *kindError) Error() string { return e.err.Error() }
func (e *kindError) Unwrap() error { return e.err }

func kinded(kind store.Kind, format string, args ...any) error {
	return &kindError{kind, fmt.Errorf(format, args...)}
}

// error makes err an *store.Error of this store.
func (s *Store) error(op, key string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*kindError](err); ok {
		return s.fail(op, key, e.kind, e.err)
	}
	if e, ok := errors.AsType[*store.Error](err); ok && e.Store == "" { // from store/parts
		return s.fail(op, key, e.Kind, e.Err)
	}
	return s.fail(op, key, classify(err), err)
}

// classify gives errors of the operating system a Kind. That a name is not
// there is decided where the whole path is known, not here.
func classify(err error) store.Kind {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return store.Unknown
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return store.Denied
	case errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.EXDEV), errors.Is(err, syscall.EINVAL):
		return store.Invalid
	case errors.Is(err, syscall.EFBIG):
		return store.TooLarge
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EIO), errors.Is(err, syscall.ESTALE), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return store.Unavailable
	default:
		return store.Unknown
	}
}

var errNotFound = kinded(store.NotFound, "there is no such file")

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// gone reports whether a name or a directory above it is not there.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
