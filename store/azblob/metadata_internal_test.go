package azblob

import (
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestEncodeName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"plain":        "plain",
		"with_under":   "with_under",
		"_":            "_",
		"a-b":          "a_x002d_b",
		"1a":           "_x0031_a",
		"a1":           "a1",
		"é":            "_x00e9_",
		"😀":            "_x0001f600_",
		"a b":          "a_x0020_b",
		"a_x002d_b":    "a_x005f_x002d_b",
		"_x0001f600_":  "_x005f_x0001f600_",
		"_x002d":       "_x002d",
		"_x002_":       "_x002_",
		"my_xyz_":      "my_xyz_",
		"goog-meta.1":  "goog_x002d_meta_x002e_1",
		"_x005f_x002d": "_x005f_x005f_x002d",
		"_x0000 ":      "_x005f_x0000_x0020_",
		"_x0000g":      "_x0000g",
	} {
		if got := encodeName(name); got != want {
			t.Errorf("encodeName(%q) = %q, want %q", name, got, want)
		}
		if got := decodeName(want); got != name {
			t.Errorf("decodeName(%q) = %q, want %q", want, got, name)
		}
	}
	// Names that others wrote, and that are no sequence of ours, stay as they are.
	for _, name := range []string{"_xzzzz_", "_xd800_", "_x00110000_", "_x", "_x12"} {
		if got := decodeName(name); got != name {
			t.Errorf("decodeName(%q) = %q", name, got)
		}
	}
}

// TestMetadataRoundTrip: whatever user metadata goes in comes out, by way of
// names and values that the service takes and cannot alter.
func TestMetadataRoundTrip(t *testing.T) {
	t.Parallel()
	names := rapid.OneOf(
		rapid.StringMatching(`[a-z0-9_.x -]{1,12}`),
		rapid.StringMatching(`(_x[0-9a-f]{4}_|_x[0-9a-f]{8}_|_|x|00)+`),
		rapid.StringN(1, 8, -1),
	)
	values := rapid.OneOf(rapid.String(), rapid.StringMatching(`( |=\?|\?=|UTF-8|[!-~]){0,30}`), rapid.StringN(20, 200, -1))
	rapid.Check(t, func(rt *rapid.T) {
		in := map[string]string{}
		for name, v := range rapid.MapOfN(names, values, 0, 5).Draw(rt, "metadata") {
			in[strings.ToLower(name)] = v
		}
		checkRoundTrip(rt, in)
	})
}

type reporter interface {
	Fatalf(format string, args ...any)
}

func checkRoundTrip(t reporter, in map[string]string) {
	enc, err := encodeMetadata(in)
	if err != nil {
		t.Fatalf("encode %q: %v", in, err)
	}
	for name, v := range enc {
		if strings.ToLower(name) != name || strings.ContainsFunc(name, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }) || name[0] >= '0' && name[0] <= '9' {
			t.Fatalf("%q is not an identifier in lower case", name)
		}
		if strings.TrimSpace(*v) != *v || strings.Contains(*v, "  ") || strings.ContainsFunc(*v, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			t.Fatalf("%q cannot stand in a header", *v)
		}
		for _, word := range strings.Split(*v, " ") {
			if strings.HasPrefix(word, wordPrefix) && len(word) > 75 {
				t.Fatalf("the encoded word %q has %d characters", word, len(word))
			}
		}
	}
	// The case of a name is lost on the way.
	shouted := map[string]*string{}
	for name, v := range enc {
		shouted[strings.ToUpper(name[:1])+name[1:]] = v
	}
	out := decodeMetadata(shouted)
	if len(in) != len(out) || !maps.Equal(in, out) && len(in) > 0 {
		t.Fatalf("%q came back as %q, by way of %v", in, out, enc)
	}
}

func FuzzNameCodec(f *testing.F) {
	for _, s := range []string{"a", "a-b", "_x002d_", "_x0001f600_", "_x005f_", "1", "é", "_", "__x002d__", "_x002d_x002d_"} {
		f.Add(s, " v ")
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		// What anyone may have written is decoded without harm.
		if got := decodeName(name); utf8.ValidString(name) && !utf8.ValidString(got) {
			t.Fatalf("decodeName(%q) = %q", name, got)
		}
		_ = decodeValue(value)
		if name = strings.ToLower(name); name == "" || !utf8.ValidString(name) {
			if _, err := encodeMetadata(map[string]string{name: value}); err == nil {
				t.Fatalf("%q was taken as a name", name)
			}
			return
		}
		checkRoundTrip(t, map[string]string{name: value})
	})
}

func TestMetadataCollisions(t *testing.T) {
	t.Parallel()
	for _, in := range []map[string]string{{"Name": "1", "name": "2"}, {"É-x": "1", "é-X": "2"}} {
		if _, err := encodeMetadata(in); err == nil {
			t.Errorf("%v was encoded", in)
		}
	}
}

// TestDecodeForeignValues: encoded words of other writers are read, other values
// are left alone.
func TestDecodeForeignValues(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"=?utf-8?q?caf=C3=A9?=":              "café",
		"=?ISO-8859-1?Q?caf=E9?=":            "café",
		"=?UTF-8?B?Y2Fm?= =?UTF-8?B?w6k=?=":  "café",
		"=?UTF-8?B?Y2Fm?= plain":             "=?UTF-8?B?Y2Fm?= plain",
		"=?x-unknown?B?Y2Fm?=":               "=?x-unknown?B?Y2Fm?=",
		"plain =?UTF-8?B?Y2Fm?=":             "plain =?UTF-8?B?Y2Fm?=",
		"=?":                                 "=?",
		"=?UTF-8?B?Y2Fm?=  =?UTF-8?B?w6k=?=": "=?UTF-8?B?Y2Fm?=  =?UTF-8?B?w6k=?=",
	} {
		if got := decodeValue(v); got != want {
			t.Errorf("decodeValue(%q) = %q, want %q", v, got, want)
		}
	}
}
