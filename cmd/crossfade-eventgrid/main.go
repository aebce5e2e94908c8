// Command crossfade-eventgrid is the function for Azure that follows a Blob
// Storage container by Event Grid: deliveries to its webhook, or a storage queue
// between the two. It listens on loopback, where the Functions host calls its
// custom handlers, on FUNCTIONS_CUSTOMHANDLER_PORT or PORT, and is configured by
// CROSSFADE_SOURCE, CROSSFADE_TARGET and their like.
// With CROSSFADE_MIGRATION it minds the phase of a declared migration, of which
// CROSSFADE_DIRECTION=reverse makes it the way back: CROSSFADE_SOURCE is the
// store whose events it gets in either case.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions/eventgrid"
	"github.com/crossfade-io/crossfade/functions/service"
	"github.com/crossfade-io/crossfade/functions/telemetry/trace"
)

const (
	program = "crossfade-eventgrid"

	// bodyTimeout is how long a request's body may take to arrive.
	bodyTimeout = 30 * time.Second

	// grace is what deliveries in flight have to end after a SIGTERM.
	grace = 30 * time.Second
)

var version = "dev" // set by the linker

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.LookupEnv, os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, lookup func(string) (string, bool), environ []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Fprintln(stdout, program, version)
		return 0
	}
	timeout, err := functionTimeout(lookup)
	if err != nil {
		return service.Exit(stderr, program, &service.ConfigError{Err: err})
	}
	id, err := config.IdentityFromEnv(lookup, config.Azure)
	if err != nil {
		return service.Exit(stderr, program, &service.ConfigError{Err: err})
	}
	svc, err := service.Start(ctx, service.Setup{
		Program: program,
		Version: version,
		Scheme:  "az",
		Openers: openers(id, lookup),
		Lookup:  lookup,
		Environ: environ,
		Out:     stdout,
		Now:     time.Now,
		Timeout: timeout,
	})
	if err != nil {
		return service.Exit(stderr, program, err)
	}
	err = serve(ctx, lookup, trace.Handler(eventgrid.New(svc.Processor, svc.Log)))
	if err = errors.Join(err, svc.Close()); err != nil {
		return service.Exit(stderr, program, err)
	}
	return 0
}

// serve listens until ctx is done, then lets the deliveries in flight end.
func serve(ctx context.Context, lookup func(string) (string, bool), h http.Handler) error {
	port, _ := lookup("FUNCTIONS_CUSTOMHANDLER_PORT")
	other, _ := lookup("PORT")
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", cmp.Or(port, other, "8080")))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: bodyTimeout}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return server.Shutdown(last)
}
