package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/crossfade-io/crossfade/testutil/release"
)

// artifact is one release file.
type artifact struct {
	name   string // of the file, before the platform
	cmd    string // the directory below cmd/
	goos   string
	goarch string
	lambda bool     // a zip with the binary as "bootstrap"
	tags   []string // that leave clouds out
	source bool     // a zip of sources, for any platform
}

// lambdaMost is the most that a package for Lambda may have, in bytes.
const lambdaMost = 20e6

// sourcePlatform is what --only calls the zips of sources.
const sourcePlatform = "source"

// artifacts are all release files, in the order they are built: those of one
// platform together, so that the compiled packages are shared.
func artifacts() []artifact {
	var all []artifact
	for _, arch := range []string{"amd64", "arm64"} {
		linux := func(cmd string) artifact { return artifact{name: cmd, cmd: cmd, goos: "linux", goarch: arch} }
		lambda := func(to string, without ...string) artifact {
			a := linux("crossfade-s3")
			a.name, a.lambda, a.tags = a.cmd+to, true, without
			return a
		}
		all = append(all,
			linux("crossfade"),
			lambda(""),
			lambda("-to-gcs", "noazure"),
			lambda("-to-azure", "nogcs"),
			lambda("-to-s3", "noazure", "nogcs"),
			linux("crossfade-gcs"),
			linux("crossfade-eventgrid"),
		)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		all = append(all, artifact{name: "crossfade", cmd: "crossfade", goos: "darwin", goarch: arch})
	}
	return append(all, artifact{name: "crossfade-gcs", cmd: "crossfade-gcs", source: true})
}

func (a artifact) platform() string {
	if a.source {
		return sourcePlatform
	}
	return a.goos + "/" + a.goarch
}

func (a artifact) file() string {
	name := a.name + "_" + strings.ReplaceAll(a.platform(), "/", "_")
	if a.lambda || a.source {
		name += ".zip"
	}
	return name
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

// build makes the artifact in the directory out, and returns what it is made of.
func (a artifact) build(ctx context.Context, version, out string) (made component, err error) {
	path := filepath.Join(out, a.file())
	if a.source {
		made.modules, err = writeSource(ctx, a.cmd, version, path)
		return made, err
	}
	bin := path
	if a.lambda {
		bin += ".tmp"
		defer func() {
			if rerr := os.Remove(bin); err == nil {
				err = rerr
			}
		}()
	}
	o := release.Options{GOOS: a.goos, GOARCH: a.goarch, Tags: a.tags, Version: version}
	if err := release.Build(ctx, bin, o, "cmd/"+a.cmd); err != nil {
		return made, fmt.Errorf("%s: %w", a.file(), err)
	}
	if made, err = readBinary(bin); err != nil || !a.lambda {
		return made, err
	}
	if err := writeZip(path, []entry{{name: "bootstrap", from: bin, mode: 0o755}}); err != nil { // Lambda starts it
		return made, err
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() > lambdaMost {
		err = fmt.Errorf("%s has %d bytes, more than the %d that a cold start should load", a.file(), info.Size(), int64(lambdaMost))
	}
	return made, err
}
