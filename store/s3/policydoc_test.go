package s3

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func someRule(id string, except ...string) rule {
	if except == nil {
		except = []string{"arn:aws:iam::123456789012:role/crossfade"}
	}
	return rule{id: id, partition: "aws", bucket: "b", prefix: "p/", except: except}
}

func add(t rapid.TB, text string, r rule) string {
	t.Helper()
	after, err := addRule(text, r)
	if err != nil {
		t.Fatalf("adding to %s: %v", text, err)
	}
	return after
}

func remove(t rapid.TB, text string, r rule) string {
	t.Helper()
	after, err := removeRule(text, r.sid())
	if err != nil {
		t.Fatalf("removing from %s: %v", text, err)
	}
	return after
}

// others are the texts of the statements that are no rule of ours.
func others(t rapid.TB, text string) (all []string) {
	t.Helper()
	if text == "" {
		return nil
	}
	d, err := parsePolicy(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for _, s := range d.statements {
		ours := func(id string) bool { return strings.TrimSuffix(s.sid, onlySuffix) == someRule(id).sid() }
		if !slices.ContainsFunc([]string{"a", "b", "m"}, ours) {
			all = append(all, text[s.begin:s.end])
		}
	}
	return all
}

func TestPolicyEdits(t *testing.T) {
	t.Parallel()
	r := someRule("m")
	sid := r.sid()
	if sid != "CrossfadeFreeze62c66a7a5dd70c3146618063c344e531" {
		t.Errorf("the Sid is %s: a freeze of another release would not be found", sid)
	}
	const rest = `,"Effect":"Deny","Principal":"*","Action":["s3:PutObject*","s3:DeleteObject*","s3:Replicate*"],` +
		`"Resource":"arn:aws:s3:::b/p/*","Condition":{"ArnNotLike":{"aws:PrincipalArn":["arn:aws:iam::123456789012:role/crossfade"]}}}`
	ours, only := `{"Sid":"`+sid+`"`+rest, `{"Sid":"`+sid+`Only"`+rest
	for _, tc := range [][2]string{
		{"", `{"Version":"2012-10-17","Statement":[` + ours + `]}`},
		{`{"Statement":[{"Sid":"A"}]}`, `{"Statement":[{"Sid":"A"},` + ours + `]}`},
		{"{ \"Id\" : \"x\",\n \"Statement\" : [ {\"Sid\":\"\\u0041\"} , {}\n] , \"Version\":\"2012-10-17\" }\n", "{ \"Id\" : \"x\",\n \"Statement\" : [ {\"Sid\":\"\\u0041\"} , {}," + ours + "\n] , \"Version\":\"2012-10-17\" }\n"},
		{`{"Statement": {"Effect":"Allow"} ,"X":[{}]}`, `{"Statement": [{"Effect":"Allow"},` + only + `] ,"X":[{}]}`},
	} {
		if got := add(t, tc[0], r); got != tc[1] {
			t.Errorf("%s becomes\n%s, want\n%s", tc[0], got, tc[1])
		}
		if got := add(t, tc[1], r); got != tc[1] {
			t.Errorf("added twice, %s becomes\n%s", tc[1], got)
		}
		if got := remove(t, tc[1], r); got != tc[0] {
			t.Errorf("%s becomes\n%s, want\n%s", tc[1], got, tc[0])
		}
		if got := remove(t, tc[0], r); got != tc[0] {
			t.Errorf("without the rule, %s becomes %s", tc[0], got)
		}
	}
	for _, tc := range [][2]string{
		{`{"Statement":[` + ours + `,{"Sid":"A"}, {"Sid":"B"}]}`, `{"Statement":[{"Sid":"A"}, {"Sid":"B"}]}`},
		{`{"Statement":[{"Sid":"A"},` + ours + `,` + only + `,{"Sid":"B"}]}`, `{"Statement":[{"Sid":"A"},{"Sid":"B"}]}`},
		{`{"Statement":[{"Sid":"A"},` + only + `,{"Sid":"B"}]}`, `{"Statement":[{"Sid":"A"},{"Sid":"B"}]}`},
		{`{"Statement":[` + only + `, {"Sid":"B"}]}`, `{"Statement":{"Sid":"B"}}`},
		{`{"Statement":` + ours + `}`, ``},
		{`{"Id":"x","Statement":[` + ours + `,` + ours + `]}`, ``},
	} {
		if got := remove(t, tc[0], r); got != tc[1] {
			t.Errorf("%s becomes\n%s, want\n%s", tc[0], got, tc[1])
		}
	}
	for _, bad := range []string{
		`x`, `[]`, `{}`, `null`, `"Statement"`, `{"Statement":null}`, `{"Statement":"x"}`, `{"Statement":[1]}`, `{"statement":[]}`,
		`{"Statement":[[]]}`, `{"Statement":[],"Statement":[]}`, `{"Statement":[]}{}`, `{"Statement":[{"Sid":"A"}]`, `<html>`,
	} {
		if got, err := addRule(bad, r); err == nil || got != "" {
			t.Errorf("%s becomes %s", bad, got)
		}
		if got, err := removeRule(bad, sid); err == nil {
			t.Errorf("%s becomes %s", bad, got)
		}
	}
}

// policies draws policies of any statements, written in any way.
func policies() *rapid.Generator[string] {
	blank := rapid.SampledFrom([]string{"", "", " ", "\n  ", "\t\r\n"})
	text := rapid.SampledFrom([]string{`""`, `"*"`, `"A\u0042\"]}"`, `"{\"Sid\":[,"`, `"é😀"`, `"arn:aws:s3:::b/*"`, `"CrossfadeFreeze"`})
	var value func(depth int) *rapid.Generator[string]
	object := func(depth int, names ...string) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			var parts []string
			for _, n := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, len(names), rapid.ID[string]).Draw(t, "names") {
				parts = append(parts, blank.Draw(t, "blank")+`"`+n+`"`+blank.Draw(t, "blank")+":"+blank.Draw(t, "blank")+value(depth-1).Draw(t, n)+blank.Draw(t, "blank"))
			}
			return "{" + strings.Join(parts, ",") + blank.Draw(t, "blank") + "}"
		})
	}
	value = func(depth int) *rapid.Generator[string] {
		if depth <= 0 {
			return rapid.OneOf(text, rapid.SampledFrom([]string{"1.50", "-1e3", "true", "null", "12345678901234567890"}))
		}
		list := rapid.Map(rapid.SliceOfN(text, 0, 3), func(v []string) string { return "[" + strings.Join(v, " ,") + "]" })
		return rapid.OneOf(text, list, object(depth, "AWS", "StringLike", "aws:SourceIp", "Statement"))
	}
	statement := object(3, "Sid", "Effect", "Principal", "Action", "Resource", "Condition", "Future")
	return rapid.Custom(func(t *rapid.T) string {
		body := statement.Draw(t, "statement")
		if list := rapid.SliceOfN(statement, 0, 4).Draw(t, "statements"); len(list) > 0 {
			body = "[" + blank.Draw(t, "blank") + strings.Join(list, blank.Draw(t, "blank")+","+blank.Draw(t, "blank")) + blank.Draw(t, "blank") + "]"
		}
		members := []string{`"Statement"` + blank.Draw(t, "blank") + ":" + blank.Draw(t, "blank") + body}
		for _, m := range []string{`"Version":"2012-10-17"`, `"Id" : "x]"`, `"Future":{"Statement":[{}]}`} {
			if rapid.Bool().Draw(t, "member") {
				members = append(members, m)
			}
		}
		return blank.Draw(t, "blank") + "{" + strings.Join(rapid.Permutation(members).Draw(t, "members"), blank.Draw(t, "blank")+",") + "}" + blank.Draw(t, "blank")
	})
}

