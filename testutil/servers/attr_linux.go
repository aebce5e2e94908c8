package servers

import "syscall"

// groupAttr puts a child into a group of its own and has it killed when this
// process dies without stopping it.
func groupAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
