package storetest

import (
	"bytes"
	"fmt"

	"github.com/crossfade-io/crossfade/store"
)

func rangeCases() []testCase {
	return []testCase{
		{"Range/Small", func(t *T) { ranges(t, t.body(1000)) }},
		{"Range/Large", func(t *T) { ranges(t, t.body(t.MultipartSize+1)) }},
		{"Range/Pinned", rangePinned},
		{"Range/PastTheEnd", rangePastEnd},
	}
}

func ranges(t *T, body []byte) {
	n := int64(len(body))
	put := t.put("k", store.Bytes(body), store.PutOptions{})
	for _, r := range [][2]int64{
		{0, 1},
		{0, 10},
		{0, n},
		{0, 0},
		{1, 0},
		{1, 1},
		{n / 2, 100},
		{n / 3, n / 3},
		{n - 1, 1},
		{n - 1, 0},
		{n - 10, 10},
		{n - 10, 100},
		{0, n + 1},
		{t.rng.Int64N(n), 0},
	} {
		want := body[r[0]:]
		if r[1] > 0 && r[1] < int64(len(want)) {
			want = want[:r[1]]
		}
		o, got := t.read("k", store.ReadOptions{Offset: r[0], Length: r[1]})
		if !bytes.Equal(got, want) {
			t.Errorf("range %d+%d of %d bytes is %s, want %s", r[0], r[1], n, sketch(got), sketch(want))
		}
		if o.Size != n || o.Version != put.Version {
			t.Errorf("range %d+%d tells size %d and version %q, want those of the whole object: %d and %q", r[0], r[1], o.Size, o.Version, n, put.Version)
		}
	}
}

func rangePinned(t *T) {
	body := t.body(1000)
	v := t.put("k", store.Bytes(body), store.PutOptions{Attrs: fullAttrs()}).Version
	o, got := t.read("k", store.ReadOptions{Version: v, Offset: 100, Length: 50})
	if !bytes.Equal(got, body[100:150]) || o.Version != v {
		t.Errorf("pinned range is %s of version %q, want %s of %q", sketch(got), o.Version, sketch(body[100:150]), v)
	}
	if d := attrsDiffer(o.Attrs, fullAttrs()); d != "" {
		t.Errorf("a range lost %s", d)
	}
}

// rangePastEnd: no byte, and no error that would mean something else.
func rangePastEnd(t *T) {
	t.put("k", store.Bytes("0123456789"), store.PutOptions{})
	t.put("empty", store.Bytes(nil), store.PutOptions{})
	for _, x := range []struct {
		key string
		store.ReadOptions
	}{
		{"k", store.ReadOptions{Offset: 10}},
		{"k", store.ReadOptions{Offset: 10, Length: 5}},
		{"k", store.ReadOptions{Offset: 1000, Length: 5}},
		{"empty", store.ReadOptions{Length: 5}},
		{"empty", store.ReadOptions{Offset: 1}},
	} {
		_, got, err := t.tryRead(x.key, x.ReadOptions)
		what := fmt.Sprintf("reading %s from %d, past the end", x.key, x.Offset)
		if err != nil {
			t.wantKind(what, err, store.Invalid)
		}
		if len(got) > 0 {
			t.Errorf("%s yields %s", what, sketch(got))
		}
	}
}
