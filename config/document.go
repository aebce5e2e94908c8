package config

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds of a document. MaxFile is in bytes, as is maxText of one value.
const (
	MaxFile  = 1 << 20
	maxText  = 4096
	maxItems = 1000

	maxSections = 100 // in one list
)

// item is one text of the document: a scalar, an item of a list or a value of a
// mapping.
type item struct {
	at       place
	key      string // in a mapping
	raw      string // as it is written
	text     string // with the environment filled in
	tag      string // what YAML takes the raw text for, such as !!int
	expanded bool   // text has something of the environment
}

// document is what a file says, field by field.
type document struct {
	items map[string][]item // by the field's path
	lines map[string]int    // where sections and fields begin
}

// reader walks the nodes of a file.
type reader struct {
	*problems
	fields map[string]*field
	more   []*field // those of sections in lists, which the file makes
	lookup func(string) (string, bool)
	doc    document
	wrong  map[string]bool // paths that were refused
}

// parse reads the one YAML document in raw; nil is returned where there is none
// that could be looked into.
func (p *problems) parse(raw []byte) *yaml.Node {
	switch {
	case len(raw) > MaxFile:
		p.add(place{}, "", "the file has more than %d bytes: a migration needs a few hundred", MaxFile)
		return nil
	case !utf8.Valid(raw):
		p.add(place{}, "", "the file is not UTF-8: save it as such")
		return nil
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	var root, next yaml.Node
	err := d.Decode(&root)
	if errors.Is(err, io.EOF) {
		p.add(place{}, "", "the file is empty: write name, source and target")
		return nil
	}
	if err == nil {
		if err = d.Decode(&next); err == nil {
			p.add(place{line: next.Line}, "", "a second document begins here: keep one in a file, without ---")
			return nil
		}
	}
	if !errors.Is(err, io.EOF) {
		line, text := yamlError(err)
		p.add(place{line: line}, "", "not YAML: %s: mend the line, or the one before it", text)
		return nil
	}
	if len(root.Content) == 0 {
		return &root
	}
	return root.Content[0]
}

// yamlError takes the line out of the parser's message. What the message says
// beyond its first words may repeat the file, with what is secret there.
func yamlError(err error) (line int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line ([0-9]{1,9}): `).FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1]) // the pattern takes digits only
		text = text[len(m[0]):]
	}
	if i := strings.IndexAny(text, "\n\"'`"); i >= 0 {
		text = strings.TrimSpace(text[:i]) + "…"
	}
	return line, text
}

// section reads the mapping at path, "" for the whole document.
func (r *reader) section(n *yaml.Node, path string) {
	r.doc.lines[path] = n.Line
	for key, value := range r.pairs(n, path) {
		p := join(path, key.Value)
		switch f, isSection := r.fields[p], r.isSection(p); {
		case isSection && value.Kind != yaml.MappingNode && value.Kind != yaml.AliasNode:
			r.doc.lines[p], r.wrong[p] = key.Line, true
			r.mismatch(value, p, "fields below it, indented")
		case isSection:
			if r.plain(value, p) {
				r.section(value, p)
			} else {
				r.doc.lines[p], r.wrong[p] = key.Line, true
			}
		case f == nil:
			r.add(place{line: key.Line}, printable(p), "unknown field; did you mean %s?", r.suggest(path, key.Value))
		default:
			before := len(r.list)
			r.doc.items[p], r.doc.lines[p] = []item{}, key.Line // it is there, be it empty or wrong
			r.field(value, f)
			r.wrong[p] = len(r.list) > before
		}
	}
}

// pairs yields the keys of a mapping that are texts and not there twice.
func (r *reader) pairs(n *yaml.Node, path string) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content) && !r.full(); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			at := place{line: k.Line}
			switch first, double := seen[k.Value]; {
			case k.Kind == yaml.AliasNode || k.Anchor != "" || k.Tag == "!!merge":
				r.add(at, path, "anchors, aliases and << are not understood: write the fields out")
			case k.Kind != yaml.ScalarNode || k.Style&yaml.TaggedStyle != 0 || k.Value == "":
				r.add(at, path, "a name of a field is expected here: write name: value")
			case double:
				r.add(at, printable(join(path, k.Value)), "is here a second time, after line %d: keep one", first)
			default:
				seen[k.Value] = k.Line
				if !yield(k, v) {
					return
				}
			}
		}
	}
}

