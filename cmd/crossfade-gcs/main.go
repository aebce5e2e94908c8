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
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"

	"github.com/crossfade-io/crossfade/config"
	fgcs "github.com/crossfade-io/crossfade/functions/gcs"
	"github.com/crossfade-io/crossfade/functions/service"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/store/s3"
)

const program = "crossfade-gcs"

var version = "dev" // set by the linker

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.LookupEnv, os.Environ(), os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, lookup func(string) (string, bool), environ []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Fprintln(stdout, program, version)
		return 0
	}
	svc, err := service.Start(ctx, service.Setup{
		Version: version,
		Scheme:  "gs",
		Openers: config.Openers{"s3": s3.Open, "gs": gcs.Open, "az": azblob.Open},
		Lookup:  lookup,
		Environ: environ,
		Out:     stdout,
		Now:     time.Now,
		Timeout: requestTimeout(lookup),
	})
	if err != nil {
		return service.Exit(stderr, program, err)
	}
	// By path, not by name: it is then served at "/" whatever FUNCTION_TARGET is.
	if err := funcframework.RegisterHTTPFunctionContext(ctx, "/", fgcs.New(svc.Processor).ServeHTTP); err != nil {
		return service.Exit(stderr, program, err)
	}
	host := ""
	if local, _ := lookup("LOCAL_ONLY"); local == "true" {
		host = "127.0.0.1"
	}
	port, _ := lookup("PORT")
	return service.Exit(stderr, program, funcframework.StartHostPort(host, cmp.Or(port, "8080")))
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
