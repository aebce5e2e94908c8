//go:build unix

package watch

import (
	"io/fs"
	"syscall"
)

// inodeOf tells a directory by whatever name it has; false where it cannot.
func inodeOf(fi fs.FileInfo) (inode, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return inode{}, false
	}
	return inode{uint64(st.Dev), uint64(st.Ino)}, true //nolint:unconvert // not uint64 everywhere
}
