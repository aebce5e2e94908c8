package backfill

import (
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestGlob(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern  string
		yes, not []string
	}{
		{"*.jpg", []string{"a.jpg", ".jpg", "\u00e9\n.jpg"}, []string{"a/b.jpg", "a.jpgx", "a.JPG"}},
		{"**/*.jpg", []string{"a.jpg", "a/b.jpg", "a/b/c.jpg", "//x.jpg", "/x.jpg"}, []string{"ajpg"}},
		{"**", []string{"a", "a/b//", "\n"}, nil},
		{"a/**", []string{"a/", "a/b", "a/b/c"}, []string{"a", "ba/b"}},
		{"a/**/z", []string{"a/z", "a/b/z", "a/b/c/z", "a//z"}, []string{"az", "a/bz"}},
		{"a**z", []string{"az", "a/b/z"}, []string{"a/b"}},
		{"a*/z", []string{"a/z", "ab/z"}, []string{"a/b/z"}},
		{"?", []string{"a", "\U0001F600"}, []string{"", "ab", "/"}},
		{"[a-c]", []string{"a", "c"}, []string{"d", "-"}},
		{"[!a-c]", []string{"d", "-", "\U0001F600"}, []string{"a", "/"}},
		{"[^a]", []string{"b"}, []string{"a", "/"}},
		{"[]a]", []string{"]", "a"}, []string{"b"}},
		{"[a-]", []string{"a", "-"}, []string{"b"}},
		{`[\d\]]`, []string{"d", "]"}, []string{"5", `\`}},
		{"[\u00e9\U0001F600]", []string{"\u00e9", "\U0001F600"}, []string{"e"}},
		{"{a,b/*}.x", []string{"a.x", "b/c.x"}, []string{"b.x", "b/c/d.x"}},
		{"{**/a,b}", []string{"a", "x/a", "b"}, []string{"xa"}},
		{"{a,{b,c}}", []string{"a", "b", "c"}, []string{"{b,c}"}},
		{"a,b}", []string{"a,b}"}, []string{"a"}},
		{`\*\{`, []string{"*{"}, []string{"a{"}},
		{"a+(b)|^$.", []string{"a+(b)|^$."}, []string{"aab"}},
	} {
		f, err := NewFilter([]string{tc.pattern}, nil)
		if err != nil {
			t.Errorf("%q: %v", tc.pattern, err)
			continue
		}
		for _, k := range tc.yes {
			if !f.Match(k) {
				t.Errorf("%q does not match %q", tc.pattern, k)
			}
		}
		for _, k := range tc.not {
			if f.Match(k) {
				t.Errorf("%q matches %q", tc.pattern, k)
			}
		}
	}
}

func TestGlobErrors(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"", "a[", "a[b", "a[]", "{a", `a\`, "[z-a]", "{a,{b}"} {
		if _, err := NewFilter(nil, []string{p}); err == nil || !strings.HasPrefix(err.Error(), "exclude pattern") {
			t.Errorf("%q: error %v", p, err)
		}
	}
}

// Without the parts that path.Match does not have, or has otherwise, both agree.
func TestGlobAgreesWithPathMatch(t *testing.T) {
	t.Parallel()
	text := rapid.StringMatching(`[a-d/\x{e9}]{0,6}`)
	pattern := rapid.StringMatching(`([a-d/?\x{e9}]|\*[a-d/]|\[[a-c]-[c-d]\]){0,6}\*?`)
	rapid.Check(t, func(t *rapid.T) {
		p, s := pattern.Draw(t, "pattern"), text.Draw(t, "text")
		want, err := path.Match(p, s)
		if err != nil || p == "" {
			t.Skip("no pattern")
		}
		re, err := compileGlob(p)
		if err != nil {
			t.Fatal(err)
		}
		// A class of path.Match never holds a slash: nor do those drawn here.
		if re.MatchString(s) != want {
			t.Fatalf("%q on %q: %v, path.Match says %v", p, s, !want, want)
		}
	})
}

func TestFilterPrecedence(t *testing.T) {
	t.Parallel()
	f, err := NewFilter([]string{"a/**", "*.txt"}, []string{"a/tmp/**", "secret.txt"})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{
		"a/x": true, "b.txt": true, "b.jpg": false, "a/tmp/x": false, "secret.txt": false,
	} {
		if f.Match(key) != want {
			t.Errorf("%q: %v", key, !want)
		}
	}
	for _, f := range []Filter{{}, f} {
		if f.Match(".crossfade/photos/phase.json") {
			t.Error("a control object is chosen")
		}
	}
	if !(Filter{}).Match(".crossfader") || !(Filter{}).Match("a/.crossfade/x") {
		t.Error("the zero Filter leaves out a key that is not reserved")
	}
}
