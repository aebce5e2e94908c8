package backfill

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/crossfade-io/crossfade/store"
)

// Filter chooses keys. The zero Filter chooses all but those below
// store.ControlPrefix, which no Filter chooses.
type Filter struct {
	include, exclude []*regexp.Regexp
}

// NewFilter compiles glob patterns. A key is chosen if it matches no pattern of
// exclude and, where include is not empty, at least one of include: exclude
// wins, and the order of patterns is of no matter.
//
// A pattern is matched against the whole key, relative to the store's prefix:
//
//	?        one character but /
//	*        any characters but /
//	**       any characters; a **/ at the start or behind a / also stands for nothing
//	[a-z]    one of these characters; [!a-z] or [^a-z] one of the others but /
//	{a,b}    one of these patterns
//	\x       x itself
func NewFilter(include, exclude []string) (Filter, error) {
	var f Filter
	for _, list := range []struct {
		flag     string
		patterns []string
		to       *[]*regexp.Regexp
	}{{"include", include, &f.include}, {"exclude", exclude, &f.exclude}} {
		for _, p := range list.patterns {
			re, err := compileGlob(p)
			if err != nil {
				return Filter{}, fmt.Errorf("%s pattern %q: %w", list.flag, p, err)
			}
			*list.to = append(*list.to, re)
		}
	}
	return f, nil
}

// Match reports whether key is chosen.
func (f Filter) Match(key string) bool {
	if reserved(key) || matchAny(f.exclude, key) {
		return false
	}
	return len(f.include) == 0 || matchAny(f.include, key)
}

// reserved reports whether key is one of crossfade's own.
func reserved(key string) bool { return strings.HasPrefix(key, store.ControlPrefix) }

func matchAny(res []*regexp.Regexp, key string) bool {
	for _, re := range res {
		if re.MatchString(key) {
			return true
		}
	}
	return false
}

// compileGlob translates a pattern to a regular expression, which Go matches in
// time linear in the key.
func compileGlob(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, fmt.Errorf("is empty")
	}
	var b strings.Builder
	b.WriteString(`(?s)\A(?:`)
	depth := 0
	for i := 0; i < len(pattern); {
		rest := pattern[i:]
		switch {
		case strings.HasPrefix(rest, "**/") && (i == 0 || strings.ContainsRune("/{,", rune(pattern[i-1]))):
			b.WriteString(`(?:.*/)?`)
			i += len("**/")
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			i += len("**")
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
			i++
		case rest[0] == '?':
			b.WriteString(`[^/]`)
			i++
		case rest[0] == '[':
			class, n, err := globClass(rest)
			if err != nil {
				return nil, err
			}
			b.WriteString(class)
			i += n
		case rest[0] == '{':
			b.WriteString(`(?:`)
			depth++
			i++
		case rest[0] == ',' && depth > 0:
			b.WriteByte('|')
			i++
		case rest[0] == '}' && depth > 0:
			b.WriteByte(')')
			depth--
			i++
		case rest[0] == '\\':
			if len(rest) == 1 {
				return nil, fmt.Errorf("ends in a lone backslash")
			}
			n := literal(&b, rest[1:])
			i += 1 + n
		default:
			i += literal(&b, rest)
		}
	}
	if depth > 0 {
		return nil, fmt.Errorf("has a { without its }")
	}
	b.WriteString(`)\z`)
	return regexp.Compile(b.String())
}

// literal writes the first character of s and returns its length in bytes.
func literal(b *strings.Builder, s string) int {
	n := len(s)
	for i := range s {
		if i > 0 {
			n = i
			break
		}
	}
	b.WriteString(regexp.QuoteMeta(s[:n]))
	return n
}

// globClass translates a [...] at the start of s and returns its length.
func globClass(s string) (class string, length int, err error) {
	i := 1
	var b strings.Builder
	b.WriteByte('[')
	if i < len(s) && (s[i] == '!' || s[i] == '^') {
		b.WriteString(`^/`)
		i++
	}
	for start := i; i < len(s); i++ {
		c := s[i]
		switch {
		case c == ']' && i > start:
			b.WriteByte(']')
			return b.String(), i + 1, nil
		case c == '-' && i > start && i+1 < len(s) && s[i+1] != ']':
			b.WriteByte('-')
			continue
		case c == '\\' && i+1 < len(s):
			i++
			c = s[i]
		}
		if strings.IndexByte(`[]\^-&~`, c) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return "", 0, fmt.Errorf("has a [ without its ]")
}
