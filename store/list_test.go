package store_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/store"
)

func TestListPrefix(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ after, until, want string }{
		{"", "", ""}, {"a", "", ""}, {"", "b", ""}, {"a/", "a0", "a"}, {"a/b/", "a/b0", "a/b"}, {"a", "ab", "a"}, {"é", "è", ""}, {"xé", "xè", "x"},
	} {
		if got := (store.ListOptions{After: tt.after, Until: tt.until}).Prefix(); got != tt.want {
			t.Errorf("(%q, %q]: %q, want %q", tt.after, tt.until, got, tt.want)
		}
	}
}

// No key of a range is left out by its prefix.
func TestListPrefixProperty(t *testing.T) {
	t.Parallel()
	key := rapid.StringOfN(rapid.RuneFrom([]rune("ab/0é€😀")), 0, 5, -1)
	rapid.Check(t, func(t *rapid.T) {
		o := store.ListOptions{After: key.Draw(t, "after"), Until: key.Draw(t, "until")}
		k, p := key.Draw(t, "key"), o.Prefix()
		if !utf8.ValidString(p) {
			t.Fatalf("%q is no text", p)
		}
		if k > o.After && (o.Until == "" || k <= o.Until) && !strings.HasPrefix(k, p) {
			t.Fatalf("%q is in (%q, %q], and does not begin with %q", k, o.After, o.Until, p)
		}
	})
}
