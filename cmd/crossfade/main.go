// Command crossfade moves a bucket from one cloud to another while the
// application keeps writing to it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	ctx, abort := interrupts()
	os.Exit(run(ctx, os.Args[1:], newEnv(abort)))
}

// newEnv is the environment of this process.
func newEnv(abort <-chan struct{}) *env {
	return &env{
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,

		openers: drivers(),
		now:     time.Now,
		lookup:  os.LookupEnv,
		environ: os.Environ,
		abort:   abort,
		grace:   20 * time.Second,
		width:   func() int { return columns(os.Stderr) },
		screen:  func() int { return columns(os.Stdout) },

		interactive: func() bool { return term.IsTerminal(int(os.Stdin.Fd())) },
	}
}

// interrupts returns a context that the first SIGINT or SIGTERM cancels, and a
// channel that the second closes. The third ends the process.
func interrupts() (context.Context, <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	abort := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		close(abort)
		signal.Stop(signals)
	}()
	return ctx, abort
}

// columns is the width of the terminal, or 0 where f is none.
func columns(f *os.File) int {
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || os.Getenv("TERM") == "dumb" {
		return 0
	}
	return width
}
