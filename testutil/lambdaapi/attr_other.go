//go:build !linux

package lambdaapi

import "syscall"

func childAttr() *syscall.SysProcAttr { return nil }