// field reads the value of a field.
func (r *reader) field(n *yaml.Node, f *field) {
	switch {
	case !r.plain(n, f.path):
	case f.kind == list && n.Kind == yaml.SequenceNode:
		for i, c := range n.Content {
			if i == maxItems {
				r.add(place{line: c.Line}, f.path, "has %d items: %d at most", len(n.Content), maxItems)
				return
			}
			r.scalar(c, f, element(f.path, i), "")
		}
	case f.kind == sections && n.Kind == yaml.SequenceNode:
		r.sections(n, f)
	case f.kind == mapping && n.Kind == yaml.MappingNode:
		for key, value := range r.pairs(n, f.path) {
			r.scalar(value, f, join(f.path, printable(key.Value)), key.Value)
		}
	case f.kind == list:
		r.mismatch(n, f.path, "a list, such as [one, two]")
	case f.kind == sections:
		r.mismatch(n, f.path, "a list of sections, each behind a -,")
	case f.kind == mapping:
		r.mismatch(n, f.path, "names and values below it, indented")
	default:
		r.scalar(n, f, f.path, "")
	}
}

// sections reads a list of sections, whose fields f makes.
func (r *reader) sections(n *yaml.Node, f *field) {
	for i, c := range n.Content {
		path := element(f.path, i)
		if i == maxSections {
			r.add(place{line: c.Line}, f.path, "has %d items: %d at most", len(n.Content), maxSections)
			return
		}
		r.doc.lines[path] = c.Line
		for _, made := range f.element(path) {
			r.fields[made.path] = made
			r.more = append(r.more, made)
		}
		before := len(r.list)
		if c.Kind != yaml.MappingNode && c.Kind != yaml.AliasNode {
			r.mismatch(c, path, "a section, such as "+f.want+",")
		} else if r.plain(c, path) {
			r.section(c, path)
		}
		r.wrong[path] = len(r.list) > before
	}
}

func (r *reader) scalar(n *yaml.Node, f *field, path, key string) {
	if !r.plain(n, path) {
		return
	}
	at := place{line: n.Line}
	switch {
	case n.Kind != yaml.ScalarNode:
		r.mismatch(n, path, "one value")
		return
	case n.Tag == "!!null":
		r.add(at, path, "has no value: give one, or remove the line")
		return
	case len(n.Value) > maxText:
		r.add(at, path, "has %d bytes: %d at most", len(n.Value), maxText)
		return
	}
	it := item{at: at, key: key, raw: n.Value, tag: n.Tag}
	var err error
	if it.text, it.expanded, err = expand(n.Value, r.lookup); err != nil {
		r.add(at, path, "%v", err)
		return
	}
	if len(it.text) > maxText {
		r.add(at, path, "has more than %d bytes with the environment filled in", maxText)
		return
	}
	if !it.expanded && !f.takes(n.Tag) {
		r.add(at, path, "%s", f.wrongType(n))
		return
	}
	r.doc.items[f.path] = append(r.doc.items[f.path], it)
}

// plain refuses what a configuration needs no YAML for.
func (r *reader) plain(n *yaml.Node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.add(place{line: n.Line}, path, "anchors and aliases are not understood: write the value out")
	case n.Style&yaml.TaggedStyle != 0:
		r.add(place{line: n.Line}, path, "tags are not understood: write the value without %s", printable(n.ShortTag()))
	default:
		return true
	}
	return false
}

func (r *reader) mismatch(n *yaml.Node, path, want string) {
	is := map[yaml.Kind]string{yaml.SequenceNode: "a list", yaml.MappingNode: "fields", yaml.ScalarNode: "a single value"}[n.Kind]
	if n.Tag == "!!null" {
		is = "nothing"
	}
	r.add(place{line: n.Line}, path, "has %s where %s is expected: write that, or remove the line", is, want)
}

// isSection reports whether fields have path as a part of theirs.
func (r *reader) isSection(path string) bool {
	for p := range r.fields {
		if strings.HasPrefix(p, path+".") {
			return true
		}
	}
	return false
}

// suggest names the known field that was likely meant by key in a section: one
// like it there, or one of this very name elsewhere.
func (r *reader) suggest(section, key string) string {
	var here, elsewhere []string
	for p := range r.fields {
		if rest, ok := strings.CutPrefix(p, join(section, "")); ok {
			name, _, _ := strings.Cut(rest, ".")
			here = append(here, name)
		}
		if strings.HasSuffix(p, "."+key) {
			elsewhere = append(elsewhere, p)
		}
	}
	slices.Sort(here)
	slices.Sort(elsewhere)
	likely := nearest(key, here)
	if len(elsewhere) > 0 && distance(key, likely) > 2 {
		return elsewhere[0]
	}
	return likely
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// printable makes text from a file safe to print in a line, and short.
func printable(text string) string {
	if q := quoted(text); len(q) != len(text)+2 {
		return q
	}
	return text
}

// quoted is text in quotes, and short.
func quoted(text string) string {
	if r := []rune(text); len(r) > 100 {
		text = string(r[:100]) + "…"
	}
	return strconv.Quote(text)
}
