// Package deploy_test checks what is in deploy/ without Terraform, a provider or
// a network: that it parses, that each name it uses exists, that its
// expressions evaluate, and that it says of crossfade what the programs say.
package deploy_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// module is a directory of Terraform files.
type module struct {
	dir   string
	tree  modules
	files map[string]source // by name

	variables map[string]*hclsyntax.Block
	outputs   map[string]*hclsyntax.Block
	calls     map[string]*hclsyntax.Block // module blocks
	resources map[string]*hclsyntax.Block // by "type.name", data sources by "data.type.name"
	locals    map[string]*hclsyntax.Attribute
	providers map[string]*hclsyntax.Attribute // of required_providers
	settings  []*hclsyntax.Block              // terraform blocks
	configs   []*hclsyntax.Block              // provider blocks
	shapes    func() map[string]*shape        // attributes, computed once
}

type source struct {
	bytes []byte
	body  *hclsyntax.Body
}

// modules are all of a tree, by directory.
type modules map[string]*module

// load parses every .tf file below root, of which each directory is a module.
func load(fsys fs.FS) (modules, error) {
	all := modules{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".tf" {
			return err
		}
		raw, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		file, diags := hclsyntax.ParseConfig(raw, name, hcl.InitialPos)
		if diags.HasErrors() {
			return diags
		}
		body, ok := file.Body.(*hclsyntax.Body)
		if !ok {
			return fmt.Errorf("%s: a body of type %T", name, file.Body)
		}
		dir := path.Dir(name)
		m := all[dir]
		if m == nil {
			m = newModule(dir, all)
			all[dir] = m
		}
		m.files[path.Base(name)] = source{raw, body}
		return m.add(name, body)
	})
	return all, err
}

func newModule(dir string, all modules) *module {
	m := &module{
		dir: dir, tree: all, files: map[string]source{},
		variables: map[string]*hclsyntax.Block{}, outputs: map[string]*hclsyntax.Block{},
		calls: map[string]*hclsyntax.Block{}, resources: map[string]*hclsyntax.Block{},
		locals: map[string]*hclsyntax.Attribute{}, providers: map[string]*hclsyntax.Attribute{},
	}
	m.shapes = sync.OnceValue(m.attributes)
	return m
}

// add sorts the blocks of a file.
func (m *module) add(file string, body *hclsyntax.Body) error {
	for _, b := range body.Blocks {
		var into map[string]*hclsyntax.Block
		name := strings.Join(b.Labels, ".")
		switch b.Type {
		case "variable":
			into = m.variables
		case "output":
			into = m.outputs
		case "module":
			into = m.calls
		case "resource":
			into = m.resources
		case "data":
			into, name = m.resources, "data."+name
		case "locals":
			for n, a := range b.Body.Attributes {
				if m.locals[n] != nil {
					return fmt.Errorf("%s: local.%s is there twice", file, n)
				}
				m.locals[n] = a
			}
			continue
		case "terraform":
			m.settings = append(m.settings, b)
			for _, r := range b.Body.Blocks {
				if r.Type == "required_providers" {
					m.providers = r.Body.Attributes
				}
			}
			continue
		case "provider":
			m.configs = append(m.configs, b)
			continue
		case "moved", "removed", "check", "import":
			continue
		default:
			return fmt.Errorf("%s: a block %q is no part of Terraform's language", file, b.Type)
		}
		if into[name] != nil {
			return fmt.Errorf("%s: %s %s is there twice", file, b.Type, name)
		}
		into[name] = b
	}
	return nil
}

// callee is the module that a call names, nil where its source is no directory
// of the tree.
func (m *module) callee(call *hclsyntax.Block) *module {
	src := text(call.Body.Attributes["source"])
	if !strings.HasPrefix(src, "./") && !strings.HasPrefix(src, "../") {
		return nil
	}
	return m.tree[path.Join(m.dir, src)]
}

// isRoot reports whether m is meant to be applied, not called.
func (m *module) isRoot() bool { return strings.HasPrefix(m.dir, "examples/") }

// text is the value of an attribute that is a plain string, else "".
func text(a *hclsyntax.Attribute) string {
	if a == nil {
		return ""
	}
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || !v.Type().Equals(stringType) {
		return ""
	}
	return v.AsString()
}

// expressions calls f with every attribute of body and of the blocks in it, with
// the path of blocks that leads there.
func expressions(body *hclsyntax.Body, at []string, f func(at []string, a *hclsyntax.Attribute)) {
	for _, name := range sorted(body.Attributes) {
		f(append(slices.Clone(at), name), body.Attributes[name])
	}
	for _, b := range body.Blocks {
		expressions(b.Body, slices.Concat(at, []string{b.Type}, b.Labels), f)
	}
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// deployed is what is in this directory.
var deployed = sync.OnceValues(func() (modules, error) { return load(os.DirFS(".")) })

// loaded is load of a tree that must parse.
func loaded(t testing.TB, fsys fs.FS) modules {
	t.Helper()
	if fsys == os.DirFS(".") {
		all, err := deployed()
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	all, err := load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
