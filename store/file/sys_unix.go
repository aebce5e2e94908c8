//go:build linux || darwin || freebsd || netbsd

package file

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const supported = true

// openFlags never wait for the other end of a pipe.
const openFlags = os.O_RDONLY | unix.O_NONBLOCK

func inode(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino) //nolint:unconvert // not uint64 everywhere
	}
	return 0
}

func links(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink) //nolint:unconvert // not uint64 everywhere
	}
	return 1
}

// control runs f with the descriptor of file.
func control(file *os.File, f func(fd int) error) error {
	c, err := file.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := c.Control(func(fd uintptr) {
		for {
			if err = f(int(fd)); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}); cerr != nil {
		return cerr
	}
	return err
}

// getAttr reads an extended attribute; nil where there is none, or where the
// file system knows none.
func getAttr(file *os.File, name string) (value []byte, err error) {
	buf := make([]byte, 1024)
	err = control(file, func(fd int) error {
		for {
			n, err := unix.Fgetxattr(fd, name, buf)
			if err == nil {
				value = buf[:n]
				return nil
			}
			if !errors.Is(err, unix.ERANGE) || len(buf) >= 1<<17 {
				return err
			}
			buf = make([]byte, 4*len(buf))
		}
	})
	if errors.Is(err, noAttr) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	return value, err
}

func setAttr(file *os.File, name string, value []byte) error {
	return control(file, func(fd int) error { return unix.Fsetxattr(fd, name, value, 0) })
}

func removeAttr(file *os.File, name string) error {
	err := control(file, func(fd int) error { return unix.Fremovexattr(fd, name) })
	if errors.Is(err, noAttr) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// noRoom reports whether the file system cannot hold an attribute at all, or
// not one as large.
func noRoom(err error) bool {
	for _, e := range []error{unix.ENOTSUP, unix.EOPNOTSUPP, unix.EPERM, unix.ENOSPC, unix.E2BIG, unix.ERANGE, unix.EDQUOT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// flock takes the exclusive lock of an open file; it ends with its closing.
func flock(file *os.File) error {
	return control(file, func(fd int) error { return unix.Flock(fd, unix.LOCK_EX) })
}

// rename moves a file from one open directory to another, over what is there.
func rename(from *os.File, name string, to *os.File, newName string) error {
	return control(from, func(a int) error {
		return control(to, func(b int) error { return unix.Renameat(a, name, b, newName) })
	})
}

// rmdir removes a directory, if it is empty, and nothing that is not one.
func rmdir(parent *os.File, name string) error {
	return control(parent, func(fd int) error { return unix.Unlinkat(fd, name, unix.AT_REMOVEDIR) })
}