// reworded is a policy as S3 returns it.
func reworded(t rapid.TB, text string) string {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if list, ok := v["Statement"].([]any); ok {
		for _, s := range list {
			if m := s.(map[string]any); m["Sid"] == nil {
				if _, ok := m["Sid"]; !ok {
					m["Sid"] = ""
				}
			}
		}
	}
	var reword func(v any) any
	reword = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Collect(maps.Keys(v)) {
				if v[k] = reword(v[k]); k == "Principal" && v[k] == "*" {
					v[k] = map[string]any{"AWS": "*"}
				}
			}
		case []any:
			slices.Reverse(v)
			if len(v) == 1 {
				if _, ok := v[0].(string); ok {
					return v[0]
				}
			}
		}
		return v
	}
	b, err := json.Marshal(reword(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestPolicyProperties: whatever the policy, the rule comes and goes and leaves
// it as it was.
func TestPolicyProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before := policies().Draw(t, "policy")
		a, b := someRule("a"), someRule("b")
		theirs := others(t, before)
		after := add(t, before, a)
		if !json.Valid([]byte(after)) || samePolicy(after, before) || !slices.Equal(others(t, after), theirs) {
			t.Fatalf("with the rule: %s", after)
		}
		if again := add(t, after, a); again != after {
			t.Fatalf("added twice:\n%s\n%s", after, again)
		}
		if back := remove(t, after, a); back != before {
			t.Fatalf("%q comes back as\n%q", before, back)
		}

		// Another principal takes the rule's place, another rule stands beside it.
		other := add(t, after, someRule("a", "arn:aws:iam::123456789012:user/else"))
		both := add(t, other, b)
		if strings.Contains(other, "role/crossfade") || !slices.Equal(others(t, both), theirs) {
			t.Fatalf("replaced: %s\nand beside another: %s", other, both)
		}
		if back := remove(t, remove(t, both, a), b); !samePolicy(back, before) || !slices.Equal(others(t, back), theirs) {
			t.Fatalf("%q comes back as\n%q", before, back)
		}

		// S3 puts all of it in other words.
		said := reworded(t, after)
		if !samePolicy(said, after) {
			t.Fatalf("%s is not the same as\n%s", said, after)
		}
		if again := add(t, said, a); again != said {
			t.Fatalf("reworded and added again:\n%s\n%s", said, again)
		}
		if back := remove(t, said, a); !samePolicy(back, before) {
			t.Fatalf("%q comes back as\n%q", before, back)
		}
	})
}

