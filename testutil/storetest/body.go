package storetest

import (
	"fmt"
	"slices"

	"github.com/crossfade-io/crossfade/store"
)

func bodyCases(h Harness) []testCase {
	cases := []testCase{{"Body/Empty", bodyEmpty}, {"Body/AllByteValues", bodyAllValues}}
	const kib = 1 << 10
	sizes := append([]int64{
		1, 2, 3, kib - 1, kib, kib + 1, 64*kib - 1, 64 * kib, 64*kib + 1, 256*kib + 1, 1024*kib - 1, 1024*kib + 1,
		h.MultipartSize - 1, h.MultipartSize, h.MultipartSize + 1, h.MultipartSize + 12_345,
	}, h.Sizes...)
	slices.Sort(sizes)
	for _, n := range slices.Compact(sizes) {
		cases = append(cases, testCase{fmt.Sprintf("Body/Size%d", n), func(t *T) { bodySize(t, n) }})
	}
	return cases
}

func bodyEmpty(t *T) {
	for i, c := range []store.Content{store.Bytes(nil), store.Bytes{}, Synthetic{}} {
		key := fmt.Sprintf("empty%d", i)
		t.put(key, c, store.PutOptions{Attrs: fullAttrs()})
		h := t.wantObject(key, nil)
		if d := attrsDiffer(h.Attrs, fullAttrs()); d != "" {
			t.Errorf("an empty object lost %s", d)
		}
	}
	t.wantKeys("empty0", "empty1", "empty2")
}

func bodyAllValues(t *T) {
	var b []byte
	for i := range 256 {
		b = append(b, byte(i), '\r', '\n')
	}
	b = append(b, "\r\n0;chunk-signature=00\r\n\r\n</xml>%00\x1a"...)
	t.put("k", store.Bytes(b), store.PutOptions{})
	t.wantObject("k", b)
}

// bodySize stores a body from memory and a streamed one, with every checksum
// given, and requires that each reader was closed again.
func bodySize(t *T, n int64) {
	c := Synthetic{Seed: t.rng.Uint64(), Length: n}
	body := c.Bytes()
	sums := store.ChecksumsOf(body, store.Checksums{CRC64NVME: []byte{}, MD5: []byte{}})
	t.put("memory", store.Bytes(body), store.PutOptions{Checksums: sums})
	t.wantObject("memory", body)
	f := &Faulty{Content: c}
	t.put("stream", f, store.PutOptions{Attrs: fullAttrs()})
	h := t.wantObject("stream", body)
	if d := attrsDiffer(h.Attrs, fullAttrs()); d != "" {
		t.Errorf("a body of %d bytes lost %s", n, d)
	}
	if opened, closed, _ := f.Readers(); opened != closed {
		t.Errorf("of %d readers only %d were closed when Put returned", opened, closed)
	}
	t.wantKeys("memory", "stream")
}
