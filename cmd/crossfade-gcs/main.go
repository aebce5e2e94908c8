// Command crossfade-gcs is the function for Cloud Run functions that follows a
// Cloud Storage bucket. It listens on PORT, on loopback only when LOCAL_ONLY is
// true, and is configured by CROSSFADE_SOURCE, CROSSFADE_TARGET and their like.
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
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/crossfade-io/crossfade/config"
	fgcs "github.com/crossfade-io/crossfade/functions/gcs"
	"github.com/crossfade-io/crossfade/functions/service"
	"github.com/crossfade-io/crossfade/functions/telemetry/cloudlog"
	"github.com/crossfade-io/crossfade/functions/telemetry/trace"
)

const program = "crossfade-gcs"

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
	svc, err := start(ctx, lookup, environ, stdout)
	if err != nil {
		return service.Exit(stderr, program, err)
	}
	host := ""
	if local, _ := lookup("LOCAL_ONLY"); local == "true" {
		host = "127.0.0.1"
	}
	port, _ := lookup("PORT")
	err = serve(ctx, host, cmp.Or(port, "8080"), handler(svc))
	if err = errors.Join(err, svc.Close()); err != nil {
		return service.Exit(stderr, program, err)
	}
	return 0
}

// start puts the function together from its environment.
func start(ctx context.Context, lookup func(string) (string, bool), environ []string, stdout io.Writer) (*service.Service, error) {
	id, err := config.IdentityFromEnv(lookup, config.Google)
	if err != nil {
		return nil, &service.ConfigError{Err: err}
	}
	return service.Start(ctx, service.Setup{
		Program: program,
		Version: version,
		Scheme:  "gs",
		Openers: openers(id),
		Lookup:  lookup,
		Environ: environ,
		Out:     stdout,
		Now:     time.Now,
		Timeout: requestTimeout(lookup),

		LogFormat: logFormat(lookup),
		Project:   cloudlog.Project(lookup, nil),
	})
}

// handler takes the deliveries.
func handler(svc *service.Service) http.Handler { return trace.Handler(fgcs.New(svc.Processor)) }

// logFormat is Cloud Logging's on Cloud Run, which sets K_SERVICE.
func logFormat(lookup func(string) (string, bool)) config.LogFormat {
	if s, _ := lookup("K_SERVICE"); s != "" {
		return config.LogGCP
	}
	return config.LogJSON
}

// requestTimeout is Cloud Run's limit: what the platform says, else the default
// of a service, five minutes.
func requestTimeout(lookup func(string) (string, bool)) time.Duration {
	s, _ := lookup("CLOUD_RUN_TIMEOUT_SECONDS")
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	return 5 * time.Minute
}
