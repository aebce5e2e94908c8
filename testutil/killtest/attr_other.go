//go:build !linux

package killtest

import "syscall"

func childAttr() *syscall.SysProcAttr { return nil }
