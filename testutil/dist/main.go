// Command dist builds the release files: static binaries, Lambda zips and a
// list of checksums. Equal sources and an equal toolchain give equal bytes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// artifact is one release file.
type artifact struct {
	cmd    string // the directory below cmd/
	goos   string
	goarch string
	lambda bool // a zip with the binary as "bootstrap"
}

// artifacts are all release files, in the order they are built: those of one
// platform together, so that the compiled packages are shared.
func artifacts() []artifact {
	var all []artifact
	for _, arch := range []string{"amd64", "arm64"} {
		all = append(all,
			artifact{cmd: "crossfade", goos: "linux", goarch: arch},
			artifact{cmd: "crossfade-s3", goos: "linux", goarch: arch, lambda: true},
			artifact{cmd: "crossfade-gcs", goos: "linux", goarch: arch},
			artifact{cmd: "crossfade-eventgrid", goos: "linux", goarch: arch},
		)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		all = append(all, artifact{cmd: "crossfade", goos: "darwin", goarch: arch})
	}
	return all
}

func (a artifact) platform() string { return a.goos + "/" + a.goarch }

func (a artifact) file() string {
	name := a.cmd + "_" + a.goos + "_" + a.goarch
	if a.lambda {
		name += ".zip"
	}
	return name
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("dist", flag.ContinueOnError)
	version := flags.String("version", "dev", "version recorded in the binaries")
	out := flags.String("out", "dist", "directory of the release files; emptied first")
	only := flags.String("only", "", "comma-separated platforms to build, such as linux/arm64; empty: all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	list, err := choose(artifacts(), *only)
	if err != nil {
		return err
	}
	if err := empty(*out); err != nil {
		return err
	}
	names := make([]string, 0, len(list))
	for _, a := range list {
		if err := build(ctx, a, *version, *out); err != nil {
			return err
		}
		fmt.Println(filepath.Join(*out, a.file()))
		names = append(names, a.file())
	}
	return writeSums(*out, names)
}

// choose keeps the artifacts of the named platforms.
func choose(all []artifact, only string) ([]artifact, error) {
	if only == "" {
		return all, nil
	}
	want := strings.Split(only, ",")
	for _, p := range want {
		if !slices.ContainsFunc(all, func(a artifact) bool { return a.platform() == p }) {
			return nil, fmt.Errorf("nothing is released for platform %q", p)
		}
	}
	return slices.DeleteFunc(all, func(a artifact) bool { return !slices.Contains(want, a.platform()) }), nil
}

// empty clears the output directory of what an earlier run left, so that the
// checksums name every file there. A directory with anything else in it is
// left alone.
func empty(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != sumsFile && !strings.HasPrefix(e.Name(), "crossfade") {
			return fmt.Errorf("%s holds %s, which is no release file: choose another directory", dir, e.Name())
		}
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func build(ctx context.Context, a artifact, version, out string) (err error) {
	bin := filepath.Join(out, a.file())
	if a.lambda {
		bin += ".tmp"
		defer func() {
			if rerr := os.Remove(bin); err == nil {
				err = rerr
			}
		}()
	}
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=" + version, "-o", bin}
	if a.lambda {
		// Without the tag the Lambda runtime of Go 1.x is linked in as well.
		args = append(args, "-tags", "lambda.norpc")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/"+a.cmd)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+a.goos, "GOARCH="+a.goarch)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building %s for %s: %w", a.cmd, a.platform(), err)
	}
	if !a.lambda {
		return nil
	}
	return zipFile(filepath.Join(out, a.file()), "bootstrap", bin)
}
