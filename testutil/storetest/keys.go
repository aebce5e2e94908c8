package storetest

import (
	"slices"
	"strings"

	"github.com/crossfade-io/crossfade/store"
)

// OddKey is a legal key that tools are known to lose, rename or confuse, with
// keys that it is confused with.
type OddKey struct {
	Name  string // for the name of a case
	Key   string
	Twins []string
}

// OddKeys returns them. All are valid UTF-8 of 1 to 1024 bytes.
func OddKeys() []OddKey {
	return []OddKey{
		{"LeadingSlash", "/lead", []string{"lead", "//lead"}},
		{"LeadingSlashes", "//x", []string{"/x", "x", "///x"}},
		{"OnlySlash", "/", []string{"//"}},
		{"DoubleSlash", "a//b", []string{"a/b", "a///b"}},
		{"TrailingSlash", "trail/", []string{"trail//"}},
		{"DirectoryMarker", "dir/", []string{"dir/x"}},
		{"DotSegment", "./x", []string{"x", "././x"}},
		{"DotSegmentInside", "a/./b", []string{"a/b"}},
		{"DotOnly", "a/.", []string{"a/.."}},
		{"DotDotSegment", "../x", []string{"x", "../../x"}},
		{"DotDotSegmentInside", "a/../b", []string{"b"}},
		{"DotDotDot", ".../x", []string{"..x/x"}},
		{"TrailingDot", "name.", []string{"name", "name.."}},
		{"TrailingDotInside", "name./x", []string{"name/x"}},
		{"Hidden", ".hidden", []string{"hidden"}},
		{"PercentSlash", "a%2Fb", []string{"a/b", "a%252Fb"}},
		{"PercentLower", "a%2fb", []string{"a%2Fb"}},
		{"PercentAlone", "100%", []string{"100%25", "%"}},
		{"PercentInvalid", "%zz%", []string{"%7a"}},
		{"PercentDots", "%2e%2e/x", []string{"x"}},
		{"Plus", "a+b", []string{"a b", "a%2Bb"}},
		{"Spaces", " a  b ", []string{"a b", " a b ", "a  b"}},
		{"SpaceOnly", " ", []string{"  "}},
		{"Newline", "a\nb", []string{"ab", "a b"}},
		{"CarriageReturn", "a\rb", []string{"a\r\nb"}},
		{"Tab", "a\tb", []string{"a b"}},
		{"ControlBytes", "a\x01\x1f\x7fb", []string{"ab"}},
		{"NUL", "a\x00b", []string{"a"}},
		{"C1Controls", "a\u0080\u009fb", []string{"ab"}},
		{"NotInXML", "a\uFFFE\uFFFFb", []string{"a\uFFFDb"}},
		{"Emoji", "e/\U0001F600.png", []string{"e/\uFF5E.png"}},
		{"NFC", "caf\u00e9", []string{"cafe"}},
		{"NFD", "cafe\u0301", []string{"caf\u00e9", "cafe"}},
		{"RightToLeft", "\u202eabc", []string{"abc"}},
		{"Question", "a?b=c", []string{"a"}},
		{"Hash", "a#b", []string{"a"}},
		{"XML", `&<>"'`, []string{"&amp;<>", "&lt;"}},
		{"XMLEntity", "&#10;&amp;", []string{"\n&", "&"}},
		{"Query", "a&b=c;d,e:f@g$h!i*j'(k)", []string{"a"}},
		{"Brackets", "[a]{b}|^`~", []string{"a"}},
		{"Backslash", `a\b`, []string{"a/b"}},
		{"BackslashLeading", `\\host\share`, []string{"/host/share"}},
		{"WindowsDevice", "CON", []string{"con", "CON.txt"}},
		{"WindowsStream", "a:b", []string{"a"}},
		{"Case", "ReadMe", []string{"readme", "README"}},
		{"BucketName", "bucket/list-type=2", []string{"list-type=2"}},
		{"Verb", "comp=list/restype=container", []string{"uploads"}},
		{"URL", "http://example.com/a?b", []string{"http:/example.com/a?b"}},
		{"Long", strings.Repeat("0123456789abcde/", 63) + "0123456789abcdef", []string{strings.Repeat("0123456789abcde/", 63) + "0123456789abcdeg"}},
		{"LongSegment", strings.Repeat("s", 1024), []string{strings.Repeat("s", 1023)}},
		{"LongWide", strings.Repeat("\u00e9/", 341) + "z", []string{strings.Repeat("\u00e9/", 341) + "y"}},
	}
}

