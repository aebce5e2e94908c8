package deploy_test

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// schema is what a type of resource takes and tells.
type schema struct {
	required map[string]bool // arguments by path, such as "environment.variables"; whether they have to be there
	block    map[string]bool // those that are blocks
	computed []string
}

//go:embed testdata/arguments.json
var argumentsJSON []byte

// schemas are those of the types that deploy/ uses, which takes the place of
// terraform validate where no provider can be had.
var schemas = sync.OnceValue(func() map[string]schema {
	var doc struct {
		Types map[string]struct{ Arguments, Computed string }
	}
	if err := json.Unmarshal(argumentsJSON, &doc); err != nil {
		panic(err)
	}
	all := map[string]schema{}
	for name, t := range doc.Types {
		s := schema{required: map[string]bool{}, block: map[string]bool{}, computed: strings.Fields(t.Computed)}
		for _, a := range strings.Fields(t.Arguments) {
			path, required := strings.CutSuffix(a, "!")
			path, block := strings.CutSuffix(path, "{}")
			s.required[path], s.block[path] = required, block
		}
		all[name] = s
	}
	return all
})

// builtin are types that are of Terraform itself or of no cloud, and are not
// looked into.
var builtin = []string{"terraform_data", "time_sleep", "random_id", "random_string"}

// checkArguments finds arguments and attributes that a resource does not have,
// and those that it lacks.
func checkArguments(m *module) (problems []string) {
	for _, name := range sorted(m.resources) {
		kind := typeOf(name)
		if slices.Contains(builtin, kind) {
			continue
		}
		s, ok := schemas()[kind]
		if !ok {
			problems = append(problems, name+": the arguments of its type are not known: add them to testdata/arguments.json")
			continue
		}
		for _, problem := range s.check(m.resources[name].Body, "") {
			problems = append(problems, name+": "+problem)
		}
	}
	m.references(func(at []string, t hcl.Traversal) {
		if problem := m.unknownAttribute(t); problem != "" {
			problems = append(problems, strings.Join(at, ".")+": "+problem)
		}
	})
	return problems
}

// typeOf is the type of a resource, or "data." and that of a data source.
func typeOf(name string) string {
	rest, data := strings.CutPrefix(name, "data.")
	kind, _, _ := strings.Cut(rest, ".")
	if data {
		return "data." + kind
	}
	return kind
}

// check compares a body, at path, with the schema.
func (s schema) check(body *hclsyntax.Body, path string) (problems []string) {
	given := map[string]bool{}
	for name := range body.Attributes {
		at := path + name
		given[at] = true
		if _, ok := s.required[at]; !ok && (path != "" || !slices.Contains([]string{"count", "for_each", "depends_on", "provider"}, name)) {
			problems = append(problems, "there is no argument "+at)
		} else if s.block[at] {
			problems = append(problems, at+" is a block, not an argument")
		}
	}
	for _, b := range body.Blocks {
		kind, content := b.Type, b.Body
		if path == "" && (kind == "lifecycle" || kind == "timeouts") {
			continue
		}
		if kind == "dynamic" {
			kind = b.Labels[0]
			for _, c := range b.Body.Blocks {
				content = c.Body
			}
		}
		at := path + kind
		given[at] = true
		if !s.block[at] {
			problems = append(problems, "there is no block "+at)
			continue
		}
		problems = append(problems, s.check(content, at+".")...)
	}
	for _, at := range sorted(s.required) {
		rest, below := strings.CutPrefix(at, path)
		if below && !strings.Contains(rest, ".") && s.required[at] && !given[at] {
			problems = append(problems, fmt.Sprintf("it lacks %s", at))
		}
	}
	slices.Sort(problems)
	return problems
}

// unknownAttribute complains of a reference to what a resource does not tell.
func (m *module) unknownAttribute(t hcl.Traversal) string {
	names := attributeNames(t)
	resource, skip := t.RootName()+".", 1
	if t.RootName() == "data" && len(names) > 1 {
		resource, skip = "data."+names[0]+".", 2
	}
	if len(names) < skip {
		return ""
	}
	resource += names[skip-1]
	s, ok := schemas()[typeOf(resource)]
	if m.resources[resource] == nil || !ok {
		return ""
	}
	rest := t[skip+1:]
	if len(rest) > 0 {
		if _, index := rest[0].(hcl.TraverseIndex); index {
			rest = rest[1:]
		}
	}
	if len(rest) == 0 {
		return ""
	}
	a, ok := rest[0].(hcl.TraverseAttr)
	if !ok {
		return ""
	}
	if _, argument := s.required[a.Name]; argument || slices.Contains(s.computed, a.Name) {
		return ""
	}
	return resource + " tells no " + a.Name
}
