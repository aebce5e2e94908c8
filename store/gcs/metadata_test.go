package gcs

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestMetadataSurvives: whatever the metadata, they come back, by JSON as they
// were stored and by headers where the value is ASCII.
func TestMetadataSurvives(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(
		rapid.StringN(0, 20, -1),
		rapid.StringMatching(`[ -~]{0,20}`),
		rapid.StringMatching(`=\?(utf|UTF)-8\?[bBqQ]\?[A-Za-z0-9+/=]{0,8}\?=`),
		rapid.StringMatching(`[%2fFaA ]{0,8}`),
		rapid.StringMatching(`[ \t\r\n]{0,3}x[ \t\r\n]{0,3}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.MapOfN(text.Filter(func(s string) bool { return s != "" && utf8.ValidString(s) }),
			text.Filter(utf8.ValidString), 0, 5).Draw(t, "metadata")
		stored, err := encodeMetadata(in)
		if err != nil {
			seen := map[string]bool{}
			for k := range in {
				seen[foldName(k)] = true
			}
			if len(seen) == len(in) {
				t.Fatalf("refused without a reason: %v", err)
			}
			return
		}
		want := map[string]string{}
		for k, v := range in {
			want[foldName(k)] = v
		}
		if got := decodeMetadata(stored); !maps.Equal(got, want) {
			t.Fatalf("%q is stored as %q and comes back as %q", in, stored, got)
		}
		rec := httptest.NewRecorder()
		ascii := true
		for k, v := range stored {
			rec.Header().Set("X-Goog-Meta-"+k, v)
			ascii = ascii && exactHeader(v)
		}
		var wire strings.Builder
		if err := rec.Header().Write(&wire); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(wire.String(), "\r\n"); lines != len(stored) {
			t.Fatalf("%q make %d lines of headers: %q", stored, lines, wire.String())
		}
		if !ascii {
			return
		}
		back := map[string]string{}
		for line := range strings.SplitSeq(strings.TrimSuffix(wire.String(), "\r\n"), "\r\n") {
			if len(stored) == 0 {
				break
			}
			k, v, _ := strings.Cut(line, ": ")
			back[strings.TrimPrefix(http.CanonicalHeaderKey(k), "X-Goog-Meta-")] = v
		}
		if got := decodeMetadata(back); len(want) > 0 && !maps.Equal(got, want) {
			t.Fatalf("%q comes back by headers as %q", in, got)
		}
	})
}

// TestNativeMetadataStay: what others stored is not changed by reading it.
func TestNativeMetadataStay(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"", "x", "a%20b", "https://x/?q=%2F+y", "größer", "=?x", "=?utf-8?q?x?=", "=?utf-8?b?!?=", `"quoted" \`} {
		if got := decodeMetadata(map[string]string{"k": v})["k"]; got != v {
			t.Errorf("value %q is read as %q", v, got)
		}
		if got := encodeValue(v); got != v {
			t.Errorf("value %q is stored as %q", v, got)
		}
	}
	for k, want := range map[string]string{"MyKey": "mykey", "a-b_c.d": "a-b_c.d", "100%": "100%", "%zz": "%zz", "gr%c3%b6%C3%9Fe": "größe", "%ff": "%ff"} {
		if _, ok := decodeMetadata(map[string]string{k: "v"})[want]; !ok {
			t.Errorf("name %q is not read as %q", k, want)
		}
	}
}
