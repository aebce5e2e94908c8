//go:build !(linux || darwin || freebsd || netbsd)

package file

import (
	"errors"
	"io/fs"
	"os"
)

// New refuses where supported is false; the rest makes the package build.
const (
	supported = false
	openFlags = os.O_RDONLY
)

func inode(fs.FileInfo) uint64                        { return 0 }
func links(fs.FileInfo) uint64                        { return 1 }
func getAttr(*os.File, string) ([]byte, error)        { return nil, errors.ErrUnsupported }
func setAttr(*os.File, string, []byte) error          { return errors.ErrUnsupported }
func removeAttr(*os.File, string) error               { return errors.ErrUnsupported }
func noRoom(error) bool                               { return false }
func flock(*os.File) error                            { return errors.ErrUnsupported }
func rename(*os.File, string, *os.File, string) error { return errors.ErrUnsupported }
func rmdir(*os.File, string) error                    { return errors.ErrUnsupported }
