package watch

import (
	"path"
	"strings"
)

// tree is the set of directories that are watched, by their paths below the
// root; "" is the root.
type tree struct {
	below map[string]*tree
}

// add adds the directory p, whose parent need not be there.
func (t *tree) add(p string) {
	for name := range segments(p) {
		next := t.below[name]
		if next == nil {
			if t.below == nil {
				t.below = map[string]*tree{}
			}
			next = new(tree)
			t.below[name] = next
		}
		t = next
	}
}

// has reports whether p is in the set.
func (t *tree) has(p string) bool {
	for name := range segments(p) {
		if t = t.below[name]; t == nil {
			return false
		}
	}
	return true
}

// remove takes p and all below it from the set, and calls gone for each.
func (t *tree) remove(p string, gone func(p string)) {
	dir, name := path.Split(p)
	for name := range segments(strings.TrimSuffix(dir, "/")) {
		if t = t.below[name]; t == nil {
			return
		}
	}
	if sub := t.below[name]; sub != nil {
		sub.walk(p, gone)
		delete(t.below, name)
	}
}

func (t *tree) walk(p string, visit func(p string)) {
	for name, sub := range t.below {
		sub.walk(p+"/"+name, visit)
	}
	visit(p)
}

// segments yields the names of a path; none for "".
func segments(p string) func(yield func(string) bool) {
	if p == "" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(p, "/")
}
