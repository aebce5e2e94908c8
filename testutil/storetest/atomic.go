package storetest

import (
	"context"
	"errors"

	"github.com/crossfade-io/crossfade/store"
)

// atomicCases: whatever goes wrong with the content, the old object stands in
// its old version, or nothing does.
func atomicCases() []testCase {
	var cases []testCase
	for _, f := range []struct {
		name  string
		fault Fault
		at    func(n int64) int64
	}{
		{"FailAtOpen", FailOpen, func(n int64) int64 { return 0 }},
		{"FailAtOpenOfLastRange", FailOpen, func(n int64) int64 { return n - 1 }},
		{"FailAtStart", FailRead, func(n int64) int64 { return 0 }},
		{"FailHalfway", FailRead, func(n int64) int64 { return n / 2 }},
		{"FailAtLastByte", FailRead, func(n int64) int64 { return n - 1 }},
		{"EndAtStart", EndEarly, func(n int64) int64 { return 0 }},
		{"EndHalfway", EndEarly, func(n int64) int64 { return n / 2 }},
		{"EndBeforeLastByte", EndEarly, func(n int64) int64 { return n - 1 }},
		{"RunLong", RunLong, func(n int64) int64 { return n }},
		{"CancelHalfway", CancelRead, func(n int64) int64 { return n / 2 }},
		{"CancelUnnoticedHalfway", CancelOnly, func(n int64) int64 { return n / 2 }},
		{"CancelUnnoticedAtLastByte", CancelOnly, func(n int64) int64 { return n - 1 }},
	} {
		for _, size := range []string{"Small", "Large"} {
			cases = append(cases, testCase{"Atomic/" + f.name + size, func(t *T) {
				n := t.small()
				if size == "Large" {
					n = t.MultipartSize + 1000
				}
				atomicFault(t, f.fault, n, f.at(n))
			}})
		}
	}
	for _, size := range []string{"Empty", "Small", "Large"} {
		for i, sum := range []string{"CRC32C", "MD5", "CRC64NVME", "Size"} {
			if size == "Empty" && sum == "Size" {
				continue
			}
			cases = append(cases, testCase{"Atomic/Wrong" + sum + size, func(t *T) {
				n := map[string]int64{"Empty": 0, "Small": t.small(), "Large": t.MultipartSize + 1000}[size]
				if i == 3 {
					atomicWrongSize(t, n)
					return
				}
				atomicWrongSum(t, n, i)
			}})
		}
	}
	return cases
}

// targets runs f on an absent and on an existing object, under each condition
// that would hold, and requires that nothing changed.
func (t *T) targets(f func(what, key string, cond store.Condition)) {
	t.Helper()
	for _, x := range []struct {
		name     string
		existing bool
		cond     func(v store.Version) store.Condition
	}{
		{"absent", false, func(store.Version) store.Condition { return store.Condition{} }},
		{"absent-if-absent", false, func(store.Version) store.Condition { return store.IfAbsent() }},
		{"existing", true, func(store.Version) store.Condition { return store.Condition{} }},
		{"existing-if-match", true, store.IfMatch},
	} {
		key := "dir/" + x.name
		old := t.body(t.small())
		var v store.Version
		if x.existing {
			v = t.put(key, store.Bytes(old), store.PutOptions{Attrs: fullAttrs()}).Version
		}
		f("Put on an "+x.name+" object", key, x.cond(v))
		if !x.existing {
			t.wantAbsent(key)
			t.wantKeys()
			continue
		}
		h := t.wantObject(key, old)
		if h.Version != v {
			t.Errorf("%s: version changed from %q to %q", x.name, v, h.Version)
		}
		if d := attrsDiffer(h.Attrs, fullAttrs()); d != "" {
			t.Errorf("%s: attributes changed: %s", x.name, d)
		}
		t.wantKeys(key)
		if err := t.Store.Delete(t.ctx, key, store.IfMatch(v)); err != nil {
			t.Errorf("%s: the old version can no longer be deleted: %v", x.name, err)
		}
	}
}

func atomicFault(t *T, fault Fault, n, at int64) {
	t.targets(func(what, key string, cond store.Condition) {
		ctx, cancel := context.WithCancel(t.ctx)
		defer cancel()
		c := &Faulty{Content: Synthetic{Seed: t.rng.Uint64(), Length: n}, Fault: fault, At: at, Cancel: cancel}
		o, err := t.Store.Put(ctx, key, c, store.PutOptions{If: cond, Attrs: store.Attrs{ContentType: "text/new"}})
		if err == nil {
			t.Errorf("%s with a content that breaks at byte %d of %d succeeded: %+v", what, at, n, o)
			return
		}
		if !c.Struck() {
			t.Errorf("%s failed before the content broke: %v", what, err)
		}
		if _, ok := errors.AsType[*store.Error](err); !ok {
			t.Errorf("%s: error %v (%T) is no *store.Error", what, err, err)
		}
		switch fault {
		case FailOpen, FailRead:
			if !errors.Is(err, ErrBroken) {
				t.Errorf("%s: the error %v does not wrap the content's own", what, err)
			}
		case CancelRead, CancelOnly:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: the error %v is not context.Canceled", what, err)
			}
		}
		if k := store.KindOf(err); !k.Retryable() || k == store.Precondition {
			t.Errorf("%s: Kind %v would not be tried again: %v", what, k, err)
		}
		if opened, closed, _ := c.Readers(); opened != closed {
			t.Errorf("%s: of %d readers only %d were closed", what, opened, closed)
		}
	})
}

func atomicWrongSum(t *T, n int64, which int) {
	body := t.body(n)
	sums := store.ChecksumsOf(body, store.Checksums{CRC64NVME: []byte{}, MD5: []byte{}})
	wrong := []*[]byte{&sums.CRC32C, &sums.MD5, &sums.CRC64NVME}[which]
	(*wrong)[1] ^= 0x10
	alone := []store.Checksums{{CRC32C: *wrong}, {MD5: *wrong}, {CRC64NVME: *wrong}}[which]
	t.targets(func(what, key string, cond store.Condition) {
		for _, sums := range []store.Checksums{sums, alone} {
			c := &Faulty{Content: store.Bytes(body)} // one that the driver cannot look into
			_, err := t.Store.Put(t.ctx, key, c, store.PutOptions{If: cond, Checksums: sums})
			t.wantKind(what+" with a wrong checksum", err, store.Corrupt)
		}
		_, err := t.Store.Put(t.ctx, key, store.Bytes(body), store.PutOptions{If: cond, Checksums: alone})
		t.wantKind(what+" of bytes in memory with a wrong checksum", err, store.Corrupt)
	})
}

// atomicWrongSize: the checksums are right, for a body one byte shorter.
func atomicWrongSize(t *T, n int64) {
	body := t.body(n)
	sums := store.ChecksumsOf(body[:n-1], store.Checksums{MD5: []byte{}})
	t.targets(func(what, key string, cond store.Condition) {
		_, err := t.Store.Put(t.ctx, key, store.Bytes(body), store.PutOptions{If: cond, Checksums: sums})
		t.wantKind(what+" with the checksums of another length", err, store.Corrupt)
	})
}
