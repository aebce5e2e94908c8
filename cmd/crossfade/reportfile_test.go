package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/cutover/report"
)

func TestReportFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "reports")
	files, err := newReportFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := report.Report{Migration: "shop", Run: "RUN1", Operation: report.Cutover, Outcome: report.Switched}
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, outcome := range []string{report.Failed, report.Switched} { // the second takes the first one's place
		r.Outcome = outcome
		names, err := files.write(r)
		if err != nil || len(names) != 2 {
			t.Fatal(names, err)
		}
		got, err := report.Parse([]byte(read("crossfade-shop-RUN1.json")))
		if err != nil || got.Outcome != outcome {
			t.Fatal(got, err)
		}
		if !strings.Contains(read("crossfade-shop-RUN1.html"), "<html") {
			t.Fatal("no page")
		}
	}

	// What is not of this run stays, and so does what a link points to.
	r.Run = "RUN2"
	if err := os.WriteFile(filepath.Join(dir, "mine"), []byte("of someone else, RUN2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("mine", filepath.Join(dir, "crossfade-shop-RUN2.html")); err != nil {
		t.Fatal(err)
	}
	if _, err := files.write(r); err == nil || !strings.Contains(err.Error(), "something else has this name: move it away") {
		t.Fatal(err)
	}
	if got := read("mine"); got != "of someone else, RUN2" {
		t.Fatal(got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Fatalf("%v, %v", entries, err) // two reports, mine and the link: nothing temporary
	}

	if _, err := newReportFiles(filepath.Join(dir, "mine")); err == nil || !strings.Contains(err.Error(), "--report") {
		t.Fatal(err)
	}
}
