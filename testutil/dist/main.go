// Command dist builds the release files: static binaries, zips for Lambda, a zip
// of sources for Cloud Run functions, a bill of materials and a list of
// checksums. Equal sources and an equal toolchain give equal bytes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

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
	only := flags.String("only", "", "comma-separated platforms to build, such as linux/arm64, or source; empty: all")
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
	return assemble(ctx, list, *version, *out)
}

// assemble builds the artifacts and what describes them.
func assemble(ctx context.Context, list []artifact, version, out string) error {
	if err := empty(out); err != nil {
		return err
	}
	made := make([]component, len(list))
	names := []string{billFile}
	for i, a := range list {
		var err error
		if made[i], err = a.build(ctx, version, out); err != nil {
			return err
		}
		made[i].file = a.file()
		if made[i].sha256, err = sha256Of(filepath.Join(out, a.file())); err != nil {
			return err
		}
		fmt.Println(filepath.Join(out, a.file()))
		names = append(names, a.file())
	}
	if err := writeBill(filepath.Join(out, billFile), version, made); err != nil {
		return err
	}
	return writeSums(out, names)
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
