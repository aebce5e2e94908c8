package backfill

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// matchGlob is the reference: the documented meaning of a pattern, by trying all
// that it may stand for. ok is false for a pattern that is none.
func matchGlob(pattern, key string) (match, ok bool) {
	alternatives, ok := braces(pattern)
	if !ok {
		return false, false
	}
	for _, p := range alternatives {
		m, ok := matchPlain(p, key, true)
		if !ok {
			return false, false
		}
		match = match || m
	}
	return match, true
}

// braces multiplies the alternatives of {…} out. What they may follow decides of
// a **/ behind them, so that each keeps a mark (\x00) where it began or ended.
func braces(p string) (out []string, ok bool) {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '[':
			n := classEnd(p[i:])
			if n < 0 {
				return nil, false
			}
			i += n - 1
		case '{':
			parts, end := alternatives(p[i+1:])
			if end < 0 {
				return nil, false
			}
			for _, part := range parts {
				rest, ok := braces(p[:i] + "\x00" + part + "\x01" + p[i+1+end+1:])
				if !ok {
					return nil, false
				}
				out = append(out, rest...)
			}
			return out, true
		}
	}
	return []string{p}, true
}

// alternatives splits what is behind a { at its own commas; end is where its }
// is, or -1.
func alternatives(p string) (parts []string, end int) {
	depth, start := 0, 0
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '[':
			n := classEnd(p[i:])
			if n < 0 {
				return nil, -1
			}
			i += n - 1
		case '{':
			depth++
		case ',':
			if depth == 0 {
				parts, start = append(parts, p[start:i]), i+1
			}
		case '}':
			if depth == 0 {
				return append(parts, p[start:i]), i
			}
			depth--
		}
	}
	return nil, -1
}

// classEnd is the length of the [...] at the start of p, or -1.
func classEnd(p string) int {
	i := 1
	if i < len(p) && (p[i] == '!' || p[i] == '^') {
		i++
	}
	for start := i; i < len(p); i++ {
		switch {
		case p[i] == ']' && i > start:
			return i + 1
		case p[i] == '\\' && i+1 < len(p):
			i++
		}
	}
	return -1
}

// matchPlain matches a pattern without alternatives. border says that a **/ here
// may stand for nothing.
func matchPlain(p, key string, border bool) (match, ok bool) {
	if p == "" {
		return key == "", true
	}
	tails := func(rest string, borderAfter bool, until func(string) bool) (bool, bool) {
		found := false
		for i := 0; i <= len(key); i++ {
			if i < len(key) && !utf8.RuneStart(key[i]) {
				continue
			}
			m, ok := matchPlain(rest, key[i:], borderAfter)
			if !ok {
				return false, false
			}
			found = found || m && until(key[:i])
		}
		return found, true
	}
	switch {
	case p[0] == '\x00': // an alternative begins
		return matchPlain(p[1:], key, true)
	case p[0] == '\x01':
		return matchPlain(p[1:], key, false)
	case strings.HasPrefix(p, "**/") && border:
		return tails(p[3:], true, func(skipped string) bool { return skipped == "" || strings.HasSuffix(skipped, "/") })
	case strings.HasPrefix(p, "**"):
		return tails(p[2:], false, func(string) bool { return true })
	case p[0] == '*':
		return tails(p[1:], false, func(skipped string) bool { return !strings.Contains(skipped, "/") })
	}
	first, size := utf8.DecodeRuneInString(key)
	one := func(hit bool, n int, border bool) (bool, bool) {
		if !hit || key == "" {
			_, ok := matchPlain(p[n:], "", border) // the rest has to be a pattern
			return false, ok
		}
		return matchPlain(p[n:], key[size:], border)
	}
	switch p[0] {
	case '?':
		return one(first != '/', 1, false)
	case '[':
		n := classEnd(p)
		hit, ok := inClass(p[1:n-1], first)
		if !ok {
			return false, false
		}
		return one(hit, n, false)
	case '\\':
		if len(p) == 1 {
			return false, false
		}
		r, n := utf8.DecodeRuneInString(p[1:])
		return one(first == r, 1+n, false)
	default:
		r, n := utf8.DecodeRuneInString(p)
		return one(first == r, n, r == '/')
	}
}

