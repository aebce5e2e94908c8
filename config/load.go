package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads a migration from the YAML document raw, the content of a
// crossfade.yaml; file is what messages call it. lookup is os.LookupEnv or its
// like, environ the whole environment as of os.Environ.
//
// In values, ${NAME} is that variable, ${NAME:-text} has the text where it is not
// set or empty, and $$ is a dollar sign. Then each field with a single value is
// overridden by the variable CROSSFADE_ and its path in capitals with _ for dots,
// such as CROSSFADE_SOURCE or CROSSFADE_CUTOVER_MAX_FREEZE, where that is set and
// not empty; the name by CROSSFADE_MIGRATION. A CROSSFADE_ variable that is not
// known is an error, as it is to FromEnv.
//
// globs check the patterns of include and exclude, whose language is not of this
// package. The error is Problems, all that is wrong at once.
func Load(raw []byte, file string, lookup func(string) (string, bool), environ []string, globs ...func(pattern string) error) (Migration, error) {
	d := newDraft()
	fields := d.fields(globs)
	l := &loading{
		reader: reader{
			problems: &problems{file: printable(file)},
			fields:   map[string]*field{},
			lookup:   lookup,
			doc:      document{items: map[string][]item{}, lines: map[string]int{}},
			wrong:    map[string]bool{},
		},
		draft: d,
	}
	for _, f := range fields {
		l.fields[f.path] = f
	}
	root := l.parse(raw)
	if root != nil && root.Kind != yaml.MappingNode {
		l.mismatch(root, "", "fields, such as name: shop-uploads,")
		root = nil
	}
	if root != nil && l.plain(root, "") {
		l.section(root, "")
	}
	if root == nil {
		return Migration{}, l.err()
	}
	l.override(fields, environ)
	for _, f := range append(fields, l.more...) {
		l.set(f)
	}
	l.finish()
	if err := l.err(); err != nil {
		return Migration{}, err
	}
	return d.Migration, nil
}

// loading is one Load under way.
type loading struct {
	reader
	draft *draft
}

// set parses what was given for a field.
func (l *loading) set(f *field) {
	for i, it := range l.doc.items[f.path] {
		err := f.set(it)
		if err == nil {
			continue
		}
		l.wrong[f.path] = true
		path := f.path
		switch f.kind {
		case list:
			path = element(path, i)
		case mapping:
			path = join(path, printable(it.key))
		}
		if it.expanded && !f.secret {
			// The parser's words repeat what the environment holds.
			l.add(it.at, path, "%s with the environment filled in does not do: %s", quoted(it.raw), f.want)
			continue
		}
		l.add(it.at, path, "%v", err)
	}
}

// override replaces what the file says by what the environment does.
func (l *loading) override(fields []*field, environ []string) {
	known := identityVariables() // which are read where stores are opened
	for _, f := range fields {
		if f.kind == list || f.kind == mapping || f.kind == sections {
			continue
		}
		variable := f.variable()
		known = append(known, variable)
		value, set := l.lookup(variable)
		if value = strings.TrimSpace(value); set && value != "" {
			l.doc.items[f.path] = []item{{at: place{variable: variable}, raw: value, text: value}}
		}
	}
	// These are of functions: here they would be without effect.
	instead := map[string]string{
		envTimeout: variableOf("functions.timeout"), envLogLevel: "--log-level", envDirection: "the verb for the way back",
	}
	rest := slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, value, _ := strings.Cut(entry, "=")
		use := instead[name]
		if use != "" && value != "" {
			l.add(place{variable: name}, "", "is read by functions only: unset it, and use %s", use)
		}
		return use != ""
	})
	slices.Sort(known)
	for _, err := range unknown(rest, known) {
		l.add(place{variable: envPrefix}, "", "%v", err)
	}
}

// variable is the one that overrides the field.
func (f *field) variable() string {
	if f.path == "name" {
		return envMigration
	}
	return variableOf(f.path)
}

func variableOf(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}
