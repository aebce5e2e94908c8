package deploy_test

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/crossfade-io/crossfade/config"
)

// variable matches the names of crossfade's environment variables.
var variable = regexp.MustCompile(`\bCROSSFADE_[A-Z0-9]+(_[A-Z0-9]+)*\b`)

// notSet are variables of package config that a module has no need to set, with
// the reason.
var notSet = map[string]map[string]string{
	"aws": {
		"CROSSFADE_AWS_ROLE_ARN": "the function has a role of its own",
		"CROSSFADE_LOG_FORMAT":   "CloudWatch takes JSON",
	},
	"azure": {
		"CROSSFADE_DEAD_LETTER": "the host has a poison queue",
		"CROSSFADE_LOG_FORMAT":  "Application Insights takes JSON",
		"CROSSFADE_TIMEOUT":     "the function takes it from the setting of the host",
	},
	"gcp": {
		"CROSSFADE_DEAD_LETTER":         "Pub/Sub has a topic of dead letters",
		"CROSSFADE_GCP_AUDIENCE":        "the function has a service account of its own",
		"CROSSFADE_GCP_SERVICE_ACCOUNT": "the function has a service account of its own",
	},
}

// knownVariables are the variables of package config.
func knownVariables() (names []string) {
	for _, v := range config.Variables() {
		names = append(names, v.Name)
	}
	return names
}

// checkEnvironment compares the variables that a module's functions get with
// those that there are: none may be unknown, and a module that sets up a function
// has to let each be set.
func checkEnvironment(m *module, known []string) (problems []string) {
	set := map[string]bool{}
	for _, name := range sorted(m.files) {
		expressions(m.files[name].body, nil, func(at []string, a *hclsyntax.Attribute) {
			if last := at[len(at)-1]; last == "description" || last == "error_message" {
				return
			}
			walk(a.Expr, func(n hclsyntax.Node) {
				var texts []string
				switch n := n.(type) {
				case *hclsyntax.LiteralValueExpr:
					if n.Val.Type().Equals(stringType) && !n.Val.IsNull() {
						texts = variable.FindAllString(n.Val.AsString(), -1)
					}
				case *hclsyntax.ObjectConsKeyExpr:
					if t, ok := n.Wrapped.(*hclsyntax.ScopeTraversalExpr); ok {
						texts = variable.FindAllString(t.Traversal.RootName(), -1)
					}
				}
				for _, v := range texts {
					set[v] = true
					if !slices.Contains(known, v) {
						problems = append(problems, fmt.Sprintf("%s: %s is no variable that crossfade reads", strings.Join(at, "."), v))
					}
				}
			})
		})
	}
	if !set["CROSSFADE_SOURCE"] {
		return problems
	}
	for _, v := range known {
		switch excused := notSet[m.dir][v] != ""; {
		case !set[v] && !excused:
			problems = append(problems, "the function has no way to be given "+v)
		case set[v] && excused:
			problems = append(problems, v+" is set, and listed as not needed")
		}
	}
	return problems
}

// Whatever else is in deploy/ names variables that exist: manifests, documents,
// scripts.
func TestVariablesElsewhere(t *testing.T) {
	t.Parallel()
	known := knownVariables()
	if len(known) < 10 {
		t.Fatalf("only %d variables were found in package config: %q", len(known), known)
	}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".go") {
			return err
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, v := range variable.FindAllString(string(raw), -1) {
			if !slices.Contains(known, v) {
				t.Errorf("%s: %s is no variable that crossfade reads", name, v)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
