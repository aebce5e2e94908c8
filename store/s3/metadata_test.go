package s3

import (
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestMetadataRoundTrip sends metadata as headers and reads it back, whatever
// the values and names.
func TestMetadataRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.MapOfN(rapid.StringN(1, 20, 40), rapid.StringN(-1, 80, 200), 0, 5).Draw(t, "m")
		want := lowered(m)
		headers, err := encodeMetadata(m)
		if len(want) < len(m) {
			if err == nil {
				t.Fatalf("%q has names that S3 cannot tell apart", m)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range headers {
			if !isToken(name) || name != strings.ToLower(name) {
				t.Fatalf("name %q", name)
			}
			for i := range len(value) {
				if value[i] < ' ' || value[i] >= 0x7f {
					t.Fatalf("value %q", value)
				}
			}
			if strings.TrimSpace(value) != value {
				t.Fatalf("value %q loses its blanks", value)
			}
			for word := range strings.SplitSeq(value, " ") {
				if strings.HasPrefix(word, "=?") && len(word) > 75 {
					t.Fatalf("encoded word of %d characters", len(word))
				}
			}
		}
		if got := decodeMetadata(headers); !maps.Equal(got, want) {
			t.Fatalf("%q came back as %q", want, got)
		}
	})
}

func TestMetadataOfOthers(t *testing.T) {
	t.Parallel()
	got := decodeMetadata(map[string]string{
		"Plain": "v", "word": "=?UTF-8?Q?=C3=BC?=", "latin": "=?ISO-8859-1?Q?=FC?=", "broken": "=?no?x?y?=", "question": "a =? b",
		"crossfade-name-zz": "v",
	})
	want := map[string]string{
		"plain": "v", "word": "\u00fc", "latin": "\u00fc", "broken": "=?no?x?y?=", "question": "a =? b",
		"crossfade-name-zz": "v",
	}
	if !maps.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if _, err := encodeMetadata(map[string]string{"a": "\xff"}); err == nil {
		t.Error("a value that is not UTF-8 was taken")
	}
}
