package file

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/store"
)

// Names that begin with one of these are escaped segments. After escape comes
// the segment with "%" and NUL percent-encoded; after more, a piece of it that
// is continued in the name below.
const (
	escape = "%cf%"
	more   = "%cf+"
)

// maxName is the longest name of a file system, in bytes.
const maxName = 255

var encoder = strings.NewReplacer("%", "%25", "\x00", "%00")

// checkKey refuses what is no key at all.
func checkKey(key string) error {
	switch {
	case key == "":
		return kinded(store.Invalid, "a key has at least one byte")
	case len(key) > 1024:
		return kinded(store.Invalid, "a key has at most 1024 bytes, this one %d", len(key))
	case !utf8.ValidString(key):
		return kinded(store.Invalid, "a key is UTF-8")
	}
	return nil
}

// encodeKey returns the names that lead to a key's file.
func encodeKey(key string) ([]string, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	segments := strings.Split(key, "/")
	names := make([]string, 0, len(segments))
	for i, seg := range segments {
		names = appendSegment(names, seg, i == 0)
	}
	return names, nil
}

// appendSegment appends the names of one segment; first says that it is the
// first of its key, where the store's own directory has to be avoided.
func appendSegment(names []string, seg string, first bool) []string {
	plain := seg != "" && seg != "." && seg != ".." && len(seg) <= maxName && strings.IndexByte(seg, 0) < 0 &&
		!strings.HasPrefix(seg, escape) && !strings.HasPrefix(seg, more) && (!first || !reserved(seg))
	if plain {
		return append(names, seg)
	}
	rest := encoder.Replace(seg)
	for len(rest) > maxName-len(escape) {
		cut := maxName - len(more)
		for !utf8.RuneStart(rest[cut]) {
			cut--
		}
		names, rest = append(names, more+rest[:cut]), rest[cut:]
	}
	return append(names, escape+rest)
}

// reserved reports whether a name is Reserved to some file system: there are
// those that do not regard case.
func reserved(name string) bool { return strings.EqualFold(name, Reserved) }

// decodeSegment returns the segment that names stand for: one plain name, or
// those of an escaped segment. It fails unless they are just those that
// appendSegment makes.
func decodeSegment(names []string, first bool) (string, error) {
	last := names[len(names)-1]
	if len(names) == 1 && !strings.HasPrefix(last, escape) {
		return last, nil
	}
	var b strings.Builder
	for _, n := range names[:len(names)-1] {
		b.WriteString(strings.TrimPrefix(n, more))
	}
	b.WriteString(strings.TrimPrefix(last, escape))
	seg, err := unescape(b.String())
	if err == nil && strings.Join(appendSegment(nil, seg, first), "/") != strings.Join(names, "/") {
		err = errors.New("another form of the same name")
	}
	if err != nil {
		return "", fmt.Errorf("the name %q begins with %q, which is reserved for escaped names, and is none: %w", strings.Join(names, "/"), names[0][:len(escape)], err)
	}
	return seg, nil
}

func unescape(s string) (string, error) {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, "%")
		b.WriteString(before)
		switch {
		case !ok:
			return b.String(), nil
		case strings.HasPrefix(after, "25"):
			b.WriteByte('%')
		case strings.HasPrefix(after, "00"):
			b.WriteByte(0)
		default:
			return "", errors.New("a percent sign that is not followed by 25 or 00")
		}
		s = after[2:]
	}
}
