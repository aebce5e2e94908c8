//go:build darwin || freebsd || netbsd

package file

import "golang.org/x/sys/unix"

const noAttr = unix.ENOATTR
