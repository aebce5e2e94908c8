package deploy_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

var places = []*regexp.Regexp{
	regexp.MustCompile(`\b(us|eu|ap|sa|ca|me|af|il|mx|cn)(-gov)?-(north|south|east|west|central|northeast|southeast|northwest|southwest)-[0-9]\b`), // AWS
	regexp.MustCompile(`\b(us|europe|asia|australia|northamerica|southamerica|africa|me)-(north|south|east|west|central|northeast|southeast|northwest|southwest)[0-9]+\b`),
	regexp.MustCompile(`\b(west|north|east|south|central)(europe|us|us2|us3|india|asia)\b`), // Azure
	regexp.MustCompile(`\b[0-9]{12}\b`), // an account of AWS, or the number of a project
	regexp.MustCompile(`\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b`),
	regexp.MustCompile(`\barn:aws\b`), // the partition is a data source
}

// checkPlaces finds regions, accounts and partitions that are written down.
// Descriptions may give examples.
func checkPlaces(m *module) (problems []string) {
	for _, name := range sorted(m.files) {
		expressions(m.files[name].body, nil, func(at []string, a *hclsyntax.Attribute) {
			if last := at[len(at)-1]; last == "description" || last == "error_message" {
				return
			}
			walk(a.Expr, func(n hclsyntax.Node) {
				lit, ok := n.(*hclsyntax.LiteralValueExpr)
				if !ok || !lit.Val.Type().Equals(stringType) || lit.Val.IsNull() {
					return
				}
				for _, re := range places {
					if found := re.FindString(lit.Val.AsString()); found != "" && !slices.Contains(placesKnown, found) {
						problems = append(problems, fmt.Sprintf("%s: %q is written down: make it a variable, or ask a data source", strings.Join(at, "."), found))
					}
				}
			})
		})
	}
	return problems
}

// checkRemovable finds what would not let itself be destroyed.
func checkRemovable(m *module) (problems []string) {
	for _, name := range sorted(m.files) {
		expressions(m.files[name].body, nil, func(at []string, a *hclsyntax.Attribute) {
			switch last := at[len(at)-1]; last {
			case "prevent_destroy", "deletion_protection", "skip_destroy":
				v, diags := a.Expr.Value(nil)
				if diags.HasErrors() || !v.RawEquals(falseValue) {
					problems = append(problems, path.Join(at...)+" is not false")
				}
			}
		})
	}
	return problems
}

// checkReadme demands that a module's README which lists variables has every
// one of them, and every output.
func checkReadme(m *module, readme string) (problems []string) {
	for _, name := range sorted(m.variables) {
		if !strings.Contains(readme, "| `"+name+"` | ") {
			problems = append(problems, "README.md has no row for the variable "+name)
		}
	}
	for _, name := range sorted(m.outputs) {
		if !strings.Contains(readme, "| `"+name+"` | ") {
			problems = append(problems, "README.md has no row for the output "+name)
		}
	}
	return problems
}

func TestReadmes(t *testing.T) {
	t.Parallel()
	for dir, m := range loaded(t, os.DirFS(".")) {
		readme, err := os.ReadFile(path.Join(dir, "README.md"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(readme), "\n## Variables\n") {
			continue // it leaves them to the files
		}
		for _, problem := range checkReadme(m, string(readme)) {
			t.Errorf("%s: %s", dir, problem)
		}
	}
	m := tree(t, map[string]string{"aws": good})["aws"]
	if problems := checkReadme(m, "| `name` | **required** | The name. |"); len(problems) != 1 || !strings.Contains(problems[0], "output queue") {
		t.Errorf("%q", problems)
	}
}
