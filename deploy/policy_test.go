package deploy_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// statement is one of an aws_iam_policy_document.
type statement struct {
	sid, effect        string
	actions, resources []string
	principals         []string // "type identifier"
	conditions         []string // "test variable"
}

var (
	actionName = regexp.MustCompile(`^[a-z0-9-]+:[A-Za-z0-9]+$`) // no wildcards
	sidName    = regexp.MustCompile(`^[A-Za-z0-9]+$`)

	// unscoped are actions that know no resource: Service Authorization Reference.
	unscoped = []string{"sts:GetWebIdentityToken", "ecr:GetAuthorizationToken"}
)

// documents are the statements of the policy documents that are there, by name.
func (p *plan) documents() map[string][]statement {
	all := map[string][]statement{}
	for _, name := range sorted(p.module.resources) {
		if !strings.HasPrefix(name, "data.aws_iam_policy_document.") {
			continue
		}
		p.instances(name, func(extra map[string]cty.Value) {
			var list []statement
			for _, b := range p.module.resources[name].Body.Blocks {
				switch {
				case b.Type == "statement":
					list = append(list, p.statement(b.Body, extra))
				case b.Type == "dynamic" && b.Labels[0] == "statement":
					p.dynamic(b, extra, func(body *hclsyntax.Body, extra map[string]cty.Value) {
						list = append(list, p.statement(body, extra))
					})
				}
			}
			all[strings.TrimPrefix(name, "data.aws_iam_policy_document.")] = list
		})
	}
	return all
}

func (p *plan) statement(body *hclsyntax.Body, extra map[string]cty.Value) statement {
	texts := func(body *hclsyntax.Body, name string, extra map[string]cty.Value) (list []string) {
		a := body.Attributes[name]
		if a == nil {
			return nil
		}
		v, ok := p.value(a.Expr, extra)
		if !ok || !v.IsWhollyKnown() || v.IsNull() {
			return []string{"?"}
		}
		if v.Type() == cty.String {
			return []string{v.AsString()}
		}
		for _, e := range v.AsValueSlice() {
			list = append(list, e.AsString())
		}
		return list
	}
	s := statement{effect: "Allow", sid: strings.Join(texts(body, "sid", extra), ""), actions: texts(body, "actions", extra), resources: texts(body, "resources", extra)}
	if e := texts(body, "effect", extra); e != nil {
		s.effect = e[0]
	}
	visit := func(b *hclsyntax.Body, kind string, extra map[string]cty.Value) {
		switch kind {
		case "principals":
			for _, id := range texts(b, "identifiers", extra) {
				s.principals = append(s.principals, strings.Join(texts(b, "type", extra), "")+" "+id)
			}
		case "condition":
			s.conditions = append(s.conditions, strings.Join(texts(b, "test", extra), "")+" "+strings.Join(texts(b, "variable", extra), ""))
			if len(texts(b, "values", extra)) == 0 {
				s.conditions = append(s.conditions, "no values")
			}
		}
	}
	for _, b := range body.Blocks {
		if b.Type == "dynamic" {
			p.dynamic(b, extra, func(content *hclsyntax.Body, extra map[string]cty.Value) { visit(content, b.Labels[0], extra) })
			continue
		}
		visit(b.Body, b.Type, extra)
	}
	return s
}

// policies returns what is wrong with the policies of the plan.
func (p *plan) policies() (problems []string) {
	for name, list := range p.documents() {
		var sids []string
		for _, s := range list {
			for _, problem := range s.problems() {
				problems = append(problems, fmt.Sprintf("%s: policy %s, statement %s: %s", p.dir, name, s.sid, problem))
			}
			if slices.Contains(sids, s.sid) {
				problems = append(problems, fmt.Sprintf("%s: policy %s has two statements %s", p.dir, name, s.sid))
			}
			sids = append(sids, s.sid)
		}
		if len(list) == 0 {
			problems = append(problems, fmt.Sprintf("%s: policy %s has no statements", p.dir, name))
		}
	}
	for _, child := range p.children {
		problems = append(problems, child.policies()...)
	}
	return problems
}

func (s statement) problems() (problems []string) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if !sidName.MatchString(s.sid) {
		add("the sid is no word")
	}
	if len(s.actions) == 0 {
		add("no actions")
	}
	if !slices.IsSorted(s.actions) {
		add("the actions are not in order: %q", s.actions)
	}
	for _, a := range s.actions {
		if !actionName.MatchString(a) {
			add("action %q names none, or more than one", a)
		}
		if slices.Contains(s.resources, "*") && s.effect == "Allow" && !slices.Contains(unscoped, a) {
			add("action %q on everything", a)
		}
	}
	if len(s.resources) == 0 && s.principals == nil {
		add("no resources")
	}
	for _, r := range s.resources {
		if strings.Contains(r, "?") || strings.Contains(r, "::*") {
			add("resource %q", r)
		}
	}
	if s.effect == "Allow" && slices.Contains(s.principals, "AWS *") {
		add("anyone may")
	}
	// A service acts for whoever asks it, unless it says for whom.
	for _, principal := range s.principals {
		service, ok := strings.CutPrefix(principal, "Service ")
		if ok && service != "lambda.amazonaws.com" && !slices.ContainsFunc(s.conditions, func(c string) bool {
			return strings.HasSuffix(c, " aws:SourceAccount") || strings.HasSuffix(c, " aws:SourceArn")
		}) {
			add("%s may for anyone: bind it to the account", service)
		}
	}
	if slices.Contains(s.conditions, "no values") {
		add("a condition has no values")
	}
	return problems
}

func TestPoliciesBite(t *testing.T) {
	t.Parallel()
	good := statement{sid: "Read", effect: "Allow", actions: []string{"s3:GetObject"}, resources: []string{"arn:aws:s3:::b/*"}}
	if problems := good.problems(); problems != nil {
		t.Fatal(problems)
	}
	for _, c := range []struct {
		change func(*statement)
		want   string
	}{
		{func(s *statement) { s.sid = "read it" }, "no word"},
		{func(s *statement) { s.actions = nil }, "no actions"},
		{func(s *statement) { s.actions = []string{"s3:*"} }, "or more than one"},
		{func(s *statement) { s.actions = []string{"s3:Get*"} }, "or more than one"},
		{func(s *statement) { s.actions = []string{"s3:PutObject", "s3:GetObject"} }, "not in order"},
		{func(s *statement) { s.resources = []string{"*"} }, "on everything"},
		{func(s *statement) { s.resources = nil }, "no resources"},
		{func(s *statement) { s.resources = []string{"?"} }, `resource "?"`},
		{func(s *statement) { s.principals = []string{"AWS *"} }, "anyone may"},
		{func(s *statement) { s.principals = []string{"Service s3.amazonaws.com"} }, "bind it to the account"},
		{func(s *statement) { s.conditions = []string{"no values"} }, "no values"},
	} {
		s := good
		c.change(&s)
		if got := strings.Join(s.problems(), "; "); !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q, want %q", s, got, c.want)
		}
	}
}

// document is a JSON value of an attribute of a resource.
func (p *plan) document(t testing.TB, resource, attribute string) map[string]any {
	t.Helper()
	a := p.module.resources[resource].Body.Attributes[attribute]
	v, ok := p.value(a.Expr, nil)
	if !ok {
		t.Fatalf("%s.%s has no value", resource, attribute)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(v.AsString()), &doc); err != nil {
		t.Fatalf("%s.%s is not JSON: %v", resource, attribute, err)
	}
	return doc
}
