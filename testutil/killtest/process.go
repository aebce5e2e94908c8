// Package killtest kills crossfade's programs with SIGKILL at random moments,
// again and again, while an application goes on writing, and compares what is
// on the target with the application's own record, through plain SDKs.
package killtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/release"
)

// Build compiles programs of the module, such as cmd/crossfade, into dir.
func Build(dir string, programs ...string) error {
	return release.Build(context.Background(), dir+string(filepath.Separator), release.Options{}, programs...)
}

// Process is a running program.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	Stdout, Stderr buffer
}

// Start runs a program with just this environment. It is killed when the test
// ends.
func Start(t testing.TB, env []string, stdin io.Reader, path string, args ...string) *Process {
	t.Helper()
	p := &Process{cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = env, stdin, &p.Stdout, &p.Stderr
	p.cmd.SysProcAttr = childAttr()
	started := make(chan error)
	go func() {
		// The signal for the parent's death is sent when the thread that
		// started the child ends: keep it until then.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.cmd.Wait() //nolint:errcheck // the state tells
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill() })
	return p
}

// Done is closed when the process has ended and all its output is there.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill sends SIGKILL, waits, and reports whether that is what ended it.
func (p *Process) Kill() bool {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return false
	}
	<-p.done
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// ExitCode waits for the end; -1 for a signal.
func (p *Process) ExitCode() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.b.Bytes())
}

// Tail is the end of the text.
func (b *buffer) Tail() string {
	const most = 3000
	s := b.Bytes()
	return string(s[max(0, len(s)-most):])
}
