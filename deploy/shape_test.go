package deploy_test

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// shape is what expressions expect below an attribute of a resource: named
// values, items of a list, or neither, which means a text.
type shape struct {
	kids map[string]*shape
	item *shape
}

func newShape() *shape { return &shape{kids: map[string]*shape{}} }

// attributes are those that any expression of the module asks a resource for.
func (m *module) attributes() map[string]*shape {
	root := newShape()
	for _, f := range m.files {
		expressions(f.body, nil, func(_ []string, a *hclsyntax.Attribute) {
			walk(a.Expr, func(n hclsyntax.Node) {
				switch n := n.(type) {
				case *hclsyntax.ScopeTraversalExpr:
					root.add(m.beyondResource(n.Traversal))
				case *hclsyntax.RelativeTraversalExpr: // behind [0] of an expression, or in a splat
					root.add(n.Traversal)
				}
			})
		})
	}
	return root.kids
}

// beyondResource is the part of a traversal that follows the name of a resource,
// and its index.
func (m *module) beyondResource(t hcl.Traversal) hcl.Traversal {
	names := attributeNames(t)
	skip := 0
	switch {
	case t.RootName() == "data" && len(names) > 1 && m.resources["data."+names[0]+"."+names[1]] != nil:
		skip = 3
	case len(names) > 0 && m.resources[t.RootName()+"."+names[0]] != nil:
		skip = 2
	case slices.Contains([]string{"var", "local", "module", "data", "path", "each", "count", "terraform"}, t.RootName()):
		return nil
	default: // the variable of a for expression, maybe over resources
		skip = 1
	}
	if len(t) > skip {
		if _, ok := t[skip].(hcl.TraverseIndex); ok {
			skip++
		}
	}
	return t[skip:]
}

func (s *shape) add(t hcl.Traversal) {
	if len(t) == 0 {
		return
	}
	switch step := t[0].(type) {
	case hcl.TraverseAttr:
		if s.kids[step.Name] == nil {
			s.kids[step.Name] = newShape()
		}
		s.kids[step.Name].add(t[1:])
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String {
			s.add(append(hcl.Traversal{hcl.TraverseAttr{Name: step.Key.AsString()}}, t[1:]...))
			return
		}
		if s.item == nil {
			s.item = newShape()
		}
		s.item.add(t[1:])
	}
}

// attributeNames are the names that follow the root, up to the first index.
func attributeNames(t hcl.Traversal) (names []string) {
	for _, step := range t[1:] {
		a, ok := step.(hcl.TraverseAttr)
		if !ok {
			break
		}
		names = append(names, a.Name)
	}
	return names
}

// walk calls f for every node of an expression.
func walk(expr hclsyntax.Node, f func(hclsyntax.Node)) {
	_ = hclsyntax.VisitAll(expr, func(n hclsyntax.Node) hcl.Diagnostics {
		f(n)
		return nil
	})
}
