package deploy_test

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

var stringType = cty.String

// plan is a module evaluated with given variables. What only a provider could
// know stands for itself: the attribute arn of aws_sqs_queue.events is the text
// "aws_sqs_queue.events.arn".
type plan struct {
	*module
	vars, locals, calls map[string]cty.Value
	resources           map[string]cty.Value
	known               map[string]string // stand-ins that are something else, by "type.name.attribute"
	asked               map[string]*shape // what any resource is asked for
	children            []*plan           // of the modules that are called
	problems            []string

	roots map[string]cty.Value // what references begin with, as far as it is put together
}

// evaluate plans m with vars, and all modules that it calls.
func evaluate(m *module, vars map[string]cty.Value) *plan {
	p := &plan{
		module: m, vars: map[string]cty.Value{}, locals: map[string]cty.Value{}, calls: map[string]cty.Value{}, resources: map[string]cty.Value{},
		known: map[string]string{
			"data.aws_partition.current.partition": "aws", "data.aws_partition.current.dns_suffix": "amazonaws.com",
			"data.aws_region.current.region": "xx-test-1", "data.azurerm_storage_account.target.primary_blob_endpoint": "https://photosnew.blob.core.windows.net/",
			"data.azurerm_storage_account.source.primary_blob_endpoint": "https://photos.blob.core.windows.net/", "data.aws_caller_identity.current.account_id": "000000000000",
			"aws_sqs_queue.dead.url": "https://sqs.xx-test-1.amazonaws.com/000000000000/crossfade-dead",
		},
		asked: m.shapes(), roots: map[string]cty.Value{},
	}
	p.setVariables(vars)
	p.settle()
	p.validate()
	p.output()
	return p
}

func (p *plan) complain(at string, format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf("%s: %s: %s", p.dir, at, fmt.Sprintf(format, args...)))
}

// setVariables converts what is given, and fills in the defaults.
func (p *plan) setVariables(given map[string]cty.Value) {
	for name := range given {
		if p.variables[name] == nil {
			p.complain("var."+name, "is given and not declared")
		}
	}
	for _, name := range sorted(p.variables) {
		attrs := p.variables[name].Body.Attributes
		v, ok := given[name]
		if def := attrs["default"]; !ok && def != nil {
			d, diags := def.Expr.Value(nil)
			if diags.HasErrors() {
				p.complain("var."+name, "default: %v", diags)
			}
			v, ok = d, true
		}
		if !ok {
			p.complain("var."+name, "is required and not given")
			v = cty.DynamicVal
		}
		if attrs["type"] != nil {
			want, defaults, diags := typeexpr.TypeConstraintWithDefaults(attrs["type"].Expr)
			if diags.HasErrors() {
				p.complain("var."+name, "type: %v", diags)
				continue
			}
			if defaults != nil && !v.IsNull() {
				v = defaults.Apply(v)
			}
			c, err := convert.Convert(v, want)
			if err != nil {
				p.complain("var."+name, "%v", err)
				c = cty.UnknownVal(want)
			}
			v = c
		}
		p.vars[name] = v
	}
}

// settle evaluates locals, the number of each resource and the modules that are
// called, until nothing more can be.
func (p *plan) settle() {
	for progress := true; progress; {
		progress = false
		for _, name := range sorted(p.unsettled()) {
			if v, ok := p.value(p.module.locals[name].Expr, nil); ok {
				p.locals[name], progress = v, true
				p.learn("local")
			}
		}
		for _, name := range sorted(p.module.resources) {
			if _, done := p.resources[name]; !done {
				progress = p.count(name) || progress
			}
		}
		for _, name := range sorted(p.module.calls) {
			if _, done := p.calls[name]; !done {
				progress = p.call(name) || progress
			}
		}
	}
	for name := range p.unsettled() {
		p.complain("local."+name, "depends on itself, or on what does not exist")
		p.locals[name] = cty.DynamicVal
		p.learn("local")
	}
}

// unsettled are the locals that have no value yet.
func (p *plan) unsettled() map[string]bool {
	left := map[string]bool{}
	for name := range p.module.locals {
		if _, done := p.locals[name]; !done {
			left[name] = true
		}
	}
	return left
}

