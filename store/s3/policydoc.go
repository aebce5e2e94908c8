package s3

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// onlySuffix marks, in the Sid of a rule, that the policy's Statement was one
// object and no array before the rule was put in.
const onlySuffix = "Only"

// document is the text of a bucket policy with the places of its statements, so
// that one can be put in or taken out while every other byte stays as it is.
type document struct {
	text       string
	version    string
	at         span // the value of Statement
	list       bool // which is an array
	statements []statement
}

type statement struct {
	span
	sid string
}

// span is text[begin:end].
type span struct{ begin, end int }

var errNoPolicy = errors.New("it is no JSON object with a Statement")

// parsePolicy finds the statements of a policy.
func parsePolicy(text string) (document, error) {
	d := document{text: text}
	if !json.Valid([]byte(text)) {
		return d, errNoPolicy
	}
	found := 0
	err := members(text, '{', func(name string, at span) error {
		switch name {
		case "Version":
			d.version = textOf(text[at.begin:at.end])
		case "Statement":
			found++
			d.at, d.list = at, text[at.begin] == '['
		}
		return nil
	})
	if err != nil {
		return d, err
	}
	if found != 1 {
		return d, errNoPolicy
	}
	if !d.list {
		return d, d.add(d.at)
	}
	return d, members(text[d.at.begin:d.at.end], '[', func(_ string, at span) error {
		return d.add(span{d.at.begin + at.begin, d.at.begin + at.end})
	})
}

// add notes the statement at a place.
func (d *document) add(at span) error {
	s := statement{span: at}
	text := d.text[at.begin:at.end]
	err := members(text, '{', func(name string, at span) error {
		if name == "Sid" {
			s.sid = textOf(text[at.begin:at.end])
		}
		return nil
	})
	d.statements = append(d.statements, s)
	return err
}

// members calls each with the place of every value in text, valid JSON that has
// to begin with open: an object, or an array, whose values have no names.
func members(text string, open json.Delim, each func(name string, at span) error) error {
	dec := json.NewDecoder(strings.NewReader(text))
	if t, err := dec.Token(); err != nil || t != open {
		return fmt.Errorf("%w: %s where %q should begin", errNoPolicy, shortened(text), rune(open))
	}
	for dec.More() {
		var name string
		if open == '{' {
			t, err := dec.Token()
			if err != nil {
				return err
			}
			name, _ = t.(string)
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		end := int(dec.InputOffset())
		if err := each(name, span{end - len(raw), end}); err != nil {
			return err
		}
	}
	return nil
}

// textOf is the string that raw is, or "".
func textOf(raw string) string {
	var s string
	if json.Unmarshal([]byte(raw), &s) != nil {
		return ""
	}
	return s
}

func shortened(text string) string {
	text = strings.TrimSpace(text)
	if r := []rune(text); len(r) > 20 {
		text = string(r[:20]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// addRule is the policy with r; text is "" where there is none yet. Where r is
// there already, it is text.
func addRule(text string, r rule) (string, error) {
	if text == "" {
		text = `{"Version":"` + policyVersion + `","Statement":[]}`
	}
	base, _, err := cutRule(text, r.sid())
	if err != nil {
		return "", err
	}
	d, err := parsePolicy(base)
	if err != nil {
		return "", err
	}
	ours, err := r.statement(d.version, !d.list)
	if err != nil {
		return "", err
	}
	var after string
	switch n := len(d.statements); {
	case !d.list:
		after = base[:d.at.begin] + "[" + base[d.at.begin:d.at.end] + "," + ours + "]" + base[d.at.end:]
	case n == 0:
		after = base[:d.at.begin] + "[" + ours + "]" + base[d.at.end:]
	default:
		last := d.statements[n-1].end
		after = base[:last] + "," + ours + base[last:]
	}
	if samePolicy(after, text) {
		return text, nil
	}
	return after, nil
}

// removeRule is the policy without the rule named sid, and "" where no statement
// is left. Where the rule is not there, it is text.
func removeRule(text, sid string) (string, error) {
	if text == "" {
		return "", nil
	}
	rest, found, err := cutRule(text, sid)
	if err != nil || !found {
		return text, err
	}
	d, err := parsePolicy(rest)
	if err != nil {
		return "", err
	}
	if len(d.statements) == 0 {
		return "", nil
	}
	return rest, nil
}

// cutRule takes out every statement that is the rule named sid. What is around
// it is left as it was before addRule.
func cutRule(text, sid string) (rest string, found bool, err error) {
	for {
		d, err := parsePolicy(text)
		if err != nil {
			return "", false, err
		}
		i := slices.IndexFunc(d.statements, func(s statement) bool { return s.sid == sid || s.sid == sid+onlySuffix })
		if i < 0 {
			return text, found, nil
		}
		found = true
		this, n := d.statements[i], len(d.statements)
		switch {
		case n == 1:
			text = text[:d.at.begin] + "[]" + text[d.at.end:]
		case n == 2 && this.sid == sid+onlySuffix:
			other := d.statements[1-i]
			text = text[:d.at.begin] + text[other.begin:other.end] + text[d.at.end:]
		case i == 0:
			text = text[:this.begin] + text[d.statements[1].begin:]
		default:
			text = text[:d.statements[i-1].end] + text[this.end:]
		}
	}
}

// samePolicy reports whether two policies say the same. S3 returns a policy in
// other words than it was given: lists in another order, those of one element as
// the element, an empty Sid where there was none.
func samePolicy(a, b string) bool {
	x, errX := canonical(a)
	y, errY := canonical(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func canonical(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errNoPolicy
	}
	return json.Marshal(plain(v))
}

// plain is v in the one way of writing that all equal ones have.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, x := range v {
			v[name] = plain(x)
		}
		if v["Sid"] == "" {
			delete(v, "Sid")
		}
		if len(v) == 1 && v["AWS"] == "*" {
			return "*" // a Principal
		}
	case []any:
		set := make([]string, len(v))
		for i, x := range v {
			v[i] = plain(x)
			b, err := json.Marshal(v[i])
			if err != nil {
				return v // cannot be: it came from JSON
			}
			set[i] = string(b)
		}
		slices.Sort(set)
		if set = slices.Compact(set); len(set) == 1 {
			return v[0]
		}
		return set
	}
	return v
}
