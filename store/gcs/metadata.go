package gcs

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Metadata travel as JSON on the way in and as headers on the way out, where a
// value loses what no header can have, and a name its case. What would not
// survive is stored encoded, and decoded here:
//
//   - in names, bytes that are not of an HTTP token as %XX;
//   - values with control characters or spaces at their ends as one encoded
//     word of RFC 2047, =?utf-8?b?…?=. Text beyond ASCII stays as it is, for
//     other readers of the JSON API.
//
// What already looks encoded is encoded once more, so that every name and
// value comes back as it was.

const (
	wordPrefix = "=?utf-8?b?"
	wordSuffix = "?="
)

// encodeMetadata returns what is stored. It fails where names differ only in
// case: they would come back as one.
func encodeMetadata(m map[string]string) (map[string]string, error) {
	out := make(map[string]string, len(m))
	seen := make(map[string]bool, len(m))
	for k, v := range m {
		if k == "" {
			return nil, fmt.Errorf("metadata: an empty name")
		}
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return nil, fmt.Errorf("metadata: %q is not UTF-8", k)
		}
		name := encodeName(k)
		folded := foldName(name)
		if seen[folded] {
			return nil, fmt.Errorf("metadata: two names differ from %q only in case", k)
		}
		seen[folded] = true
		out[name] = encodeValue(v)
	}
	return out, nil
}

// decodeMetadata is the reverse, with names in lower case. Nil for none. Of names
// that become one, the first in byte order counts: what they are read as must
// not change from one read to the next.
func decodeMetadata(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		name := decodeName(foldName(k))
		if _, ok := out[name]; !ok {
			out[name] = decodeValue(m[k])
		}
	}
	return out
}

// foldName lowers ASCII, as headers do.
func foldName(k string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, k)
}

func encodeName(k string) string {
	if !strings.ContainsFunc(k, func(r rune) bool { return r >= utf8.RuneSelf || !isToken(byte(r)) }) && decodeName(k) == k {
		return k
	}
	var b strings.Builder
	for _, c := range []byte(k) {
		if isToken(c) && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

func decodeName(k string) string {
	if d, err := url.PathUnescape(k); err == nil && utf8.ValidString(d) && d != "" {
		return d
	}
	return k
}

// isToken reports a character of an HTTP token (RFC 9110, 5.6.2).
func isToken(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func encodeValue(v string) string {
	if !strings.ContainsFunc(v, isControl) && strings.Trim(v, " ") == v && decodeValue(v) == v {
		return v
	}
	return wordPrefix + base64.StdEncoding.EncodeToString([]byte(v)) + wordSuffix
}

func decodeValue(v string) string {
	if len(v) < len(wordPrefix)+len(wordSuffix) || !strings.EqualFold(v[:len(wordPrefix)], wordPrefix) || !strings.HasSuffix(v, wordSuffix) {
		return v
	}
	d, err := base64.StdEncoding.DecodeString(v[len(wordPrefix) : len(v)-len(wordSuffix)])
	if err != nil || !utf8.Valid(d) {
		return v
	}
	return string(d)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
