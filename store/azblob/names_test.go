package azblob_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// badName says in other words than the driver's what Azure cannot hold.
func badName(name string) bool {
	if strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == '\\' || r >= 0x80 && r <= 0x9f }) {
		return true
	}
	segments := strings.Split(name, "/")
	for _, s := range segments {
		if s != "" && s[len(s)-1] == '.' {
			return true
		}
	}
	return len(segments) > 254 || utf8.RuneCountInString(name) > 1024
}

// TestNoKeyIsAltered writes keys of every sort: each is either stored under
// just its name or refused before the service could store it under another.
func TestNoKeyIsAltered(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	for _, key := range []string{
		"plain", "a/b", "/a", "//a", "a/", "a//", "a//b", "a+b", "a b", "a%2Fb", "a?b", "a#b", ".a", "a.b", "..a", "😀", "\u007f", "\uFFFE", "\uFFFF",
		"a.", "a./b", ".", "..", "./a", "a/.", "a/..", "a/./b", "a/../b", "...", `a\b`, `\`, "a\x00", "a\n", "a\u0085b", "a\xffb", "",
		strings.Repeat("s/", 253) + "s", strings.Repeat("s/", 254) + "s", strings.Repeat("é", 1024), strings.Repeat("é", 1025),
	} {
		bad := key == "" || !utf8.ValidString(key) || badName(key)
		s, bucket := c.store(t, "", azblob.Options{})
		_, err := s.Put(t.Context(), key, store.Bytes("x"), store.PutOptions{})
		if bad {
			if err == nil || store.KindOf(err) != store.Invalid || bucket.Len() != 0 {
				t.Errorf("%q: %v and %d blobs, want it refused", key, err, bucket.Len())
			}
		} else if err != nil || bucket.Get(key) == nil {
			t.Errorf("%q: %v, stored %t", key, err, bucket.Get(key) != nil)
		}
		want := store.NotFound
		if bad {
			want = store.Invalid
		}
		_, _, _ = bucket.Delete(key, cloudsim.Origin{}, false, nil)
		_, headErr := s.Head(t.Context(), key)
		_, openErr := s.Open(t.Context(), key, store.ReadOptions{})
		for op, err := range map[string]error{"Head": headErr, "Open": openErr, "Delete": s.Delete(t.Context(), key, store.IfMatch("0x1"))} {
			if err == nil || store.KindOf(err) != want {
				t.Errorf("%s of %q: %v, want %v", op, key, err, want)
			}
		}
	}
}
