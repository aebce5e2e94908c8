package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/crossfade-io/crossfade/cutover/report"
)

// reportFiles are where the report of a run is written on this machine.
type reportFiles struct{ dir string }

// newReportFiles checks that files can be written in dir, before anything begins
// that should be on record; it makes dir where it is missing.
func newReportFiles(dir string) (*reportFiles, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a report has no secrets
		return nil, fmt.Errorf("--report: %w: give another directory", err)
	}
	f, err := os.CreateTemp(dir, temporary)
	if err != nil {
		return nil, fmt.Errorf("--report: no file can be written in %s: %w: give another directory", dir, pathless(err))
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return nil, fmt.Errorf("--report: %w", err)
	}
	return &reportFiles{dir}, nil
}

const temporary = ".crossfade-report-*"

// write writes both forms of a report and returns their names. It replaces those
// that an interrupted command left of the same run, and nothing else.
func (d *reportFiles) write(r report.Report) (names []string, err error) {
	for _, form := range []struct {
		ext  string
		make func(report.Report) ([]byte, error)
	}{{"html", report.HTML}, {"json", report.Report.JSON}} {
		body, err := form.make(r)
		if err != nil {
			return names, err
		}
		name := filepath.Join(d.dir, fmt.Sprintf("crossfade-%s-%s.%s", r.Migration, r.Run, form.ext))
		if err := writeOwn(name, r.Run, body); err != nil {
			return names, err
		}
		names = append(names, name)
	}
	return names, nil
}

// writeOwn writes a whole file or none. One that is there already is replaced
// only if mark is in it.
func writeOwn(name, mark string, body []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), temporary)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	defer func() {
		os.Remove(f.Name()) //nolint:errcheck // it is gone if it was renamed
		if err != nil {
			err = fmt.Errorf("writing the report %s: %w", name, pathless(err))
		}
	}()
	_, err = f.Write(body)
	if err == nil {
		err = f.Chmod(0o644) // it has no secrets
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	// A link never replaces what is there.
	if err = os.Link(f.Name(), name); err == nil {
		return nil
	}
	if _, stat := os.Lstat(name); stat == nil && !holds(name, mark) {
		return errors.New("something else has this name: move it away, or give another directory with --report")
	}
	return os.Rename(f.Name(), name)
}

// holds reports whether the regular file name has mark in it.
func holds(name, mark string) bool {
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || mark == "" {
		return false
	}
	f, err := os.Open(name) //nolint:gosec // the name is made here
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // it was only read
	b, err := io.ReadAll(io.LimitReader(f, report.MaxBytes))
	return err == nil && bytes.Contains(b, []byte(mark))
}

// pathless is err without the name of the temporary file.
func pathless(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}
