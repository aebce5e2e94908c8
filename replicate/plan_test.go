package replicate

import (
	"maps"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

var testEnds = Ends{Source: "s3://src/", Target: "gs://dst/"}

func object(key, body string, version store.Version) *store.Object {
	return &store.Object{
		Key: key, Size: int64(len(body)), Version: version, ModTime: time.Unix(1_700_000_000, 0),
		Attrs:     store.Attrs{ContentType: "text/plain", Metadata: map[string]string{"a": "b"}},
		Checksums: store.ChecksumsOf([]byte(body), store.Checksums{}),
	}
}

// copyOf is what a Sync leaves on the target for src.
func copyOf(from string, src *store.Object) *store.Object {
	dst := *src
	dst.Version = "target-1"
	dst.Attrs = carried(src.Attrs, newStamp(from, src, src.Checksums))
	return &dst
}

func with(o *store.Object, change func(*store.Object)) *store.Object {
	c := *o
	c.Metadata = maps.Clone(o.Metadata)
	change(&c)
	return &c
}

func TestPlan(t *testing.T) {
	t.Parallel()
	src := object("k", "hello", "v1")
	ours := copyOf(testEnds.Source, src)
	foreign := object("k", "other", "target-1")
	equalForeign := with(src, func(o *store.Object) { o.Version = "target-1" })
	older := copyOf(testEnds.Source, object("k", "old content", "v0"))
	noSums := func(o *store.Object) { o.Checksums = store.Checksums{} }
	// Each row gives the action under keep, adopt and overwrite, first with
	// deletes permitted, then not.
	same := func(a Action) [6]Action { return [6]Action{a, a, a, a, a, a} }
	for _, row := range []struct {
		name     string
		src, dst *store.Object
		want     [6]Action
	}{
		{"on neither side", nil, nil, same(Skip)},
		{"new", src, nil, same(Copy)},
		{"up to date", src, ours, same(Skip)},
		{"up to date, target tells no checksums", src, with(ours, noSums), same(Skip)},
		{"up to date, nobody knows checksums", with(src, noSums), copyOf(testEnds.Source, with(src, noSums)), same(Skip)},
		{
			"up to date, content type filled in by the cloud", with(src, func(o *store.Object) { o.ContentType = "" }),
			with(copyOf(testEnds.Source, with(src, func(o *store.Object) { o.ContentType = "" })), func(o *store.Object) { o.ContentType = "binary/octet-stream" }), same(Skip),
		},
		{"up to date, stamp's name in another case", src, with(ours, func(o *store.Object) {
			o.Metadata["Crossfade"] = o.Metadata[StampName]
			delete(o.Metadata, StampName)
		}), same(Skip)},
		{"changed", src, older, same(Copy)},
		{"same size, other bytes", object("k", "HELLO", "v2"), ours, same(Copy)},
		{"same bytes, other version", with(src, func(o *store.Object) { o.Version = "v2" }), ours, same(UpdateMetadata)},
		{"same bytes, other attributes, recurring version", with(src, func(o *store.Object) { o.Metadata["a"] = "c" }), ours, same(UpdateMetadata)},
		{"same bytes and version, written anew", with(src, func(o *store.Object) { o.ModTime = o.ModTime.Add(time.Second) }), ours, same(UpdateMetadata)},
		{"other version, equality not provable", with(src, func(o *store.Object) { o.Version = "v2"; noSums(o) }), ours, same(Copy)},
		{"both empty, other version", object("k", "", "v2"), copyOf(testEnds.Source, object("k", "", "v1")), same(UpdateMetadata)},
		{"foreign", src, foreign, [6]Action{Conflict, Conflict, Copy, Conflict, Conflict, Copy}},
		{"foreign, equal", src, equalForeign, [6]Action{Skip, UpdateMetadata, UpdateMetadata, Skip, UpdateMetadata, UpdateMetadata}},
		{
			"foreign, equal bytes, other attributes", src, with(equalForeign, func(o *store.Object) { o.CacheControl = "no-store" }),
			[6]Action{Conflict, UpdateMetadata, UpdateMetadata, Conflict, UpdateMetadata, UpdateMetadata},
		},
		{"foreign, same size, equality not provable", src, with(equalForeign, noSums), [6]Action{Conflict, Conflict, Copy, Conflict, Conflict, Copy}},
		{"foreign: another migration's, equal", src, copyOf("s3://elsewhere/", src), [6]Action{Skip, UpdateMetadata, UpdateMetadata, Skip, UpdateMetadata, UpdateMetadata}},
		{"foreign: another migration's, other bytes", object("k", "newer", "v2"), copyOf("s3://elsewhere/", src), [6]Action{Conflict, Conflict, Copy, Conflict, Conflict, Copy}},
		{
			"foreign: stamp copied along from another key", src, with(copyOf(testEnds.Source, object("other", "bytes", "v1")), func(o *store.Object) { o.Key = "k" }),
			[6]Action{Conflict, Conflict, Copy, Conflict, Conflict, Copy},
		},
		{"foreign: bytes changed after stamping", src, with(ours, func(o *store.Object) { o.Checksums = foreign.Checksums }), [6]Action{Conflict, Conflict, Copy, Conflict, Conflict, Copy}},
		{"foreign: size changed after stamping", src, with(ours, func(o *store.Object) { o.Size = 99; noSums(o) }), [6]Action{Conflict, Conflict, Copy, Conflict, Conflict, Copy}},
		{
			"foreign: damaged stamp", src, with(equalForeign, func(o *store.Object) { o.Metadata[StampName] = "v1 from=" }),
			[6]Action{Skip, UpdateMetadata, UpdateMetadata, Skip, UpdateMetadata, UpdateMetadata},
		},
		{"gone", nil, ours, [6]Action{Delete, Delete, Delete, Skip, Skip, Skip}},
		{"gone, older copy", nil, older, [6]Action{Delete, Delete, Delete, Skip, Skip, Skip}},
		{"gone, foreign", nil, foreign, [6]Action{Conflict, Conflict, Delete, Conflict, Conflict, Skip}},
		{"gone, another migration's", nil, copyOf("s3://elsewhere/", src), [6]Action{Conflict, Conflict, Delete, Conflict, Conflict, Skip}},
		{"echo of the target's object", copyOf(testEnds.Target, foreign), foreign, same(Skip)},
		{"echo of an object that the target deleted", copyOf(testEnds.Target, foreign), nil, same(Skip)},
		{"echo of an older state of the target's", copyOf(testEnds.Target, foreign), with(foreign, func(o *store.Object) { o.Version = "target-2" }), same(Skip)},
		{"no echo: overwritten on the source since", object("k", "newer", "v3"), copyOf(testEnds.Source, src), same(Copy)},
	} {
		for i, want := range row.want {
			policy := Policy{Deletes: i < 3, Foreign: Foreign(i % 3)}
			got := Plan(row.src, row.dst, testEnds, policy)
			if got.Action != want {
				t.Errorf("%s, %+v: %v (%s), want %v", row.name, policy, got.Action, got.Reason, want)
			}
			if got.Reason == "" {
				t.Errorf("%s: no reason", row.name)
			}
		}
	}
}

// A second Plan after the first one's action finds nothing to do.
func TestPlanIsIdempotent(t *testing.T) {
	t.Parallel()
	src := object("k", "hello", "v2")
	for _, dst := range []*store.Object{nil, copyOf(testEnds.Source, object("k", "old", "v1")), copyOf(testEnds.Source, object("k", "hello", "v1"))} {
		if d := Plan(src, dst, testEnds, Policy{}); d.Action != Copy && d.Action != UpdateMetadata {
			t.Fatalf("%v, want a copy or an update", d)
		}
	}
	if d := Plan(src, copyOf(testEnds.Source, src), testEnds, Policy{}); d.Action != Skip {
		t.Errorf("%v after the copy, want skip", d)
	}
}

func TestParseForeign(t *testing.T) {
	t.Parallel()
	for _, f := range []Foreign{KeepForeign, AdoptForeign, OverwriteForeign} {
		if got, err := ParseForeign(f.String()); err != nil || got != f {
			t.Errorf("ParseForeign(%q) = %v, %v", f, got, err)
		}
	}
	if _, err := ParseForeign("destroy"); err == nil {
		t.Error("no error for an unknown policy")
	}
}
