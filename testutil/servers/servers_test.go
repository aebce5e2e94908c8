package servers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childMode makes this test binary behave as a server, by its value.
const childMode = "CROSSFADE_SERVERS_CHILD"

func TestMain(m *testing.M) {
	switch mode := os.Getenv(childMode); mode {
	case "":
		os.Exit(m.Run())
	case "stubborn": // serves, and ignores SIGTERM
		signal.Ignore(syscall.SIGTERM)
		fallthrough
	case "serve":
		err := http.ListenAndServe("127.0.0.1:"+os.Args[1], http.NotFoundHandler())
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case "fail":
		fmt.Fprintln(os.Stderr, "cannot serve today")
		os.Exit(3)
	case "parent": // starts a server, says which, and waits to be killed
		s, err := start(context.Background(), os.Args[1], child("serve"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(s.PID())
		time.Sleep(time.Minute)
	}
}

func child(mode string) func(string) (spec, error) {
	return func(port string) (spec, error) {
		self, err := os.Executable()
		return spec{name: mode, argv: []string{self, port}, env: []string{childMode + "=" + mode}, probe: "/"}, err
	}
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"serve", "stubborn"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s, err := start(t.Context(), t.TempDir(), child(mode))
			if err != nil {
				t.Fatal(err)
			}
			if gone(s.PID()) {
				t.Fatal("the server does not run")
			}
			if err := s.proc.stop(100 * time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if !gone(s.PID()) {
				t.Error("the server runs on after Stop")
			}
			if err := s.Stop(); err != nil {
				t.Errorf("second Stop: %v", err)
			}
		})
	}
}

func TestStartReportsTheServersWords(t *testing.T) {
	t.Parallel()
	_, err := start(t.Context(), t.TempDir(), child("fail"))
	if err == nil || !strings.Contains(err.Error(), "cannot serve today") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v, want the server's own words and status", err)
	}
}

func TestMissingToolSaysWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := tool("bin", "no-such-tool")
	if err == nil || !strings.Contains(err.Error(), "make servers") {
		t.Errorf("error %v, want one that names make servers", err)
	}
}

func TestTailIsTheEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 10<<10)+"\nthe end\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := tail(path); !strings.HasSuffix(got, "\nthe end") || len(got) > 4<<10 {
		t.Errorf("tail has %d bytes, ends in %q", len(got), got[max(0, len(got)-20):])
	}
}
