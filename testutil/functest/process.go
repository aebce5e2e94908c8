package functest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// marker is set in the environment of the processes that are to be the main.
const marker = "FUNCTEST_MAIN"

// Main is what a command's TestMain calls: it runs the tests, or, in a process
// that Start started, the command's main.
func Main(m *testing.M, main func()) {
	if os.Getenv(marker) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Process is a running command.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended and its output is complete

	mu     sync.Mutex
	stdout []string // lines
	stderr bytes.Buffer
}

// Start runs the test's own binary as the command, with just this environment,
// and kills it when the test ends.
func Start(t testing.TB, env []string, args ...string) *Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{cmd: exec.Command(self, args...), ended: make(chan struct{})}
	p.cmd.Env = append(slices.Clone(env), marker+"=1")
	p.cmd.Stderr = writer(func(b []byte) { p.stderr.Write(b) }, &p.mu)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			p.mu.Lock()
			p.stdout = append(p.stdout, lines.Text())
			p.mu.Unlock()
		}
		p.cmd.Wait() //nolint:errcheck // the state tells
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-p.ended
		if t.Failed() {
			t.Logf("standard output:\n%s\nstandard error:\n%s", strings.Join(p.Stdout(), "\n"), p.Stderr())
		}
	})
	return p
}

// Stdout returns the lines so far.
func (p *Process) Stdout() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.stdout...)
}

// Logged waits until standard output has n lines that say what, and returns
// them: a process may answer before what it wrote has arrived.
func (p *Process) Logged(ctx context.Context, t testing.TB, what string, n int) []string {
	t.Helper()
	for {
		var found []string
		for _, line := range p.Stdout() {
			if strings.Contains(line, what) {
				found = append(found, line)
			}
		}
		if len(found) >= n {
			return found
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d of %d lines say %q", len(found), n, what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Stderr returns the text so far.
func (p *Process) Stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// Terminate sends SIGTERM.
func (p *Process) Terminate(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// Kill ends it with SIGKILL, and waits for that.
func (p *Process) Kill() {
	p.cmd.Process.Kill() //nolint:errcheck // it may have ended
	<-p.ended
}

// Exit waits for the end and returns the exit code, -1 for a signal.
func (p *Process) Exit(ctx context.Context, t testing.TB) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-ctx.Done():
		t.Fatalf("it does not end: %v", ctx.Err())
		return -1
	}
}

// Listening waits until something accepts connections on addr, and fails when
// the process ends first.
func (p *Process) Listening(ctx context.Context, addr string) error {
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.ended:
			return errors.New("the process has ended")
		case <-ctx.Done():
			return fmt.Errorf("nothing listens on %s: %w", addr, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// FreePort returns a loopback port that was free a moment ago. It is below those
// from which the system chooses for servers and connections that name none, such
// as those of tests beside this one, which would take it meanwhile.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(10000))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

type lockedWriter struct {
	write func([]byte)
	mu    *sync.Mutex
}

func writer(write func([]byte), mu *sync.Mutex) lockedWriter { return lockedWriter{write, mu} }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.write(b)
	return len(b), nil
}
