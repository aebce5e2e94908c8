//go:build unix && !linux

package servers

import "syscall"

// groupAttr puts a child into a group of its own.
func groupAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