// inClass reports whether r is one of the characters between the brackets.
func inClass(class string, r rune) (hit, ok bool) {
	negated := class[0] == '!' || class[0] == '^'
	if negated {
		class = class[1:]
	}
	var members []rune
	var literal []bool // a "-" that was escaped, or begins or ends the class
	for i := 0; i < len(class); {
		escaped := class[i] == '\\' && i+1 < len(class)
		if escaped {
			i++
		}
		c, n := utf8.DecodeRuneInString(class[i:])
		members, literal = append(members, c), append(literal, escaped || i == 0 || i+n == len(class))
		i += n
	}
	for i := 0; i < len(members); i++ {
		lo, hi := members[i], members[i]
		if i+2 < len(members) && members[i+1] == '-' && !literal[i+1] {
			if hi = members[i+2]; hi < lo {
				return false, false
			}
			i += 2
		}
		hit = hit || lo <= r && r <= hi
	}
	if negated {
		return !hit && r != '/', true
	}
	return hit, true
}

// FuzzGlob compares with the reference: the same patterns are refused, and the
// same keys matched.
func FuzzGlob(f *testing.F) {
	for _, s := range [][2]string{
		{"*.jpg", "a.jpg"},
		{"**/*.jpg", "a/b.jpg"},
		{"a/**/z", "a/z"},
		{"a**z", "a/z"},
		{"[a-c]", "b"},
		{"[!a-c]", "/"},
		{"[]a]", "]"},
		{"[a-]", "-"},
		{`[\d\]]`, "]"},
		{"{a,b/*}.x", "b/c.x"},
		{"{**/a,b}", "x/a"},
		{"{a,{b,c}}", "c"},
		{"a,b}", "a,b}"},
		{`\*\{`, "*{"},
		{"a+(b)|^$.", "a"},
		{"[^]x]", "y"},
		{"{a}**/b", "ab"},
		{"a/{**/b,c}", "a/x/b"},
		{"[é-\U0001F600]?", "\U0001F600x"},
		{"[z-a]", "b"},
		{"[a-b-c]", "-"},
		{"[--0]", "."},
		{`[\--0]`, "."},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, key string) {
		// The reference takes exponential time, and keys and patterns are text.
		if len(pattern) > 16 || len(key) > 16 || !utf8.ValidString(pattern) || !utf8.ValidString(key) || strings.ContainsAny(pattern, "\x00\x01") || pattern == "" {
			return
		}
		want, ok := matchGlob(pattern, key)
		re, err := compileGlob(pattern)
		if ok != (err == nil) {
			t.Fatalf("%q: %v, the reference says %v", pattern, err, ok)
		}
		if ok && re.MatchString(key) != want {
			t.Fatalf("%q on %q: %v (%s)", pattern, key, !want, re)
		}
	})
}

// FuzzFilter: no filter chooses a control object, exclude wins, and a pattern
// that is refused is named.
func FuzzFilter(f *testing.F) {
	f.Add("**", "", ".crossfade/m/phase.json")
	f.Add(".crossfade/**", "x", ".crossfade/")
	f.Add("{", "[", "k")
	f.Add("*", "*", "k")
	f.Fuzz(func(t *testing.T, include, exclude, key string) {
		filter, err := NewFilter([]string{include}, []string{exclude})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "include pattern ") && !strings.HasPrefix(err.Error(), "exclude pattern ") {
				t.Errorf("%v", err)
			}
			return
		}
		only, err := NewFilter([]string{include}, nil)
		if err != nil {
			t.Fatal(err)
		}
		but, err := NewFilter(nil, []string{exclude})
		if err != nil {
			t.Fatal(err)
		}
		got := filter.Match(key)
		if got != (only.Match(key) && but.Match(key)) {
			t.Errorf("include %q, exclude %q, %q: %v", include, exclude, key, got)
		}
		if strings.HasPrefix(key, ".crossfade/") && (got || only.Match(key) || but.Match(key) || (Filter{}).Match(key)) {
			t.Errorf("the control object %q is chosen", key)
		}
	})
}
