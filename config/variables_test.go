package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/config"
)

// Each variable has its row in the tables of the documents, each row is of a
// variable that there is, and FromEnv takes them all.
func TestVariables(t *testing.T) {
	t.Parallel()
	rows := map[string]bool{}
	for _, file := range []string{"../README.md", "../docs/observability.md"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			cell, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
			for name := range strings.SplitSeq(cell, ", ") {
				if name = strings.Trim(name, "`"); strings.HasPrefix(line, "| `CROSSFADE_") {
					rows[name] = true
				}
			}
		}
	}
	environ := []string{}
	for _, v := range config.Variables() {
		if !rows[v.Name] {
			t.Errorf("%s is in no table of the documents", v.Name)
		}
		delete(rows, v.Name)
		if v.Doc == "" || strings.Contains(v.Doc, "\n") {
			t.Errorf("%s: %q is no line", v.Name, v.Doc)
		}
		if !v.Required {
			environ = append(environ, v.Name+"=")
		}
	}
	for name := range rows {
		t.Errorf("%s is in a table of the documents, and no variable", name)
	}
	if _, err := fromEnv(append(environ, pair...)...); err != nil {
		t.Error(err)
	}
}
