package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestZipDependsOnContentOnly(t *testing.T) {
	dir := t.TempDir()
	pack := func(name string, mtime time.Time, mode os.FileMode, content string) []byte {
		t.Helper()
		src := filepath.Join(dir, name)
		if err := os.WriteFile(src, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(src, mtime, mtime); err != nil {
			t.Fatal(err)
		}
		if err := writeZip(src+".zip", []entry{{name: "bootstrap", from: src, mode: 0o755}}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(src + ".zip")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	one := pack("one", time.Unix(1e9, 0), 0o600, "binary")
	two := pack("two", time.Unix(2e9, 0), 0o644, "binary")
	if !bytes.Equal(one, two) {
		t.Error("equal binaries gave different zips")
	}
	if bytes.Equal(one, pack("three", time.Unix(1e9, 0), 0o600, "binarz")) {
		t.Error("different binaries gave equal zips")
	}
	r, err := zip.NewReader(bytes.NewReader(one), int64(len(one)))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.File) != 1 || r.File[0].Name != "bootstrap" || r.File[0].Mode().Perm() != 0o755 {
		t.Errorf("zip holds %v, want one executable bootstrap", r.File)
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		only string
		want int
		err  string
	}{
		{"", len(artifacts()), ""},
		{"darwin/arm64", 1, ""},
		{"linux/arm64,linux/amd64", 14, ""},
		{"source", 1, ""},
		{"plan9/386", 0, `"plan9/386"`},
	} {
		got, err := choose(artifacts(), c.only)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("choose(%q): error %v, want one with %s", c.only, err, c.err)
			}
			continue
		}
		if err != nil || len(got) != c.want {
			t.Errorf("choose(%q) = %d artifacts, %v; want %d", c.only, len(got), err, c.want)
		}
	}
}

func TestFileNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range artifacts() {
		if seen[a.file()] {
			t.Errorf("two artifacts are named %s", a.file())
		}
		seen[a.file()] = true
	}
}

func TestEmptySparesOtherFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"crossfade_linux_amd64", sumsFile, "thesis.tex"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := empty(dir); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Fatalf("empty of a directory with other files: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 3 {
		t.Fatalf("empty removed something before it refused: %v", entries)
	}
	if err := os.Remove(filepath.Join(dir, "thesis.tex")); err != nil {
		t.Fatal(err)
	}
	if err := empty(dir); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("empty left %v", entries)
	}
}

func TestSums(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"b": "", "a": "abc"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeSums(dir, []string{"b", "a"}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		t.Fatal(err)
	}
	want := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n" +
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n"
	if string(got) != want {
		t.Errorf("sums:\n%swant:\n%s", got, want)
	}
}
