package cloudsim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// s3Deny is a statement with Effect Deny. Those with Allow say nothing here,
// for whatever is not denied is allowed.
type s3Deny struct {
	principals []string // nil for everyone
	actions    []s3Pattern
	resources  []s3Pattern
	conditions []s3PolicyCondition
}

// s3PolicyCondition is a condition on aws:PrincipalArn.
type s3PolicyCondition struct {
	negated bool
	arn     bool // the six parts of the ARN are compared one by one
	values  [][]s3Pattern
}

func (d s3Deny) matches(principal, action, resource string) bool {
	if d.principals != nil && !slices.ContainsFunc(d.principals, func(p string) bool { return s3IsPrincipal(p, principal) }) {
		return false
	}
	is := func(s string) func(s3Pattern) bool { return func(p s3Pattern) bool { return p.match(s) } }
	if !slices.ContainsFunc(d.actions, is(strings.ToLower(action))) || !slices.ContainsFunc(d.resources, is(resource)) {
		return false
	}
	for _, c := range d.conditions {
		if !c.holds(principal) {
			return false
		}
	}
	return true
}

// s3IsPrincipal reports whether p of a Principal is that principal, or the
// account that it belongs to.
func s3IsPrincipal(p, principal string) bool {
	account := p
	if parts := strings.Split(p, ":"); len(parts) == 6 && parts[5] == "root" {
		account = parts[4]
	}
	parts := strings.SplitN(principal, ":", 6)
	return p == principal || len(parts) == 6 && parts[4] == account
}

// holds reports whether the condition holds for a principal; an anonymous one
// has no ARN, which only negated conditions hold for ("IAM JSON policy elements:
// Condition operators").
func (c s3PolicyCondition) holds(principal string) bool {
	if principal == "" {
		return c.negated
	}
	parts := []string{principal}
	if c.arn {
		parts = strings.SplitN(principal, ":", 6)
	}
	for _, v := range c.values {
		if slices.EqualFunc(v, parts, s3Pattern.match) {
			return !c.negated
		}
	}
	return c.negated
}

// s3ReadPolicy reads the policy of the bucket whose ARN that is. What this face
// could not enforce is an error, in the words of S3 where it has any.
func s3ReadPolicy(text []byte, bucket string) ([]s3Deny, error) {
	top, err := s3Members(text, "policy", "Version", "Id", "Statement")
	if err != nil {
		return nil, err
	}
	version := "2008-10-17"
	if raw, ok := top["Version"]; ok {
		if json.Unmarshal(raw, &version) != nil || version != "2008-10-17" && version != "2012-10-17" {
			return nil, s3MalformedPolicy("The policy must contain a valid version string")
		}
	}
	var list []json.RawMessage
	if raw := top["Statement"]; len(raw) > 0 && raw[0] == '{' {
		list = []json.RawMessage{raw}
	} else if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return nil, s3MalformedPolicy("Missing required field Statement")
	}
	var denies []s3Deny
	for _, raw := range list {
		d, deny, err := s3ReadStatement(raw, bucket, version == "2012-10-17")
		if err != nil {
			return nil, err
		}
		if deny {
			denies = append(denies, d)
		}
	}
	return denies, nil
}

