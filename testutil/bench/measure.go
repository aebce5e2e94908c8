package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// usage is what one run of a program cost.
type usage struct {
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"` // user and system
	RSS     float64 `json:"rss_mib"`     // at its peak
}

// measureVerb makes this program run another and print its usage. It is a
// process of its own because the peak memory that the kernel reports for a
// child begins with that of the process that started it: the benchmark itself,
// with its clients and bodies, is far larger than what it measures.
const measureVerb = "measure-child"

// measured runs argv and returns what it cost and what it wrote to standard
// output.
func measured(ctx context.Context, argv, env []string, log string) (usage, []byte, error) {
	self, err := os.Executable()
	if err != nil {
		return usage{}, nil, err
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, self, append([]string{measureVerb, log}, argv...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		tail, _ := os.ReadFile(log) // if there is one
		return usage{}, nil, fmt.Errorf("%s: %w\n%s%s%s", argv[0], err, errs.Bytes(), last(out.Bytes()), last(tail))
	}
	var u usage
	if err := json.Unmarshal(bytes.TrimSpace(errs.Bytes()), &u); err != nil {
		return usage{}, nil, fmt.Errorf("measuring %s: %w", argv[0], err)
	}
	return u, out.Bytes(), nil
}

func last(b []byte) []byte { return b[max(0, len(b)-2000):] }

// measureChild runs argv with its log in a file, prints its usage on standard
// error, and returns its exit code.
func measureChild(log string, argv []string) int {
	if err := measureOne(log, argv); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() > 0 {
			return exit.ExitCode()
		}
		return 1
	}
	return 0
}

func measureOne(log string, argv []string) error {
	runtime.LockOSThread() // see procAttr
	defer runtime.UnlockOSThread()
	f, err := os.Create(log)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // the child wrote to its own copy
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stdout, f, procAttr()
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return err
	}
	u := usage{Seconds: time.Since(begin).Seconds()}
	state := cmd.ProcessState
	u.CPU = (state.UserTime() + state.SystemTime()).Seconds()
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		u.RSS = float64(r.Maxrss) * rssUnit / (1 << 20)
	}
	return json.NewEncoder(os.Stderr).Encode(u)
}
