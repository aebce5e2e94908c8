//go:build !unix

package watch

import "io/fs"

// inodeOf tells a directory by whatever name it has; false where it cannot.
func inodeOf(fs.FileInfo) (inode, bool) { return inode{}, false }