func s3ReadStatement(raw []byte, bucket string, variables bool) (d s3Deny, deny bool, err error) {
	m, err := s3Members(raw, "statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
	if err != nil {
		return d, false, err
	}
	var effect string
	if json.Unmarshal(m["Effect"], &effect) != nil || effect != "Allow" && effect != "Deny" {
		return d, false, s3MalformedPolicy("Invalid effect")
	}
	if effect == "Allow" {
		return d, false, nil
	}
	for _, name := range []string{"NotPrincipal", "NotAction", "NotResource"} {
		if _, ok := m[name]; ok {
			return d, false, s3MalformedPolicy(fmt.Sprintf("%s is not implemented", name))
		}
	}
	if d.principals, err = s3ReadPrincipals(m["Principal"]); err != nil {
		return d, false, err
	}
	resources, err := s3Strings(m["Resource"], "Resource")
	if err != nil {
		return d, false, err
	}
	for _, r := range resources {
		if r != bucket && !strings.HasPrefix(r, bucket+"/") && r != bucket+"*" {
			return d, false, s3MalformedPolicy("Policy has invalid resource")
		}
		p, err := newS3Pattern(r, variables)
		if err != nil {
			return d, false, err
		}
		d.resources = append(d.resources, p)
	}
	actions, err := s3Strings(m["Action"], "Action")
	if err != nil {
		return d, false, err
	}
	for _, a := range actions {
		p, err := newS3Pattern(strings.ToLower(a), false)
		if err != nil {
			return d, false, err
		}
		if err := s3CheckAction(p, resources, bucket); err != nil {
			return d, false, err
		}
		d.actions = append(d.actions, p)
	}
	d.conditions, err = s3ReadConditions(m["Condition"], variables)
	return d, true, err
}

// s3ReadPrincipals is nil for everyone.
func s3ReadPrincipals(raw json.RawMessage) ([]string, error) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		if s != "*" {
			return nil, s3MalformedPolicy("Invalid policy syntax.")
		}
		return nil, nil
	}
	m, err := s3Members(raw, "Principal", "AWS")
	if err != nil {
		return nil, err
	}
	list, err := s3Strings(m["AWS"], "Principal")
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		parts := strings.SplitN(p, ":", 6)
		switch {
		case p == "*":
			return nil, nil
		case strings.ContainsAny(p, "*?$"), len(parts) != 6 && len(p) != 12, len(parts) == 6 && parts[0] != "arn":
			return nil, s3MalformedPolicy("Invalid principal in policy")
		}
	}
	return list, nil
}

var s3ConditionOperators = map[string]s3PolicyCondition{
	"ArnLike":         {arn: true},
	"ArnEquals":       {arn: true},
	"ArnNotLike":      {arn: true, negated: true},
	"ArnNotEquals":    {arn: true, negated: true},
	"StringEquals":    {},
	"StringLike":      {},
	"StringNotEquals": {negated: true},
	"StringNotLike":   {negated: true},
}

func s3ReadConditions(raw json.RawMessage, variables bool) (all []s3PolicyCondition, err error) {
	if raw == nil {
		return nil, nil
	}
	var operators map[string]map[string]json.RawMessage
	if json.Unmarshal(raw, &operators) != nil {
		return nil, s3MalformedPolicy("Invalid policy syntax.")
	}
	for operator, keys := range operators {
		c, ok := s3ConditionOperators[operator]
		if !ok {
			return nil, s3MalformedPolicy(fmt.Sprintf("Invalid Condition type : %s", operator))
		}
		for key, raw := range keys {
			if !strings.EqualFold(key, "aws:PrincipalArn") {
				return nil, s3MalformedPolicy(fmt.Sprintf("Policy has an invalid condition key: %s", key))
			}
			values, err := s3Strings(raw, "Condition")
			if err != nil {
				return nil, err
			}
			c.values = nil
			for _, v := range values {
				p, err := c.pattern(v, strings.HasSuffix(operator, "Like") || c.arn, variables)
				if err != nil {
					return nil, err
				}
				c.values = append(c.values, p)
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// pattern is a value of the condition.
func (c s3PolicyCondition) pattern(value string, wild, variables bool) ([]s3Pattern, error) {
	if !wild {
		return []s3Pattern{s3Literal(value)}, nil
	}
	parts := []string{value}
	if c.arn {
		if parts = strings.SplitN(value, ":", 6); len(parts) != 6 {
			return nil, s3MalformedPolicy(fmt.Sprintf("%q is no ARN", value))
		}
	}
	var out []s3Pattern
	for _, part := range parts {
		p, err := newS3Pattern(part, variables)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// s3Members takes an object apart, whose members must be among known.
func s3Members(raw []byte, what string, known ...string) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil || m == nil {
		return nil, s3MalformedPolicy(fmt.Sprintf("Policies must be valid JSON and the first byte must be '{': %s", what))
	}
	for name := range m {
		if !slices.Contains(known, name) {
			return nil, s3MalformedPolicy(fmt.Sprintf("Unknown field %s", name))
		}
	}
	return m, nil
}

// s3Strings reads a string, or a list of some.
func s3Strings(raw json.RawMessage, name string) ([]string, error) {
	var one string
	if json.Unmarshal(raw, &one) == nil && len(raw) > 0 && raw[0] == '"' {
		return []string{one}, nil
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return nil, s3MalformedPolicy(fmt.Sprintf("Missing required field %s", name))
	}
	return list, nil
}
