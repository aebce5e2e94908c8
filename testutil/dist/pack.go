package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// sumsFile lists the checksums in the form that sha256sum --check reads.
const sumsFile = "SHA256SUMS"

// entry is a file of an archive.
type entry struct {
	name string // with slashes
	from string // the path of its content
	mode os.FileMode
}

// writeZip writes an archive of the entries in the order of their names. Its
// bytes depend on names, modes and contents only: the time in it is the earliest
// that zip can hold.
func writeZip(path string, entries []entry) (err error) {
	dst, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := dst.Close(); err == nil {
			err = cerr
		}
	}()
	w := zip.NewWriter(dst)
	for _, e := range slices.SortedFunc(slices.Values(entries), func(a, b entry) int { return strings.Compare(a.name, b.name) }) {
		if err := add(w, e); err != nil {
			return err
		}
	}
	return w.Close()
}

func add(w *zip.Writer, e entry) error {
	src, err := os.Open(e.from)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // only read
	header := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
	header.Modified = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	header.SetMode(e.mode)
	f, err := w.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, src)
	return err
}

// writeSums writes the checksums of the named files of dir, sorted by name.
func writeSums(dir string, names []string) error {
	var b strings.Builder
	for _, name := range slices.Sorted(slices.Values(names)) {
		sum, err := sha256Of(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, name)
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), []byte(b.String()), 0o644)
}

func sha256Of(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
