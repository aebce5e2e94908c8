// Package release compiles the programs with the flags of a release, so that
// what is tested and measured is what is shipped.
package release

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Module is the path of this module.
const Module = "github.com/crossfade-io/crossfade"

// Tags are the build tags of every program. The Makefile has them too.
//
// Without lambda.norpc the Lambda runtime of Go 1.x is linked in, and without
// the two of gRPC its trace pages and its service mesh, which the Cloud Storage
// client refers to and which crossfade, calling it by HTTP, never reaches: they
// would double the size of a program.
const Tags = "lambda.norpc,grpcnotrace,disable_grpc_modules"

// Options say how to build. The zero value builds for this machine.
type Options struct {
	GOOS, GOARCH string
	Tags         []string // besides Tags
	Version      string   // recorded in the programs; "" is dev
}

// Build compiles packages of the module, such as cmd/crossfade. Out is a file,
// or for any number of them a directory with a slash at its end. Equal sources
// and an equal toolchain give equal bytes.
func Build(ctx context.Context, out string, o Options, packages ...string) error {
	flags := "-s -w"
	if o.Version != "" {
		flags += " -X main.version=" + o.Version
	}
	args := []string{
		"build", "-trimpath", "-buildvcs=false", "-ldflags", flags,
		"-tags", strings.Join(append([]string{Tags}, o.Tags...), ","), "-o", out,
	}
	for _, p := range packages {
		args = append(args, Module+"/"+p)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+o.GOOS, "GOARCH="+o.GOARCH) // empty is this machine's
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", strings.Join(packages, ", "), err, text)
	}
	return nil
}
