package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/crossfade-io/crossfade/testutil/release"
)

// functionFile registers the function with the framework, for which the buildpack
// of Cloud Run functions writes a main.
//
//go:embed function.go.txt
var functionFile []byte

// writeSource writes a zip that Cloud Run functions builds without a network: the
// module with only the packages that the command needs, those of others in
// vendor/, and at the root the command's own sources as a package that registers
// the function. (Cloud Run documentation, "Deploy a function" and "Specify
// dependencies in Go".) It returns the modules in it.
func writeSource(ctx context.Context, command, version, path string) (modules []module, err error) {
	dir, err := os.MkdirTemp("", "crossfade-source-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if rerr := os.RemoveAll(dir); err == nil {
			err = rerr
		}
	}()
	packages, err := listPackages(ctx, release.Module+"/cmd/"+command)
	if err != nil {
		return nil, err
	}
	for _, p := range packages {
		if err := copyPackage(p, command, version, dir); err != nil {
			return nil, err
		}
	}
	root := packages[0].Module.Dir
	for _, name := range []string{"go.mod", "go.sum", "LICENSE", "NOTICE"} {
		if err := copyFile(filepath.Join(root, name), filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "function.go"), functionFile, 0o644); err != nil {
		return nil, err
	}
	if _, err := goCommand(ctx, dir, "mod", "vendor"); err != nil {
		return nil, err
	}
	if modules, err = vendored(filepath.Join(dir, "vendor", "modules.txt")); err != nil {
		return nil, err
	}
	entries, err := tree(dir)
	if err != nil {
		return nil, err
	}
	return modules, writeZip(path, entries)
}

// goPackage is what go list tells.
type goPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	EmbedFiles []string
	Module     *struct {
		Path, Dir string
		Main      bool
	}
}

// listPackages returns the packages of the module that one of them needs on
// Cloud Run.
func listPackages(ctx context.Context, path string) ([]goPackage, error) {
	out, err := goCommand(ctx, "", "list", "-deps", "-json=ImportPath,Dir,GoFiles,EmbedFiles,Module", path)
	if err != nil {
		return nil, err
	}
	var own []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return own, nil
		case err != nil:
			return nil, err
		case p.Module != nil && p.Module.Main:
			own = append(own, p)
		}
	}
}

// goCommand runs go as on Cloud Run, which is linux/amd64, and without the tags
// that its buildpack does not know.
func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, errs.Bytes())
	}
	return out, nil
}

var (
	packageClause = regexp.MustCompile(`(?m)^package main$`)
	versionLine   = regexp.MustCompile(`(?m)^var version = "dev".*$`)
)

// copyPackage puts a package where it is in the module, but for the command: its
// files go to the root, as package function and with the version that a linker
// would set.
func copyPackage(p goPackage, command, version, dir string) error {
	to := filepath.Join(dir, strings.TrimPrefix(p.ImportPath, p.Module.Path))
	isCommand := strings.HasSuffix(p.ImportPath, "/cmd/"+command)
	if isCommand {
		to = dir
	}
	versions := 0
	for _, name := range append(p.GoFiles[:len(p.GoFiles):len(p.GoFiles)], p.EmbedFiles...) {
		b, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			return err
		}
		if isCommand {
			versions += len(versionLine.FindAll(b, -1))
			b = packageClause.ReplaceAll(b, []byte("package function"))
			b = versionLine.ReplaceAllLiteral(b, fmt.Appendf(nil, "var version = %q", version))
		}
		file := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			return err
		}
	}
	if isCommand && versions != 1 {
		return fmt.Errorf("%d lines of %s are its version, want 1", versions, p.ImportPath)
	}
	return nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}

// tree lists the files below dir.
func tree(dir string) (entries []entry, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		entries = append(entries, entry{name: filepath.ToSlash(name), from: path, mode: 0o644})
		return nil
	})
	return entries, err
}

// vendored reads the modules of which there are packages in vendor/.
func vendored(path string) (modules []module, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var m module
	for line := range strings.Lines(string(b)) {
		switch f := strings.Fields(line); {
		case len(f) == 3 && f[0] == "#":
			m = module{path: f[1], version: f[2]}
		case len(f) == 1 && m.path != "": // a package of it
			modules = append(modules, m)
			m = module{}
		}
	}
	return modules, nil
}
