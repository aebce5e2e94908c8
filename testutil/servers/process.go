package servers

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a child in a process group of its own.
type process struct {
	pid  int
	done chan struct{} // closed when it has ended
	err  error         // why, once done is closed
}

// startProcess starts argv in dir with its output in the file log.
func startProcess(argv, env []string, dir, log string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = groupAttr()

	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel sends the parent-death signal when the thread that
		// started the child ends, so that thread is kept until the child has.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer out.Close() //nolint:errcheck // the child wrote to its own copy
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.pid = cmd.Process.Pid
		started <- nil
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// alive returns nil while the process runs, and why it ended afterwards.
func (p *process) alive() error {
	select {
	case <-p.done:
		if p.err != nil {
			return p.err
		}
		return errors.New("it ended by itself")
	default:
		return nil
	}
}

// stop asks the group to end, insists after grace, and waits.
func (p *process) stop(grace time.Duration) error {
	if p.alive() != nil {
		return nil // and its id may belong to another process by now
	}
	if err := signalGroup(p.pid, syscall.SIGTERM); err != nil {
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	if err := signalGroup(p.pid, syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

func signalGroup(pid int, sig syscall.Signal) error {
	err := syscall.Kill(-pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return nil // it ended meanwhile
	}
	return err
}
