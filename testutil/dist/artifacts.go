package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
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
	as     string   // in a zip, what the binary is called there; "" for a bare one
	with   string   // a directory whose files are in the zip besides
	most   int64    // bytes, if not 0
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
			a.name, a.as, a.most, a.tags = a.cmd+to, "bootstrap", lambdaMost, without // Lambda starts it
			return a
		}
		azure := linux("crossfade-eventgrid")
		azure.as, azure.with = azure.cmd, "deploy/azure/function" // whose host.json names it
		all = append(all,
			linux("crossfade"),
			lambda(""),
			lambda("-to-gcs", "noazure"),
			lambda("-to-azure", "nogcs"),
			lambda("-to-s3", "noazure", "nogcs"),
			linux("crossfade-gcs"),
			azure,
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
	if a.as != "" || a.source {
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
	if a.as != "" {
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
	if made, err = readBinary(bin); err != nil || a.as == "" {
		return made, err
	}
	entries, err := filesIn(ctx, a.with)
	if err != nil {
		return made, err
	}
	if err := writeZip(path, append(entries, entry{name: a.as, from: bin, mode: 0o755})); err != nil {
		return made, err
	}
	info, err := os.Stat(path)
	if err == nil && a.most > 0 && info.Size() > a.most {
		err = fmt.Errorf("%s has %d bytes, more than the %d that a cold start should load", a.file(), info.Size(), a.most)
	}
	return made, err
}

// filesIn are the files of a directory of the module, named from there; of "" none.
func filesIn(ctx context.Context, dir string) (entries []entry, err error) {
	if dir == "" {
		return nil, nil
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", release.Module).Output()
	if err != nil {
		return nil, fmt.Errorf("looking for the module's directory: %w", err)
	}
	dir = filepath.Join(strings.TrimSpace(string(root)), filepath.FromSlash(dir))
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			entries = append(entries, entry{name: name, from: filepath.Join(dir, filepath.FromSlash(name)), mode: 0o644})
		}
		return err
	})
	return entries, err
}
