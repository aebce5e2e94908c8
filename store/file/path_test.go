package file

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/store"
)

// keyGen draws keys of awkward segments.
func keyGen() *rapid.Generator[string] {
	segment := rapid.OneOf(
		rapid.SampledFrom([]string{"", ".", "..", "a", "a-b", "a.b", "b", Reserved, escape, more, escape + "x", more + "x", "%", "%25", "a\x00b", "~", " ", "é", "\U0001F600", ".tmp"}),
		rapid.StringN(0, 12, -1),
		rapid.Map(rapid.IntRange(200, 700), func(n int) string { return strings.Repeat("é%", n/3+1)[:n/3*3] }),
		rapid.Map(rapid.IntRange(250, 520), func(n int) string { return strings.Repeat("s", n) }),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(segment, 1, 5).Draw(t, "segments"), "/")
	}).Filter(func(k string) bool { return checkKey(k) == nil })
}

func decodeKey(names []string) (string, error) {
	var key []string
	for start, i := 0, 0; i < len(names); i++ {
		if strings.HasPrefix(names[i], more) {
			continue
		}
		seg, err := decodeSegment(names[start:i+1], len(key) == 0)
		if err != nil {
			return "", err
		}
		key, start = append(key, seg), i+1
	}
	return strings.Join(key, "/"), nil
}

func TestKeysSurviveAsPaths(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := keyGen().Draw(t, "key")
		names, err := encodeKey(key)
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		for i, n := range names {
			if n == "" || n == "." || n == ".." || len(n) > maxName || strings.ContainsAny(n, "/\x00") || i == 0 && n == Reserved {
				t.Fatalf("%q has the name %q", key, n)
			}
		}
		back, err := decodeKey(names)
		if err != nil || back != key {
			t.Fatalf("%q became %q and then %q, %v", key, names, back, err)
		}
	})
}

func TestOrdinaryKeysAreOrdinaryPaths(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"a", "photos/2024/a b.jpg", ".hidden/.git", "100%", "a%2Fb", "a\\b", "é/\U0001F600", "x/" + Reserved, "a\nb", strings.Repeat("s", 255)} {
		names, err := encodeKey(key)
		if err != nil || strings.Join(names, "/") != key {
			t.Errorf("%q is stored as %q, %v", key, names, err)
		}
	}
}

func TestEscapedPaths(t *testing.T) {
	t.Parallel()
	for key, want := range map[string][]string{
		"a//b":          {"a", "%cf%", "b"},
		"trail/":        {"trail", "%cf%"},
		"/lead":         {"%cf%", "lead"},
		"../x":          {"%cf%..", "x"},
		"a/.":           {"a", "%cf%."},
		"a\x00%":        {"%cf%a%00%25"},
		"%cf%x":         {"%cf%%25cf%25x"},
		"%cf+x":         {"%cf%%25cf+x"},
		Reserved + "/x": {"%cf%" + Reserved, "x"},
		strings.Repeat("s", 256): {
			more + strings.Repeat("s", 251), escape + "sssss",
		},
	} {
		got, err := encodeKey(key)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is stored as %q, %v, want %q", key, got, err, want)
		}
	}
}

func TestForeignEscapesAreRefused(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{{"%cf%x"}, {"%cf%%2fx"}, {"%cf%a%"}, {"%cf%%25"}, {more + "a", escape + "b"}} {
		if seg, err := decodeSegment(names, true); err == nil {
			t.Errorf("%q was read as %q", names, seg)
		}
	}
}

// TestListIsTheSetOfKeys stores random keys and lists random ranges of them.
func TestListIsTheSetOfKeys(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := fresh(t, Options{NoSync: true})
		held := map[string]bool{}
		for _, key := range rapid.SliceOfN(keyGen(), 0, 12).Draw(rt, "keys") {
			_, err := s.Put(t.Context(), key, store.Bytes(key), store.PutOptions{})
			if err == nil {
				held[key] = true
			} else if store.KindOf(err) != store.Invalid { // below another key
				rt.Fatalf("Put %q: %v", key, err)
			}
		}
		opts := store.ListOptions{After: rapid.OneOf(rapid.Just(""), keyGen()).Draw(rt, "after"), Until: rapid.OneOf(rapid.Just(""), keyGen()).Draw(rt, "until")}
		var want, got []string
		for key := range held {
			if key > opts.After && (opts.Until == "" || key <= opts.Until) {
				want = append(want, key)
			}
		}
		slices.Sort(want)
		for o, err := range s.List(t.Context(), opts) {
			if err != nil {
				rt.Fatalf("List: %v", err)
			}
			got = append(got, o.Key)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("List %+v yields %q, want %q", opts, got, want)
		}
	})
}