// count makes the stand-ins of a resource: one, or as many as count or for_each
// say.
func (p *plan) count(name string) bool {
	b := p.module.resources[name]
	one := p.standIn(name)
	v := one
	if a := b.Body.Attributes["count"]; a != nil {
		n, ok := p.value(a.Expr, nil)
		if !ok {
			return false
		}
		times := 0
		if n.IsKnown() && !n.IsNull() && n.Type().Equals(cty.Number) {
			f, _ := n.AsBigFloat().Int64()
			times = int(f)
		} else {
			p.complain(name, "count is %s", n.GoString())
		}
		list := make([]cty.Value, times)
		for i := range list {
			list[i] = one
		}
		v = cty.TupleVal(list)
	}
	if a := b.Body.Attributes["for_each"]; a != nil {
		each, ok := p.value(a.Expr, nil)
		if !ok {
			return false
		}
		v = p.each(name, each, one)
	}
	p.resources[name] = v
	p.learn(name)
	return true
}

func (p *plan) each(name string, each, one cty.Value) cty.Value {
	if !each.IsWhollyKnown() || each.IsNull() || !each.CanIterateElements() || each.Type().IsListType() || each.Type().IsTupleType() {
		p.complain(name, "for_each is %s", each.GoString())
		return cty.EmptyObjectVal
	}
	values := map[string]cty.Value{}
	for it := each.ElementIterator(); it.Next(); {
		k, _ := it.Element()
		values[k.AsString()] = one
	}
	return cty.ObjectVal(values)
}

// standIn is an object with every attribute that the module asks any resource
// for.
func (p *plan) standIn(resource string) cty.Value {
	values := map[string]cty.Value{}
	for name, kids := range p.asked {
		values[name] = p.leaf(resource+"."+name, kids)
	}
	if len(values) == 0 {
		return cty.EmptyObjectVal
	}
	return cty.ObjectVal(values)
}

func (p *plan) leaf(name string, s *shape) cty.Value {
	switch {
	case p.known[name] != "":
		return cty.StringVal(p.known[name])
	case s.item != nil:
		return cty.TupleVal([]cty.Value{p.leaf(name+"[0]", s.item)})
	case len(s.kids) == 0:
		return cty.StringVal(name)
	}
	values := map[string]cty.Value{}
	for n, k := range s.kids {
		values[n] = p.leaf(name+"."+n, k)
	}
	return cty.ObjectVal(values)
}

// call evaluates the module of a module block, and makes its outputs known.
func (p *plan) call(name string) bool {
	b := p.module.calls[name]
	callee := p.callee(b)
	args := map[string]cty.Value{}
	for n, a := range b.Body.Attributes {
		switch n {
		case "source", "version", "count", "for_each", "providers", "depends_on":
			continue
		}
		v, ok := p.value(a.Expr, nil)
		if !ok {
			return false
		}
		args[n] = v
	}
	if callee == nil {
		p.calls[name] = cty.DynamicVal
		p.learn("module")
		return true
	}
	count := b.Body.Attributes["count"]
	if count != nil {
		n, ok := p.value(count.Expr, nil)
		if !ok {
			return false
		}
		if n.RawEquals(cty.Zero) {
			p.calls[name] = cty.EmptyTupleVal
			p.learn("module")
			return true
		}
	}
	child := evaluate(callee, args)
	p.children = append(p.children, child)
	for _, problem := range child.problems {
		p.problems = append(p.problems, p.dir+": module."+name+": "+problem)
	}
	outputs := map[string]cty.Value{}
	for n := range callee.outputs {
		v, ok := child.value(callee.outputs[n].Body.Attributes["value"].Expr, nil)
		if !ok {
			v = cty.DynamicVal
		}
		outputs[n] = v
	}
	v := cty.ObjectVal(outputs)
	if count != nil { // no module is called more often than once
		v = cty.TupleVal([]cty.Value{v})
	}
	p.calls[name] = v
	p.learn("module")
	return true
}

