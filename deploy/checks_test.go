package deploy_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// checks are what every module has to pass; each returns what is wrong.
var checks = map[string]func(*module) []string{
	"format":     checkFormat,
	"variables":  checkVariables,
	"outputs":    checkOutputs,
	"references": checkReferences,
	"unused":     checkUnused,
	"versions":   checkVersions,
	"calls":      checkCalls,
	"tags":       checkTags,
	"places":     checkPlaces,
	"removable":  checkRemovable,
	"arguments":  checkArguments,
	"variables of crossfade": func(m *module) []string {
		return checkEnvironment(m, knownVariables())
	},
}

func TestModules(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	if len(all) == 0 {
		t.Fatal("no module was found")
	}
	for dir, m := range all {
		for name, check := range checks {
			for _, problem := range check(m) {
				t.Errorf("%s: %s: %s", dir, name, problem)
			}
		}
	}
}

// checkFormat demands what terraform fmt would write.
func checkFormat(m *module) (problems []string) {
	for _, name := range sorted(m.files) {
		if f := m.files[name]; string(hclwrite.Format(f.bytes)) != string(f.bytes) {
			problems = append(problems, name+" is not formatted: run terraform fmt")
		}
	}
	return problems
}

// secretReference matches names of variables that say where a secret is.
var secretReference = regexp.MustCompile(`_(arn|id|name|version)s?$`)

func checkVariables(m *module) (problems []string) {
	for _, name := range sorted(m.variables) {
		attrs := m.variables[name].Body.Attributes
		if text(attrs["description"]) == "" {
			problems = append(problems, "variable "+name+" has no description")
		}
		if attrs["type"] == nil {
			problems = append(problems, "variable "+name+" has no type")
		}
		if strings.Contains(name, "secret") && !secretReference.MatchString(name) && attrs["sensitive"] == nil {
			problems = append(problems, "variable "+name+" holds a secret and is not marked sensitive")
		}
		for _, b := range m.variables[name].Body.Blocks {
			if b.Type == "validation" && (b.Body.Attributes["condition"] == nil || b.Body.Attributes["error_message"] == nil) {
				problems = append(problems, "a validation of variable "+name+" lacks its condition or its error_message")
			}
		}
	}
	return problems
}

func checkOutputs(m *module) (problems []string) {
	for _, name := range sorted(m.outputs) {
		attrs := m.outputs[name].Body.Attributes
		if text(attrs["description"]) == "" {
			problems = append(problems, "output "+name+" has no description")
		}
		if attrs["value"] == nil {
			problems = append(problems, "output "+name+" has no value")
		}
	}
	return problems
}

// references calls f with every name that the module refers to, and where.
func (m *module) references(f func(at []string, t hcl.Traversal)) {
	for _, name := range sorted(m.files) {
		iterators := map[string]bool{}
		dynamics(m.files[name].body, iterators)
		expressions(m.files[name].body, nil, func(at []string, a *hclsyntax.Attribute) {
			switch at[len(at)-1] {
			case "ignore_changes", "provider", "providers", "iterator":
				return
			}
			if at[0] == "variable" && at[len(at)-1] == "type" || at[0] == "terraform" {
				return
			}
			for _, t := range a.Expr.Variables() {
				if !iterators[t.RootName()] {
					f(at, t)
				}
			}
		})
	}
}

// dynamics collects the iterators of dynamic blocks.
func dynamics(body *hclsyntax.Body, into map[string]bool) {
	for _, b := range body.Blocks {
		if b.Type == "dynamic" {
			into[iterator(b)] = true
		}
		dynamics(b.Body, into)
	}
}

func checkReferences(m *module) (problems []string) {
	m.references(func(at []string, t hcl.Traversal) {
		if what := m.missing(t); what != "" {
			problems = append(problems, fmt.Sprintf("%s: there is no %s", strings.Join(at, "."), what))
		}
	})
	return problems
}

// missing names what a reference refers to, if that does not exist.
func (m *module) missing(t hcl.Traversal) string {
	names := attributeNames(t)
	root := t.RootName()
	switch root {
	case "each", "count", "self", "path", "terraform":
		return ""
	}
	if len(names) == 0 {
		return root
	}
	switch root {
	case "var":
		if m.variables[names[0]] == nil {
			return "var." + names[0]
		}
	case "local":
		if m.locals[names[0]] == nil {
			return "local." + names[0]
		}
	case "module":
		call := m.calls[names[0]]
		if call == nil {
			return "module." + names[0]
		}
		callee := m.callee(call)
		output := outputOf(t)
		if callee != nil && output != "" && callee.outputs[output] == nil {
			return "output " + output + " of module." + names[0]
		}
	case "data":
		if len(names) < 2 || m.resources["data."+names[0]+"."+names[1]] == nil {
			return "data." + strings.Join(names[:min(2, len(names))], ".")
		}
	default:
		if m.resources[root+"."+names[0]] == nil {
			return root + "." + names[0]
		}
	}
	return ""
}

// outputOf is the output that a reference to a module asks for.
func outputOf(t hcl.Traversal) string {
	for _, step := range t[2:] {
		if a, ok := step.(hcl.TraverseAttr); ok {
			return a.Name
		}
	}
	return ""
}

