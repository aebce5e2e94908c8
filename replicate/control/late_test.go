package control_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

func lateOf(o *store.Object) control.Late {
	return control.Late{
		Key: o.Key, Side: control.Source, Epoch: 2, Version: o.Version, Size: o.Size, ModTime: o.ModTime,
		Kept: begun, Why: "late", Attrs: o.Attrs, Checksums: o.Checksums,
	}
}

func listed(t *testing.T, d *control.Documents) (all []control.Late) {
	t.Helper()
	for l, err := range d.LateWrites(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

func TestLateWrites(t *testing.T) {
	t.Parallel()
	ctx, side, st := t.Context(), memstore.Fresh(), memstore.Fresh()
	d := documents(t, st)
	attrs := store.Attrs{ContentType: "text/plain", Metadata: map[string]string{"n": "<é>"}}
	o, err := side.Put(ctx, "a/key", store.Bytes("written late"), store.PutOptions{Attrs: attrs})
	if err != nil {
		t.Fatal(err)
	}
	l := lateOf(o)
	for range 2 { // kept once, also where both directions come upon it
		if err := d.Keep(ctx, l, store.NewObjectContent(side, o)); err != nil {
			t.Fatal(err)
		}
	}
	all := listed(t, d)
	if len(all) != 1 || all[0].ID != control.LateID(control.Source, o.Key, o.Version) {
		t.Fatalf("%+v", all)
	}
	got := all[0]
	l.ID = got.ID
	if !got.ModTime.Equal(l.ModTime) {
		t.Errorf("modified %s, want %s", got.ModTime, l.ModTime)
	}
	got.ModTime = l.ModTime
	if !reflect.DeepEqual(got, l) {
		t.Errorf("%+v, want %+v", got, l)
	}
	// What it was before does not matter any more.
	if err := side.Delete(ctx, o.Key, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	c, err := d.LateBody(ctx, got)
	if err != nil || body(t, c) != "written late" {
		t.Fatalf("%v", err)
	}
	removed := control.Late{Key: "gone", Side: control.Source, Removed: true, Kept: begun}
	for range 2 {
		if err := d.Keep(ctx, removed, nil); err != nil {
			t.Fatal(err)
		}
	}
	if all := listed(t, d); len(all) != 2 {
		t.Errorf("%+v", all)
	}
	for _, l := range listed(t, d) {
		if err := d.Settle(ctx, l); err != nil {
			t.Fatal(err)
		}
		if err := d.Settle(ctx, l); err != nil {
			t.Errorf("settled twice: %v", err)
		}
	}
	if all := listed(t, d); len(all) != 0 || st.Bucket().Len() != 0 {
		t.Errorf("%+v and %d objects are left", all, st.Bucket().Len())
	}
}

// Nothing is listed that was not kept whole, and nothing is taken for it.
func TestLateWriteFails(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	setup := func() (*memstore.Store, *memstore.Store, *control.Documents, *store.Object) {
		side, st := memstore.Fresh(), memstore.Fresh()
		o, err := side.Put(ctx, "k", store.Bytes("body"), store.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return side, st, documents(t, st), o
	}
	side, _, d, o := setup()
	if _, err := side.Put(ctx, "k", store.Bytes("next"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := d.Keep(ctx, lateOf(o), store.NewObjectContent(side, o)); err == nil || len(listed(t, d)) != 0 {
		t.Errorf("overwritten meanwhile: %v, %+v", err, listed(t, d))
	}
	side, _, d, o = setup()
	wrong := lateOf(o)
	wrong.Checksums = store.ChecksumsOf([]byte("ydob"), store.Checksums{})
	if err := d.Keep(ctx, wrong, store.NewObjectContent(side, o)); store.KindOf(err) != store.Corrupt || len(listed(t, d)) != 0 {
		t.Errorf("other bytes: %v, %+v", err, listed(t, d))
	}
	side, st, d, o := setup()
	st.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "put" && strings.HasSuffix(op.Key, ".json") {
			return errors.New("no")
		}
		return nil
	})
	if err := d.Keep(ctx, lateOf(o), store.NewObjectContent(side, o)); err == nil {
		t.Error("no entry, and no error")
	}
	st.SetIntercept(nil)
	if err := d.Keep(ctx, lateOf(o), store.NewObjectContent(side, o)); err != nil || len(listed(t, d)) != 1 {
		t.Errorf("kept again: %v, %+v", err, listed(t, d))
	}
	l := listed(t, d)[0]
	l.Size++
	if _, err := d.LateBody(ctx, l); store.KindOf(err) != store.Corrupt {
		t.Errorf("a body of another size: %v", err)
	}
	for _, id := range []string{"", "../state", "none"} {
		if _, err := d.LateWrite(ctx, id); err == nil {
			t.Errorf("read %q", id)
		}
	}
	if _, err := st.Put(ctx, control.Prefix("photos")+"late/"+l.ID+".json", store.Bytes(`{"id":"other"}`), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.LateWrite(ctx, l.ID); store.KindOf(err) != store.Invalid {
		t.Errorf("another's entry: %v", err)
	}
}

func FuzzLateWrite(f *testing.F) {
	f.Add([]byte(`{"id":"x","key":"k","side":"source","size":3,"attrs":{"Metadata":{"a":"b"}}}`), "k")
	f.Add([]byte(`{`), "a/é\x01\u2028")
	f.Fuzz(func(t *testing.T, b []byte, key string) {
		st := memstore.Fresh()
		d := documents(t, st)
		if _, err := st.Put(t.Context(), control.Prefix("photos")+"late/x.json", store.Bytes(b), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if l, err := d.LateWrite(t.Context(), "x"); err == nil && (l.ID != "x" || l.Key == "") {
			t.Fatalf("%+v", l)
		}
		if !bytes.Equal([]byte(key), bytes.ToValidUTF8([]byte(key), nil)) || key == "" {
			return
		}
		l := control.Late{Key: key, Side: control.Target, Removed: true}
		if err := d.Keep(t.Context(), l, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := d.LateWrite(t.Context(), control.LateID(l.Side, l.Key, "")); err != nil || got.Key != key {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte(`{"keys":["a","b"]}`), "a\u2028<>&\x00")
	f.Fuzz(func(t *testing.T, b []byte, key string) {
		st := memstore.Fresh()
		d := documents(t, st)
		if _, err := st.Put(t.Context(), "e", store.Bytes(b), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Keys(t.Context(), "e"); err != nil && store.KindOf(err) != store.Invalid {
			t.Fatal(err)
		}
		if !bytes.Equal([]byte(key), bytes.ToValidUTF8([]byte(key), nil)) {
			return
		}
		if err := d.Record(t.Context(), "run", []string{key}, begun); err != nil {
			t.Fatal(err)
		}
		for name, err := range d.Entries(t.Context(), "run", begun) {
			if err != nil {
				t.Fatal(err)
			}
			if keys, err := d.Keys(t.Context(), name); err != nil || len(keys) != 1 || keys[0] != key {
				t.Fatalf("%q, %v", keys, err)
			}
		}
	})
}
