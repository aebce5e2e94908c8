package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func compiled(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a YAML document as JSON values have it; false where it is no
// document to be judged by its form.
func asJSON(doc string) (any, bool) {
	var v any
	if yaml.Unmarshal([]byte(doc), &v) != nil {
		return nil, false
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, false
	}
	v, err = jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	return v, err == nil
}

// The schema takes what Load takes, and refuses of what Load refuses all that is
// wrong in its form.
func TestSchemaJudgesAsLoad(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	for name, doc := range map[string]string{
		"least": least, "most": most, "policy": frozen + "s3-policy\n    " + except + "\n    " + probe, "none": frozen + "none",
		"variables": "{name: '${A}', source: '${A}', target: '${A}', deletes: '${A}', concurrency: '${A}', foreign: '${A:-keep}', functions: {timeout: '${A}s'}}",
		"empty":     with("include: []\nfunctions: {}\ncutover: {freeze: {}}"),
		"durations": with("cutover: {max_freeze: 1h2m3.5s, max_lag: .5s}\nfunctions: {timeout: +9m}"),
		"queue":     with("backlog: {sqs: 'http://localhost:9324/000000000000/q'}"),
		"schemes":   "{name: a, source: 'az://$$web/x', target: 'file:///srv'}",
		"run":       running,
		"large":     with("concurrency: 1024\ncutover: {max_errors: 1000000000}"),
	} {
		v, ok := asJSON(doc)
		if !ok {
			t.Errorf("%s: no document", name)
		} else if err := s.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := load(doc, append([]string{"A=1"}, mostEnv...)...); err != nil && name != "variables" {
			t.Errorf("%s: Load: %v", name, err)
		}
	}
	for _, c := range refusals {
		v, ok := asJSON(c.doc)
		if ok {
			if err := s.Validate(v); (err == nil) != c.form {
				t.Errorf("%s: the schema says %v", c.name, err)
			}
		}
	}
}

// property is a field as the schema declares it.
type property struct {
	kind     kind
	enum     []string
	def      any
	lowest   string
	highest  string
	required bool
}

// properties lists the fields of a schema by their paths.
func properties(t *testing.T, root, at map[string]any, path string, into map[string]property) {
	t.Helper()
	required, _ := at["required"].([]any)
	for name, raw := range at["properties"].(map[string]any) {
		p, spec := join(path, name), resolved(t, root, raw.(map[string]any))
		if spec["properties"] != nil {
			if spec["additionalProperties"] != false {
				t.Errorf("%s takes unknown fields", p)
			}
			properties(t, root, spec, p, into)
			continue
		}
		got := property{def: spec["default"], required: slices.Contains(required, any(name))}
		main := spec
		if either, ok := spec["anyOf"].([]any); ok {
			main = either[0].(map[string]any)
			if len(either) != 2 || !reflect.DeepEqual(either[1], map[string]any{"$ref": "#/$defs/variable"}) {
				t.Errorf("%s takes no variable: %v", p, either)
			}
		}
		switch main["type"] {
		case "boolean":
			got.kind = truth
		case "integer":
			got.kind, got.lowest, got.highest = count, fmt.Sprint(main["minimum"]), fmt.Sprint(main["maximum"])
		case "array":
			got.kind = list
			items := resolved(t, root, main["items"].(map[string]any))
			if items["properties"] != nil {
				got.kind = sections
				if items["additionalProperties"] != false {
					t.Errorf("%s takes unknown fields", p)
				}
				properties(t, root, items, element(p, 0), into)
			}
		case "object":
			got.kind = mapping
		case "string", nil:
			got.kind = text
		default:
			t.Errorf("%s: type %v", p, main["type"])
		}
		for _, e := range anys(main["enum"]) {
			got.enum = append(got.enum, e.(string))
		}
		into[p] = got
	}
}

func anys(v any) []any { list, _ := v.([]any); return list }

// resolved is a schema with what it refers to.
func resolved(t *testing.T, root, s map[string]any) map[string]any {
	t.Helper()
	ref, ok := s["$ref"].(string)
	if !ok {
		return s
	}
	out := maps.Clone(root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any))
	maps.Copy(out, s)
	return out
}