func keyCases(h Harness) []testCase {
	var cases []testCase
	known := func(name string) bool { _, ok := h.Known[name]; return ok }
	var all []string
	for _, k := range OddKeys() {
		name := "Key/" + k.Name
		cases = append(cases, testCase{name, func(t *T) { oddKey(t, k) }})
		if !known(name) {
			all = append(all, k.Key)
		}
	}
	return append(cases,
		testCase{"Key/AllAtOnce", func(t *T) { oddKeysAll(t, all) }},
		testCase{"Key/BelowKey", keyBelowKey},
		testCase{"Key/LongSiblings", keyLongSiblings},
	)
}

// oddKey keeps a key and its twins apart through everything.
func oddKey(t *T, k OddKey) {
	keys := append([]string{k.Key}, k.Twins...)
	if t.NoKeyBelowKey {
		keys = withoutClashes(keys)
	}
	var held []string
	for _, key := range keys {
		if t.BadKey(key) {
			_, err := t.Store.Put(t.ctx, key, store.Bytes("x"), store.PutOptions{})
			t.wantKind("Put of a key that cannot be held", err, store.Invalid)
			continue
		}
		t.put(key, store.Bytes(bodyFor(key)), store.PutOptions{If: store.IfAbsent(), Attrs: fullAttrs()})
		held = append(held, key)
	}
	t.wantKeys(held...)
	versions := map[string]store.Version{}
	for _, key := range held {
		h := t.wantObject(key, bodyFor(key))
		versions[key] = h.Version
		if d := attrsDiffer(h.Attrs, fullAttrs()); d != "" {
			t.Errorf("%q lost %s", key, d)
		}
		if got := t.keys(store.ListOptions{Until: key}); !slices.Contains(got, key) {
			t.Errorf("listing until %q does not yield it: %q", key, got)
		}
		if got := t.keys(store.ListOptions{After: key}); slices.Contains(got, key) {
			t.Errorf("listing after %q yields it", key)
		}
	}
	for i, key := range held {
		if err := t.Store.Delete(t.ctx, key, store.IfMatch(versions[key])); err != nil {
			t.Errorf("Delete %q: %v", key, err)
		}
		t.wantAbsent(key)
		t.wantKeys(held[i+1:]...)
	}
}

func oddKeysAll(t *T, keys []string) {
	keys = slices.DeleteFunc(keys, t.BadKey)
	if t.NoKeyBelowKey {
		keys = withoutClashes(keys)
	}
	t.putAll(keys)
	t.wantKeys(keys...)
	t.each(keys, func(key string) {
		_, got, err := t.tryRead(key, store.ReadOptions{})
		if err != nil || string(got) != string(bodyFor(key)) {
			t.Errorf("%q holds %s, error %v", key, sketch(got), err)
		}
	})
	t.each(keys, func(key string) {
		if err := t.Store.Delete(t.ctx, key, store.Condition{}); err != nil {
			t.Errorf("Delete %q: %v", key, err)
		}
	})
	t.wantKeys()
}

// keyBelowKey stores "dir" and "dir/file", in both orders.
func keyBelowKey(t *T) {
	for _, keys := range [][]string{{"one", "one/file"}, {"two/file", "two"}, {"three", "three/a/b/c"}, {"four/a/b/c", "four/a"}} {
		t.put(keys[0], store.Bytes(bodyFor(keys[0])), store.PutOptions{})
		_, err := t.Store.Put(t.ctx, keys[1], store.Bytes(bodyFor(keys[1])), store.PutOptions{})
		switch {
		case t.NoKeyBelowKey:
			t.wantKind("Put of a key below another", err, store.Invalid)
			t.wantAbsent(keys[1])
			t.wantObject(keys[0], bodyFor(keys[0]))
			t.wantKeys(keys[0])
		case err != nil:
			t.Errorf("Put %q beside %q: %v", keys[1], keys[0], err)
		default:
			t.wantObject(keys[0], bodyFor(keys[0]))
			t.wantObject(keys[1], bodyFor(keys[1]))
			t.wantKeys(keys...)
		}
		for i, key := range keys {
			if err := t.Store.Delete(t.ctx, key, store.Condition{}); err != nil {
				t.Errorf("Delete %q: %v", key, err)
			}
			if i == 0 && !t.NoKeyBelowKey {
				t.wantObject(keys[1], bodyFor(keys[1]))
			}
		}
		t.wantKeys()
	}
}

// keyLongSiblings: keys that differ only at their very end.
func keyLongSiblings(t *T) {
	var keys []string
	base := strings.Repeat("long segment/", 78)
	for i := range 26 {
		keys = append(keys, base+string(rune('a'+i)))
	}
	keys = append(keys, base[:len(base)-1]+"!") // before base/ in byte order
	t.putAll(keys)
	t.wantKeys(keys...)
	for _, key := range keys {
		t.wantObject(key, bodyFor(key))
	}
}
