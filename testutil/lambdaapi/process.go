package lambdaapi

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Bootstrap is the program of a function.
type Bootstrap struct {
	Path           string
	Args           []string
	Env            []string // all of it, but for what Lambda adds
	Stdout, Stderr io.Writer
}

// process is a running bootstrap.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// Deploy makes b the function's program. A process is started when an
// invocation finds none that waits, and again after one that ended. Call
// Shutdown when done.
func (f *Function) Deploy(b Bootstrap) {
	f.mu.Lock()
	defer f.mu.Unlock()
	// The processes share both; exec writes from goroutines of its own.
	var mu sync.Mutex
	b.Stdout, b.Stderr = &locked{mu: &mu, w: b.Stdout}, &locked{mu: &mu, w: b.Stderr}
	f.boot = &b
}

type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	if l.w == nil {
		return len(p), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// start begins a process, whose place is taken already, for an invocation. If it
// does not come to ask for work, the invocation's answer says why.
func (f *Function) start(ctx context.Context, inv *invocation) error {
	e := f.NewEnvironment()
	e.first <- inv
	p, err := f.run(e)
	if err != nil {
		e.Ended(err.Error())
		e.Close()
		<-f.slots
		return nil
	}
	limit := time.NewTimer(f.opts.InitTimeout)
	defer limit.Stop()
	select {
	case <-e.ready:
	case <-e.closed:
	case <-limit.C:
		select {
		case <-e.first:
			inv.answer <- failed(inv.id, "Sandbox.Timedout", timedOut(inv.id, f.opts.InitTimeout))
		default: // taken at the last moment
		}
		p.kill()
	case <-ctx.Done():
		p.kill()
		return ctx.Err()
	}
	return nil
}

// run starts the process of e. Its end frees its place.
func (f *Function) run(e *Environment) (*process, error) {
	f.mu.Lock()
	boot := f.boot
	f.mu.Unlock()
	if boot == nil {
		return nil, errors.New("the function was shut down")
	}
	b := *boot
	p := &process{cmd: exec.Command(b.Path, b.Args...), done: make(chan struct{})}
	p.cmd.Env = append(append([]string(nil), b.Env...), e.Env()...)
	p.cmd.Stdout, p.cmd.Stderr = b.Stdout, b.Stderr
	p.cmd.SysProcAttr = childAttr()
	started := make(chan error)
	go func() {
		// The signal for the parent's death is sent when the thread that
		// started the child ends: keep it until then.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := p.cmd.Start(); err != nil {
			started <- err
			return
		}
		e.Attach(p.cmd.Process)
		f.mu.Lock()
		f.live[e] = p
		f.mu.Unlock()
		started <- nil
		p.cmd.Wait() //nolint:errcheck // the state tells
		f.ended(e, p)
	}()
	return p, <-started
}

func (f *Function) ended(e *Environment, p *process) {
	state := p.cmd.ProcessState
	e.Ended(state.String())
	f.mu.Lock()
	if s, ok := state.Sys().(syscall.WaitStatus); !ok || !s.Signaled() || s.Signal() != syscall.SIGKILL {
		f.stats.Exits = append(f.stats.Exits, state.String())
	}
	delete(f.live, e)
	f.mu.Unlock()
	close(p.done)
	e.Close()
	<-f.slots
}

func (p *process) kill() {
	p.cmd.Process.Kill() //nolint:errcheck // it may have ended
	<-p.done
}

// Shutdown ends the processes as Lambda does those of a function with an
// extension: SIGTERM, and SIGKILL for those that are there after grace. Lambda
// gives none where there is no extension, and then sends only SIGKILL.
func (f *Function) Shutdown(grace time.Duration) {
	f.mu.Lock()
	f.boot = nil
	live := make(map[*Environment]*process, len(f.live))
	for e, p := range f.live {
		live[e] = p
	}
	f.mu.Unlock()
	limit := time.NewTimer(grace)
	defer limit.Stop()
	if grace > 0 {
		for e := range live {
			e.terminate()
		}
	}
	for _, p := range live {
		select {
		case <-p.done:
		case <-limit.C:
			limit.Reset(0) // for the others too
			p.kill()
		}
	}
}

// Signal sends s to every process.
func (f *Function) Signal(s syscall.Signal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, p := range f.live {
		if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