// Every field is in the schema, with its type, values, bounds and default, and no
// other is.
func TestSchemaAgreesWithFields(t *testing.T) {
	t.Parallel()
	var root map[string]any
	d := json.NewDecoder(strings.NewReader(Schema()))
	d.UseNumber()
	if err := d.Decode(&root); err != nil {
		t.Fatal(err)
	}
	got := map[string]property{}
	properties(t, root, root, "", got)

	defaults := newDraft()
	defaults.Name, defaults.Source, defaults.Target = "", Location{}, Location{}
	fields := defaults.fields(nil)
	for _, f := range fields {
		if f.kind == sections {
			fields = append(fields, f.element(element(f.path, 0))...)
		}
	}
	for _, f := range fields {
		p, ok := got[f.path]
		if !ok {
			t.Errorf("%s is not in the schema", f.path)
			continue
		}
		delete(got, f.path)
		if p.kind != f.kind {
			t.Errorf("%s: of kind %d in the schema, %d to Load", f.path, p.kind, f.kind)
		}
		if required := slices.Contains([]string{"name", "source", "target"}, f.path); p.required != required {
			t.Errorf("%s: required is %v", f.path, p.required)
		}
		if m := regexp.MustCompile(`whole number from (\d+) to (\d+)`).FindStringSubmatch(f.want); f.kind == count && (m[1] != p.lowest || m[2] != p.highest) {
			t.Errorf("%s: from %s to %s in the schema, %q to Load", f.path, p.lowest, p.highest, f.want)
		}
		for _, v := range p.enum {
			if err := f.set(item{text: v}); err != nil || !strings.Contains(f.want, v) {
				t.Errorf("%s: %v, %q", f.path, err, f.want)
			}
		}
	}
	for p := range got {
		t.Errorf("%s is in the schema alone", p)
	}
	schemaDefaults(t, root)
}

// schemaDefaults: a file with the schema's defaults written out is the file
// without them.
func schemaDefaults(t *testing.T, root map[string]any) {
	t.Helper()
	fields := map[string]property{}
	properties(t, root, root, "", fields)
	doc := map[string]any{"name": "shop", "source": "s3://shop", "target": "gs://shop"}
	hooks := "\nbacklog: {command: [x]}\ncutover: {freeze: {mode: hook, hook: {command: [x]}}, unfreeze: {command: [x]}, switch: {command: [x]}}\nrun: {events: [{webhook: s3}]}\n"
	environ := []string{}
	declared := 0
	for path, p := range fields {
		switch {
		case p.def == nil:
		case p.kind == list:
			doc[path] = p.def
			declared++
		case strings.Contains(path, "[0]"): // no variable of the environment gives it
			e := []*Events{}
			events("x", &e).element("x[0]")
			if d, err := time.ParseDuration(fmt.Sprint(p.def)); err != nil || d != e[0].Watch.Rescan {
				t.Errorf("%s: %v by default", path, p.def)
			}
		case path == "cutover.freeze.mode": // the hooks want another
			if p.def != string(newDraft().Cutover.Freeze.Mode) {
				t.Errorf("mode %v by default", p.def)
			}
		default:
			f := field{path: path}
			environ = append(environ, f.variable()+"="+fmt.Sprint(p.def))
			declared++
		}
	}
	if declared != 16 {
		t.Errorf("%d defaults", declared)
	}
	b, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	written, err := load(string(b)+hooks, environ...)
	if err != nil {
		t.Fatal(err)
	}
	without, err := load("name: shop\nsource: s3://shop\ntarget: gs://shop\n" + hooks)
	if err != nil || written.Digest() != without.Digest() {
		t.Errorf("%v\n%+v\n%+v", err, written.view(), without.view())
	}
}

// Durations of the schema's pattern are those of Go, but for their sign and size.
func TestSchemaDurations(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	for _, d := range []string{"1", "s", "1.s", ".s", "1.2.3s", "1 s", "1s ", "1d", "1m30", "1h1h", "1µs", "1μs", "1us", "", "+1s", "++1s", "1S", "0", "5e3s"} {
		doc := map[string]any{"name": "a", "source": "s3://abc", "target": "gs://abc", "functions": map[string]any{"timeout": d}}
		_, err := time.ParseDuration(d)
		if bare := d == "0"; (s.Validate(doc) == nil) != (err == nil && !bare) {
			t.Errorf("%q: %v and %v", d, s.Validate(doc), err)
		}
	}
}