// validate evaluates the conditions of variables, and every expression of every
// resource that is there at least once.
func (p *plan) validate() {
	for _, name := range sorted(p.variables) {
		for _, b := range p.variables[name].Body.Blocks {
			p.condition("var."+name, b.Body, nil)
		}
	}
	for _, name := range sorted(p.module.resources) {
		p.instances(name, func(extra map[string]cty.Value) { p.body(name, p.module.resources[name].Body, extra) })
	}
}

// condition complains where a condition does not hold.
func (p *plan) condition(at string, body *hclsyntax.Body, extra map[string]cty.Value) {
	v, ok := p.value(body.Attributes["condition"].Expr, extra)
	if !ok || !v.IsKnown() || v.IsNull() || v.Type() != cty.Bool {
		p.complain(at, "the condition has no value")
		return
	}
	message, ok := p.value(body.Attributes["error_message"].Expr, extra)
	if !ok || !message.IsKnown() || message.IsNull() {
		p.complain(at, "the error_message has no value")
		return
	}
	if v.False() {
		p.complain(at, "refused: %s", message.AsString())
	}
}

// instances calls f for every instance of a resource, with count or each.
func (p *plan) instances(name string, f func(extra map[string]cty.Value)) {
	b := p.module.resources[name]
	switch v := p.resources[name]; {
	case b.Body.Attributes["count"] != nil:
		for i := range v.LengthInt() {
			f(map[string]cty.Value{"count": cty.ObjectVal(map[string]cty.Value{"index": cty.NumberIntVal(int64(i))})})
		}
	case b.Body.Attributes["for_each"] != nil:
		each, _ := p.value(b.Body.Attributes["for_each"].Expr, nil)
		if !each.IsWhollyKnown() || each.IsNull() || !each.CanIterateElements() {
			return
		}
		for it := each.ElementIterator(); it.Next(); {
			k, e := it.Element()
			f(map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": k, "value": e})})
		}
	default:
		f(nil)
	}
}

// body evaluates what a block says.
func (p *plan) body(at string, body *hclsyntax.Body, extra map[string]cty.Value) {
	for _, name := range sorted(body.Attributes) {
		if metaArguments[name] {
			continue
		}
		p.value(body.Attributes[name].Expr, extra)
	}
	for _, b := range body.Blocks {
		switch b.Type {
		case "lifecycle":
			for _, c := range b.Body.Blocks {
				p.condition(at, c.Body, extra)
			}
		case "dynamic":
			p.dynamic(b, extra, func(content *hclsyntax.Body, extra map[string]cty.Value) { p.body(at, content, extra) })
		default:
			p.body(at+"."+b.Type, b.Body, extra)
		}
	}
}

// dynamic calls f for each time that the content of a dynamic block is there.
func (p *plan) dynamic(b *hclsyntax.Block, extra map[string]cty.Value, f func(*hclsyntax.Body, map[string]cty.Value)) {
	each, ok := p.value(b.Body.Attributes["for_each"].Expr, extra)
	if !ok || !each.IsWhollyKnown() || each.IsNull() || !each.CanIterateElements() {
		p.complain("dynamic "+b.Labels[0], "for_each has no value")
		return
	}
	for it := each.ElementIterator(); it.Next(); {
		k, v := it.Element()
		within := map[string]cty.Value{iterator(b): cty.ObjectVal(map[string]cty.Value{"key": k, "value": v})}
		for n, e := range extra {
			within[n] = e
		}
		for _, c := range b.Body.Blocks {
			if c.Type == "content" {
				f(c.Body, within)
			}
		}
	}
}

// iterator is the name by which the content of a dynamic block knows its value.
func iterator(b *hclsyntax.Block) string {
	if a := b.Body.Attributes["iterator"]; a != nil {
		return hcl.ExprAsKeyword(a.Expr)
	}
	return b.Labels[0]
}

// metaArguments hold names rather than values, or are evaluated elsewhere.
var metaArguments = map[string]bool{"depends_on": true, "provider": true, "providers": true, "ignore_changes": true, "replace_triggered_by": true, "count": true, "for_each": true}

func (p *plan) output() {
	for _, name := range sorted(p.outputs) {
		p.value(p.outputs[name].Body.Attributes["value"].Expr, nil)
	}
}
