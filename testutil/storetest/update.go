package storetest

import (
	"github.com/crossfade-io/crossfade/store"
)

// updateCases are run where the store is a store.MetadataUpdater. A store that
// is not has nothing to show: its callers copy instead.
func updateCases() []testCase {
	updater := func(f func(t *T, u store.MetadataUpdater)) func(*T) {
		return func(t *T) {
			u, ok := store.As[store.MetadataUpdater](t.Store)
			if !ok {
				t.Logf("the store has no MetadataUpdater: nothing to test")
				return
			}
			f(t, u)
		}
	}
	return []testCase{
		{"Update/ReplacesWholly", updater(updateReplaces)},
		{"Update/Conditions", updater(updateConditions)},
		{"Update/Absent", updater(updateAbsent)},
	}
}

// update calls UpdateMetadata. A store may refuse a change with Kind Invalid,
// but must then not have done half of it.
func (t *T) update(u store.MetadataUpdater, key string, attrs store.Attrs, cond store.Condition) *store.Object {
	t.Helper()
	before := t.head(key)
	o, err := u.UpdateMetadata(t.ctx, key, attrs, cond)
	if err == nil {
		return o
	}
	t.wantKind("UpdateMetadata", err, store.Invalid)
	after := t.head(key)
	if d := attrsDiffer(before.Attrs, after.Attrs); d != "" || before.Version != after.Version {
		t.Errorf("a refused UpdateMetadata changed the object: %s, version %q to %q", d, before.Version, after.Version)
	}
	return nil
}

func updateReplaces(t *T, u store.MetadataUpdater) {
	for _, n := range []int64{0, t.small(), t.MultipartSize} {
		body := t.body(n)
		v := t.put("k", store.Bytes(body), store.PutOptions{Attrs: fullAttrs()}).Version
		for _, a := range []store.Attrs{
			{ContentType: "text/plain", CacheControl: "no-cache", Metadata: map[string]string{"only": "this"}},
			{ContentType: "text/plain", CacheControl: "no-cache", Metadata: map[string]string{"a": "1", "b": "zwölf"}},
			{ContentType: "text/plain"},
			fullAttrs(),
		} {
			o := t.update(u, "k", a, store.IfMatch(v))
			if o == nil {
				continue
			}
			h := t.wantObject("k", body)
			if d := attrsDiffer(h.Attrs, a); d != "" {
				t.Errorf("attributes after the update: %s", d)
			}
			if o.Version != h.Version || o.Size != n || o.Key != "k" {
				t.Errorf("UpdateMetadata returned key %q, size %d, version %q; Head tells version %q", o.Key, o.Size, o.Version, h.Version)
			}
			if h.Version == v && !t.VersionsRecur {
				t.Errorf("version %q stayed though attributes changed", v)
			}
			v = h.Version
		}
	}
	t.wantKeys("k")
}

func updateConditions(t *T, u store.MetadataUpdater) {
	stale := t.put("k", store.Bytes("one"), store.PutOptions{Attrs: fullAttrs()}).Version
	v := t.put("k", store.Bytes("two"), store.PutOptions{Attrs: fullAttrs()}).Version
	_, err := u.UpdateMetadata(t.ctx, "k", store.Attrs{ContentType: "text/plain"}, store.IfMatch(stale))
	t.wantKind("UpdateMetadata of a stale version", err, store.Precondition)
	h := t.wantObject("k", []byte("two"))
	if d := attrsDiffer(h.Attrs, fullAttrs()); d != "" || h.Version != v {
		t.Errorf("a refused UpdateMetadata changed the object: %s, version %q to %q", d, v, h.Version)
	}
	if o := t.update(u, "k", store.Attrs{ContentType: "text/plain"}, store.Condition{}); o != nil && o.Version != v {
		_, err = t.Store.Put(t.ctx, "k", store.Bytes("three"), store.PutOptions{If: store.IfMatch(v)})
		t.wantKind("Put on the version before the attributes changed", err, store.Precondition)
		err = t.Store.Delete(t.ctx, "k", store.IfMatch(v))
		t.wantKind("Delete on the version before the attributes changed", err, store.Precondition)
		t.wantPinned(store.ReadOptions{Version: v}, []byte("two"))
		t.wantObject("k", []byte("two"))
	}
}

func updateAbsent(t *T, u store.MetadataUpdater) {
	_, err := u.UpdateMetadata(t.ctx, "k", fullAttrs(), store.Condition{})
	t.wantKind("UpdateMetadata of an absent object", err, store.NotFound)
	v := t.put("k", store.Bytes("x"), store.PutOptions{}).Version
	if err := t.Store.Delete(t.ctx, "k", store.Condition{}); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	_, err = u.UpdateMetadata(t.ctx, "k", fullAttrs(), store.IfMatch(v))
	t.wantKind("conditional UpdateMetadata of an absent object", err, store.NotFound, store.Precondition)
	t.wantAbsent("k")
	t.wantKeys()
}
