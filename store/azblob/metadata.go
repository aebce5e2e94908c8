package azblob

import (
	"encoding/base64"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// encodeMetadata turns user metadata into what Azure can hold.
func encodeMetadata(meta map[string]string) (map[string]*string, error) {
	out := make(map[string]*string, len(meta))
	for name, value := range meta {
		if name == "" || !utf8.ValidString(name) {
			return nil, fmt.Errorf("metadata name %q is not a name in UTF-8", name)
		}
		enc := encodeName(strings.ToLower(name))
		if _, ok := out[enc]; ok {
			return nil, fmt.Errorf("two metadata names differ from %q in case only, which Azure does not tell apart", strings.ToLower(name))
		}
		v := encodeValue(value)
		out[enc] = &v
	}
	return out, nil
}

// maxMetadata is how many bytes the names and values of a blob may have. More is
// refused before it is sent: servers drop connections with so large headers.
const maxMetadata = 8 << 10

func metadataSize(meta map[string]*string) int {
	n := 0
	for name, v := range meta {
		n += len(name) + len(*v)
	}
	return n
}

// decodeMetadata is the reverse. The SDK has names as HTTP gave them, in any
// case. Of names that stand for one, the first in byte order counts: what they
// are read as must not change from one read to the next.
func decodeMetadata(meta map[string]*string) map[string]string {
	if len(meta) == 0 {
		return nil
	}
	out := make(map[string]string, len(meta))
	for _, sent := range slices.Sorted(maps.Keys(meta)) {
		name := decodeName(strings.ToLower(sent))
		if _, ok := out[name]; !ok && meta[sent] != nil {
			out[name] = decodeValue(*meta[sent])
		}
	}
	return out
}

// encodeName makes a lower-case name a C# identifier in ASCII, as .NET's
// XmlConvert.EncodeLocalName: a character that cannot stand becomes _xHHHH_, or
// _xHHHHHHHH_ above U+FFFF, and an underscore that would begin such a sequence
// becomes _x005f_. Unlike .NET it minds that the underscore at the end of the
// sequence may be that of the next encoded character.
func encodeName(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case r == '_' && likeEscape(name[i:]):
			b.WriteString("_x005f_")
		case standsAsItIs(r) && (i > 0 || r > '9'):
			b.WriteRune(r)
		case r > 0xFFFF:
			fmt.Fprintf(&b, "_x%08x_", r)
		default:
			fmt.Fprintf(&b, "_x%04x_", r)
		}
	}
	return b.String()
}

// standsAsItIs reports whether r may stand in a name, if not as the first.
func standsAsItIs(r rune) bool {
	return r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
}

// likeEscape reports whether s, once encoded, would begin like an escape.
func likeEscape(s string) bool {
	for _, n := range escapeLens {
		if len(s) < n || !strings.HasPrefix(s, "_x") || strings.ContainsFunc(s[2:n-1], notHex) {
			continue
		}
		if next, _ := utf8.DecodeRuneInString(s[n-1:]); next == '_' || !standsAsItIs(next) {
			return true
		}
	}
	return false
}

// decodeName is the reverse of encodeName.
func decodeName(name string) string {
	if !strings.Contains(name, "_x") {
		return name
	}
	var b strings.Builder
	for len(name) > 0 {
		if n := escapeLen(name); n > 0 {
			code, err := strconv.ParseUint(name[2:n-1], 16, 32)
			if r := rune(code); err == nil && code <= unicode.MaxRune && utf8.ValidRune(r) {
				b.WriteRune(r)
				name = name[n:]
				continue
			}
		}
		b.WriteByte(name[0])
		name = name[1:]
	}
	return b.String()
}

// escapeLens are the lengths of _xHHHH_ and _xHHHHHHHH_.
var escapeLens = [...]int{7, 11}

// escapeLen is the length of the escape that s begins with, or 0.
func escapeLen(s string) int {
	for _, n := range escapeLens {
		if len(s) >= n && strings.HasPrefix(s, "_x") && s[n-1] == '_' && !strings.ContainsFunc(s[2:n-1], notHex) {
			return n
		}
	}
	return 0
}

func notHex(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') }

// wordBytes is how much of a value one encoded word holds, so that the word stays
// below the 75 characters of RFC 2047.
const wordBytes = 45

// encodeValue turns a value that a header, or a signature over it, cannot carry
// exactly into RFC 2047 encoded words, separated by single blanks.
func encodeValue(v string) string {
	if plainValue(v) {
		return v
	}
	var words []string
	for len(v) > 0 {
		n := min(wordBytes, len(v))
		for n > wordBytes-utf8.UTFMax && n < len(v) && !utf8.RuneStart(v[n]) {
			n--
		}
		words = append(words, wordPrefix+base64.StdEncoding.EncodeToString([]byte(v[:n]))+"?=")
		v = v[n:]
	}
	return strings.Join(words, " ")
}

const wordPrefix = "=?UTF-8?B?"

// plainValue reports whether v can be sent as it is: printable ASCII without
// blanks at the ends or several in a row, and nothing like an encoded word.
func plainValue(v string) bool {
	if strings.Contains(v, "=?") || strings.Contains(v, "  ") || strings.HasPrefix(v, " ") || strings.HasSuffix(v, " ") {
		return false
	}
	return !strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// decodeValue is the reverse of encodeValue, also for encoded words of others. A
// value that is anything but encoded words is returned as it is.
func decodeValue(v string) string {
	if !strings.HasPrefix(v, "=?") {
		return v
	}
	var b strings.Builder
	var dec mime.WordDecoder
	for _, word := range strings.Split(v, " ") {
		plain, err := dec.Decode(word)
		if err != nil {
			return v
		}
		b.WriteString(plain)
	}
	return b.String()
}

// headerFault names the first of the HTTP properties that Azure cannot hold, or "".
func headerFault(headers map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		v := headers[name]
		if strings.TrimSpace(v) != v || strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			return name
		}
	}
	return ""
}
