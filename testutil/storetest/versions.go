package storetest

import (
	"github.com/crossfade-io/crossfade/store"
)

func versionCases() []testCase {
	return []testCase{
		{"Version/EachWrite", versionEachWrite},
		{"Version/IdenticalRewrite", func(t *T) { versionRewrite(t, fullAttrs()) }},
		{"Version/AttributesOnly", func(t *T) { versionRewrite(t, store.Attrs{ContentType: "text/other"}) }},
		{"Version/DeletedAndRecreated", versionRecreated},
		{"Version/StableWhileUnchanged", versionStable},
	}
}

func versionEachWrite(t *T) {
	seen := map[store.Version]bool{}
	for range 20 {
		body := t.body(t.small())
		v := t.put("k", store.Bytes(body), store.PutOptions{}).Version
		if seen[v] {
			t.Errorf("version %q came twice for different bytes", v)
		}
		seen[v] = true
		if h := t.head("k"); h.Version != v {
			t.Errorf("Put returned version %q, Head tells %q", v, h.Version)
		}
	}
}

// versionRewrite writes the same bytes again, with the same or other attributes.
func versionRewrite(t *T, attrs store.Attrs) {
	_, unique := store.As[store.UniqueVersions](t.Store)
	if unique && t.VersionsRecur {
		t.Fatalf("the store claims UniqueVersions, the harness says that they recur")
	}
	for _, n := range []int64{0, t.small(), t.MultipartSize} {
		body := t.body(n)
		one := t.put("k", store.Bytes(body), store.PutOptions{Attrs: fullAttrs()}).Version
		two := t.put("k", store.Bytes(body), store.PutOptions{Attrs: attrs}).Version
		if one == two && !t.VersionsRecur {
			t.Errorf("%d identical bytes written again kept version %q", n, one)
		}
		if h := t.wantObject("k", body); h.Version != two {
			t.Errorf("Put returned version %q, Head tells %q", two, h.Version)
		} else if d := attrsDiffer(h.Attrs, attrs); d != "" {
			t.Errorf("attributes were not replaced: %s", d)
		}
	}
}

func versionRecreated(t *T) {
	seen := map[store.Version]bool{}
	for range 5 {
		v := t.put("k", store.Bytes("same"), store.PutOptions{}).Version
		if seen[v] && !t.VersionsRecur {
			t.Errorf("version %q came back after a delete", v)
		}
		seen[v] = true
		if err := t.Store.Delete(t.ctx, "k", store.Condition{}); err != nil {
			t.Fatalf("Delete: %v", err)
		}
	}
}

// versionStable: reading, listing and writing other keys change no version.
func versionStable(t *T) {
	body := t.body(t.small())
	v := t.put("dir/k", store.Bytes(body), store.PutOptions{Attrs: fullAttrs()}).Version
	t.put("dir/k2", store.Bytes("x"), store.PutOptions{})
	t.put("dir/j", store.Bytes("x"), store.PutOptions{})
	for range 3 {
		t.wantKeys("dir/j", "dir/k", "dir/k2")
		if h := t.wantObject("dir/k", body); h.Version != v {
			t.Errorf("version changed from %q to %q though nobody wrote", v, h.Version)
		}
	}
	if err := t.Store.Delete(t.ctx, "dir/j", store.Condition{}); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if h := t.head("dir/k"); h.Version != v {
		t.Errorf("version changed from %q to %q though nobody wrote", v, h.Version)
	}
}
