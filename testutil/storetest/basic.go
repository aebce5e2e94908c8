package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/crossfade-io/crossfade/store"
)

func basicCases(h Harness) []testCase {
	return []testCase{
		{"Basic/Fresh", func(t *T) { t.wantKeys() }},
		{"Basic/PutHeadOpenListDelete", basicRound},
		{"Basic/Overwrite", basicOverwrite},
		{"Basic/ListedAsHeaded", basicListedAsHeaded},
		{"Basic/AbsentKey", basicAbsent},
		{"Basic/Check", basicCheck},
		{"Basic/CancelledContext", basicCancelled},
		{"Basic/InvalidKeys", basicInvalidKeys},
	}
}

func basicRound(t *T) {
	body := t.body(t.small())
	put := t.put("a/key", store.Bytes(body), store.PutOptions{})
	h := t.wantObject("a/key", body)
	if h.Version != put.Version {
		t.Errorf("Put returned version %q, Head tells %q", put.Version, h.Version)
	}
	t.wantKeys("a/key")
	t.wantAbsent("a")
	t.wantAbsent("a/")
	t.wantAbsent("a/ke")
	t.wantAbsent("a/key2")
	if err := t.Store.Delete(t.ctx, "a/key", store.Condition{}); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	t.wantAbsent("a/key")
	t.wantKeys()
	body = t.body(t.small())
	t.put("a/key", store.Bytes(body), store.PutOptions{})
	t.wantObject("a/key", body)
}

func basicOverwrite(t *T) {
	for _, n := range []int64{5000, 10, 0, 70_000} {
		body := t.body(n)
		t.put("k", store.Bytes(body), store.PutOptions{})
		t.wantObject("k", body)
	}
	t.wantKeys("k")
}

func basicListedAsHeaded(t *T) {
	t.put("k", store.Bytes(t.body(t.small())), store.PutOptions{Attrs: fullAttrs()})
	h := t.head("k")
	listed := t.list(store.ListOptions{})
	if len(listed) != 1 {
		t.Fatalf("List yields %d objects, want 1", len(listed))
	}
	l := listed[0]
	if l.Size != h.Size || !h.Version.Covers(l.Version) {
		t.Errorf("List tells size %d and version %q, Head %d and %q", l.Size, l.Version, h.Size, h.Version)
	}
	if !t.near(l.ModTime, h.ModTime) {
		t.Errorf("List tells modification time %v, Head %v", l.ModTime, h.ModTime)
	}
	if d := l.Checksums.Differ(h.Checksums); d != "" {
		t.Errorf("List and Head differ in %s", d)
	}
	if !l.Partial {
		if d := attrsDiffer(l.Attrs, h.Attrs); d != "" {
			t.Errorf("List and Head differ in %s", d)
		}
	}
}

func basicAbsent(t *T) {
	t.wantAbsent("nothing")
	if err := t.Store.Delete(t.ctx, "nothing", store.Condition{}); err != nil {
		t.Errorf("Delete of an absent key without a condition: %v", err)
	}
	_, err := t.Store.Open(t.ctx, "nothing", store.ReadOptions{Offset: 5, Length: 5})
	t.wantKind("Open of a range of an absent key", err, store.NotFound)
	t.put("k", store.Bytes("x"), store.PutOptions{})
	for range 2 {
		if err := t.Store.Delete(t.ctx, "k", store.Condition{}); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	t.wantAbsent("k")
}

func basicCheck(t *T) {
	c, ok := store.As[store.Checker](t.Store)
	if !ok {
		t.Fatalf("the store is no store.Checker")
	}
	if err := c.Check(t.ctx); err != nil {
		t.Errorf("Check of a good store: %v", err)
	}
	t.wantKeys() // a check leaves nothing behind
}

func basicCancelled(t *T) {
	old := t.put("k", store.Bytes("old"), store.PutOptions{})
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	complain := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v, want an error that is context.Canceled", what, err)
		}
		if store.KindOf(err) == store.NotFound {
			t.Errorf("%s with a cancelled context claims Kind not found: %v", what, err)
		}
	}
	_, err := t.Store.Head(ctx, "k")
	complain("Head", err)
	_, err = t.Store.Open(ctx, "k", store.ReadOptions{})
	complain("Open", err)
	_, err = t.Store.Put(ctx, "k", store.Bytes("new"), store.PutOptions{})
	complain("Put", err)
	_, err = t.Store.Put(ctx, "other", store.Bytes("new"), store.PutOptions{If: store.IfAbsent()})
	complain("Put", err)
	complain("Delete", t.Store.Delete(ctx, "k", store.Condition{}))
	err = nil
	for _, e := range t.Store.List(ctx, store.ListOptions{}) {
		err = e
	}
	complain("List", err)
	if h := t.wantObject("k", []byte("old")); h.Version != old.Version {
		t.Errorf("version is %q, want %q", h.Version, old.Version)
	}
	t.wantKeys("k")
}

func basicInvalidKeys(t *T) {
	long := make([]byte, 1025)
	for i := range long {
		long[i] = "abcdefg/"[i%8]
	}
	for _, key := range []string{"", string(long), "not\xffutf8"} {
		name := fmt.Sprintf("%.12q", key)
		_, err := t.Store.Put(t.ctx, key, store.Bytes("x"), store.PutOptions{})
		t.wantKind("Put of "+name, err, store.Invalid)
		_, err = t.Store.Head(t.ctx, key)
		t.wantKind("Head of "+name, err, store.Invalid, store.NotFound)
		_, err = t.Store.Open(t.ctx, key, store.ReadOptions{})
		t.wantKind("Open of "+name, err, store.Invalid, store.NotFound)
		if err = t.Store.Delete(t.ctx, key, store.Condition{}); err != nil {
			t.wantKind("Delete of "+name, err, store.Invalid, store.NotFound)
		}
	}
	t.wantKeys()
}