// checkUnused finds variables, locals and data sources that nothing refers to,
// and providers of which nothing is made.
func checkUnused(m *module) (problems []string) {
	used := map[string]bool{}
	m.references(func(at []string, t hcl.Traversal) {
		if names := attributeNames(t); len(names) > 0 && (at[0] != "variable" || at[1] != names[0]) {
			used[t.RootName()+"."+names[0]] = true
			if t.RootName() == "data" && len(names) > 1 {
				used["data."+names[0]+"."+names[1]] = true
			}
		}
	})
	for _, name := range sorted(m.variables) {
		if !used["var."+name] {
			problems = append(problems, "variable "+name+" is not used")
		}
	}
	for _, name := range sorted(m.locals) {
		if !used["local."+name] {
			problems = append(problems, "local."+name+" is not used")
		}
	}
	providers := map[string]bool{}
	for _, name := range sorted(m.resources) {
		if strings.HasPrefix(name, "data.") && !used[name] {
			problems = append(problems, name+" is not used")
		}
		providers[providerOf(name)] = true
	}
	for _, b := range m.configs {
		providers[b.Labels[0]] = true
	}
	for _, name := range sorted(m.providers) {
		if !providers[name] {
			problems = append(problems, "provider "+name+" is not used")
		}
	}
	return problems
}

// providerOf is the provider of a resource, which its type begins with.
func providerOf(resource string) string {
	p, _, _ := strings.Cut(strings.TrimPrefix(resource, "data."), "_")
	return p
}

var (
	pinned      = regexp.MustCompile(`^~> [0-9]+\.[0-9]+(\.[0-9]+)?$`)
	pinnedTool  = regexp.MustCompile(`^>= 1\.(9|[1-9][0-9])(\.[0-9]+)?(, < 2(\.0)*)?$`)
	pinnedOwner = regexp.MustCompile(`^(hashicorp|Azure)/[a-z0-9-]+$`)
)

// checkVersions demands a Terraform from 1.9 on, and a release series for each
// provider.
func checkVersions(m *module) (problems []string) {
	required := ""
	for _, b := range m.settings {
		if v := text(b.Body.Attributes["required_version"]); v != "" {
			required = v
		}
	}
	if !pinnedTool.MatchString(required) {
		problems = append(problems, fmt.Sprintf("required_version is %q, and has to be >= 1.9 or later", required))
	}
	for _, name := range sorted(m.providers) {
		v, diags := m.providers[name].Expr.Value(nil)
		if diags.HasErrors() || !v.Type().IsObjectType() || !v.Type().HasAttribute("source") || !v.Type().HasAttribute("version") {
			problems = append(problems, "provider "+name+" lacks its source or its version")
			continue
		}
		if s := v.GetAttr("source").AsString(); !pinnedOwner.MatchString(s) {
			problems = append(problems, fmt.Sprintf("provider %s comes from %q", name, s))
		}
		if s := v.GetAttr("version").AsString(); !pinned.MatchString(s) {
			problems = append(problems, fmt.Sprintf("provider %s has version %q: write ~> 1.2", name, s))
		}
	}
	for _, name := range sorted(m.resources) {
		if p := providerOf(name); m.providers[p] == nil && p != "terraform" { // which is built in
			problems = append(problems, name+" is of a provider that is not in required_providers")
		}
	}
	return problems
}

// checkCalls demands that modules which are called exist and get what they need
// and nothing else, and that only roots configure providers.
func checkCalls(m *module) (problems []string) {
	if len(m.configs) > 0 && !m.isRoot() {
		problems = append(problems, "a module that is called configures no provider: leave that to the root")
	}
	for _, name := range sorted(m.calls) {
		call := m.calls[name]
		callee := m.callee(call)
		if callee == nil {
			problems = append(problems, fmt.Sprintf("module.%s: source %q is no module of deploy/", name, text(call.Body.Attributes["source"])))
			continue
		}
		for n := range call.Body.Attributes {
			if callee.variables[n] == nil && !slices.Contains([]string{"source", "count", "for_each", "providers", "depends_on"}, n) {
				problems = append(problems, fmt.Sprintf("module.%s: %s has no variable %s", name, callee.dir, n))
			}
		}
		for n, v := range callee.variables {
			if v.Body.Attributes["default"] == nil && call.Body.Attributes[n] == nil {
				problems = append(problems, fmt.Sprintf("module.%s: %s needs the variable %s", name, callee.dir, n))
			}
		}
	}
	return problems
}

// checkTags demands tags of every resource that can have any.
func checkTags(m *module) (problems []string) {
	for _, name := range sorted(m.resources) {
		kind, _, _ := strings.Cut(name, ".")
		if kind == "data" || slices.Contains(untaggable, kind) {
			continue
		}
		attrs := m.resources[name].Body.Attributes
		if attrs["tags"] == nil && attrs["labels"] == nil && attrs["user_labels"] == nil && attrs["resource_labels"] == nil && !labelled(m.resources[name].Body) {
			problems = append(problems, name+" has no tags")
		}
	}
	return problems
}

// labelled reports whether labels are in a block where the type has them there.
func labelled(body *hclsyntax.Body) bool {
	for _, b := range body.Blocks {
		if b.Type == "metadata" && b.Body.Attributes["labels"] != nil {
			return true
		}
	}
	return false
}
