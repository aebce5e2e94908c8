package deploy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// value evaluates expr. It is not ok where something that it needs has no value
// yet. What is wrong is complained of.
func (p *plan) value(expr hcl.Expression, extra map[string]cty.Value) (_ cty.Value, ok bool) {
	for _, t := range expr.Variables() {
		if !p.has(t) {
			return cty.DynamicVal, false
		}
	}
	ctx := &hcl.EvalContext{Functions: builtins, Variables: map[string]cty.Value{}}
	for _, t := range expr.Variables() {
		if v, ok := p.root(t.RootName()); ok {
			ctx.Variables[t.RootName()] = v
		}
	}
	for name, v := range extra {
		ctx.Variables[name] = v
	}
	v, diags := expr.Value(ctx)
	if diags.HasErrors() {
		p.complain(diags[0].Subject.String(), "%s %s", diags[0].Summary, diags[0].Detail)
		return cty.DynamicVal, true
	}
	return v, true
}

// has reports whether what t begins with has a value, or never will have one.
func (p *plan) has(t hcl.Traversal) bool {
	names := attributeNames(t)
	if len(names) == 0 {
		return true
	}
	in := map[string]map[string]cty.Value{"local": p.locals, "module": p.calls}[t.RootName()]
	name := names[0]
	switch t.RootName() {
	case "data":
		if len(names) < 2 {
			return true
		}
		in, name = p.resources, "data."+names[0]+"."+names[1]
	case "local", "module":
	default:
		name = t.RootName() + "." + names[0]
		if p.module.resources[name] == nil {
			return true
		}
		in = p.resources
	}
	_, ok := in[name]
	return ok
}

// root is what a name at the beginning of a reference stands for, as far as it is
// known.
func (p *plan) root(name string) (cty.Value, bool) {
	if v, ok := p.roots[name]; ok {
		return v, true
	}
	var v cty.Value
	switch name {
	case "var":
		v = cty.ObjectVal(p.vars)
	case "local":
		v = cty.ObjectVal(p.locals)
	case "module":
		v = cty.ObjectVal(p.calls)
	case "path":
		v = cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal("."), "root": cty.StringVal("."), "cwd": cty.StringVal(".")})
	case "terraform":
		v = cty.ObjectVal(map[string]cty.Value{"workspace": cty.StringVal("default")})
	case "data":
		kinds := map[string]cty.Value{}
		for resource := range p.resources {
			if rest, data := strings.CutPrefix(resource, "data."); data {
				kind, _, _ := strings.Cut(rest, ".")
				kinds[kind] = p.named("data." + kind + ".")
			}
		}
		v = cty.ObjectVal(kinds)
	default:
		v = p.named(name + ".")
		if v.LengthInt() == 0 {
			return v, false
		}
	}
	p.roots[name] = v
	return v, true
}

// named are the resources whose names begin with prefix.
func (p *plan) named(prefix string) cty.Value {
	all := map[string]cty.Value{}
	for resource, v := range p.resources {
		if name, ok := strings.CutPrefix(resource, prefix); ok {
			all[name] = v
		}
	}
	return cty.ObjectVal(all)
}

// learn makes the value of a root be put together anew.
func (p *plan) learn(root string) {
	kind, _, _ := strings.Cut(root, ".")
	delete(p.roots, kind)
}

// get is the value of an expression, which is JSON unless it is a text.
func (p *plan) get(t testing.TB, expr string) string {
	t.Helper()
	e, diags := hclsyntax.ParseExpression([]byte(expr), expr, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	v, ok := p.value(e, nil)
	if !ok || !v.IsWhollyKnown() {
		t.Fatalf("%s: %s has no value: %q", p.dir, expr, p.problems)
	}
	if v.Type() == cty.String && !v.IsNull() {
		return v.AsString()
	}
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// given makes values of pairs of names and values: texts, numbers, truths, and
// lists of texts.
func given(pairs ...any) map[string]cty.Value {
	values := map[string]cty.Value{}
	for i := 0; i < len(pairs); i += 2 {
		var v cty.Value
		switch x := pairs[i+1].(type) {
		case string:
			v = cty.StringVal(x)
		case int:
			v = cty.NumberIntVal(int64(x))
		case bool:
			v = cty.BoolVal(x)
		case []string:
			var list []cty.Value
			for _, s := range x {
				list = append(list, cty.StringVal(s))
			}
			v = cty.TupleVal(list)
		case cty.Value:
			v = x
		}
		values[fmt.Sprint(pairs[i])] = v
	}
	return values
}