func TestSamePolicy(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{``, ``, true},
		{``, `{}`, false},
		{`{"a":["x"]}`, `{"a":"x"}`, true},
		{`{"a":["x","y","x"]}`, ` {"a" : ["y","x"]}`, true},
		{`{"a":["x","x"]}`, `{"a":"x"}`, true},
		{`{"a":["x","y"]}`, `{"a":"x"}`, false},
		{`{"Sid":"","a":1}`, `{"a":1}`, true},
		{`{"Sid":"b","a":1}`, `{"a":1}`, false},
		{`{"P":{"AWS":"*"}}`, `{"P":"*"}`, true},
		{`{"P":{"AWS":"1"}}`, `{"P":"1"}`, false},
		{`{"a":[{"b":["2","1"]},{}]}`, `{"a":[{},{"b":["1","2"]}]}`, true},
		{`{"a":1}{}`, `{"a":1}`, false},
		{`x`, `x`, false},
	} {
		if samePolicy(tc.a, tc.b) != tc.same {
			t.Errorf("%s and %s: %v", tc.a, tc.b, !tc.same)
		}
	}
}

// FuzzPolicy: what S3 returns is edited as far as it is understood, and
// otherwise refused.
func FuzzPolicy(f *testing.F) {
	ours, err := addRule("", someRule("m"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ours)
	f.Add(`{"Version":"2012-10-17","Statement":{"Sid":"A"}}`)
	f.Add(`{"Statement":[{"Sid":"A"},{"Sid":["x"]}],"Statement ":1}`)
	f.Add(`{"Statement":[]}`)
	f.Add("{\"Statement\":[{\"\xff\":\"\\ud800\"}\t]}")
	f.Fuzz(func(t *testing.T, text string) {
		r := someRule("m")
		d, err := parsePolicy(text)
		if err != nil {
			if after, err := addRule(text, r); err == nil && text != "" {
				t.Fatalf("%q is malformed, and becomes %q", text, after)
			}
			return
		}
		for _, s := range d.statements {
			if part := text[s.begin:s.end]; !json.Valid([]byte(part)) || part[0] != '{' {
				t.Fatalf("%q has the statement %q", text, part)
			}
		}
		after := add(t, text, r)
		if !json.Valid([]byte(after)) || !slices.Equal(others(t, after), others(t, text)) {
			t.Fatalf("%q becomes %q", text, after)
		}
		back := remove(t, after, r)
		if left := others(t, back); len(left) > 0 && !slices.Equal(left, others(t, text)) {
			t.Fatalf("%q comes back as %q", text, back)
		}
		if len(d.statements) > 0 && !strings.Contains(text, "Sid") && back != text {
			t.Fatalf("%q comes back as %q", text, back)
		}
	})
}
