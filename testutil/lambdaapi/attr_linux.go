package lambdaapi

import "syscall"

// childAttr has a child killed when this process dies without ending it.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
