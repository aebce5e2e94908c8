package s3

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/store"
)

// Metadata travels in x-amz-meta-* headers. S3 takes bytes above ASCII in them
// for Latin-1 and gives them back RFC 2047 encoded ("Working with object
// metadata"), headers lose blanks at their ends, and their names are tokens in
// any case. So values that would not survive are sent RFC 2047 encoded, and
// names that are no tokens in hexadecimal behind namePrefix.
const namePrefix = "crossfade-name-"

// encodeMetadata returns the headers for m, names in lower case.
func encodeMetadata(m map[string]string) (map[string]string, error) {
	if len(m) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(m))
	for name, value := range m {
		if name == "" || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, fmt.Errorf("metadata %q: name and value have to be UTF-8, and the name not empty", name)
		}
		header := strings.ToLower(name)
		if !isToken(header) || strings.HasPrefix(header, namePrefix) {
			header = namePrefix + hex.EncodeToString([]byte(header))
		}
		if _, ok := out[header]; ok {
			return nil, fmt.Errorf("metadata %q: the name occurs twice when case is not regarded, and S3 holds names in lower case", name)
		}
		out[header] = encodeValue(value)
	}
	return out, nil
}

// decodeMetadata is the reverse, and reads what others wrote as they meant it.
// Where two headers stand for one name, the first in byte order counts: what
// they are read as must not change from one read to the next.
func decodeMetadata(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for _, header := range slices.Sorted(maps.Keys(m)) {
		name := strings.ToLower(header)
		if digits, ok := strings.CutPrefix(name, namePrefix); ok {
			if b, err := hex.DecodeString(digits); err == nil && len(b) > 0 && utf8.Valid(b) {
				name = string(b)
			}
		}
		if _, ok := out[name]; !ok {
			out[name] = decodeValue(m[header])
		}
	}
	return out
}

// lowered is m as a Head returns it.
func lowered(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[strings.ToLower(k)] = v
	}
	return out
}

// encodeValue returns v as it is when a header keeps it and nobody could take
// it for an encoded word.
func encodeValue(v string) string {
	if isPlain(v) {
		return v
	}
	const most = 45 // bytes whose base64 fits one word of 75 characters
	var words []string
	for len(v) > 0 {
		n := min(len(v), most)
		for n < len(v) && !utf8.RuneStart(v[n]) {
			n--
		}
		words = append(words, "=?UTF-8?B?"+base64.StdEncoding.EncodeToString([]byte(v[:n]))+"?=")
		v = v[n:]
	}
	return strings.Join(words, " ")
}

func decodeValue(v string) string {
	if !strings.Contains(v, "=?") {
		return v
	}
	d, err := new(mime.WordDecoder).DecodeHeader(v)
	if err != nil || !utf8.ValidString(d) {
		return v
	}
	return d
}

func isPlain(v string) bool {
	for i := range len(v) {
		if v[i] < ' ' || v[i] >= 0x7f {
			return false
		}
	}
	return strings.TrimSpace(v) == v && !strings.Contains(v, "=?") && !strings.Contains(v, "  ")
}

// isToken reports whether s can be part of a header's name (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// checkAttrs refuses attributes that no header can carry.
func checkAttrs(a store.Attrs) error {
	for _, x := range [][2]string{
		{"Content-Type", a.ContentType},
		{"Cache-Control", a.CacheControl},
		{"Content-Encoding", a.ContentEncoding},
		{"Content-Disposition", a.ContentDisposition},
		{"Content-Language", a.ContentLanguage},
	} {
		for i := range len(x[1]) {
			if c := x[1][i]; c < ' ' && c != '\t' || c == 0x7f {
				return fmt.Errorf("%s has a control character, which no header can carry", x[0])
			}
		}
	}
	return nil
}
