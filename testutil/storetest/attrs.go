package storetest

import (
	"bytes"
	"compress/gzip"
	"maps"
	"strings"

	"github.com/crossfade-io/crossfade/store"
)

// fullAttrs sets every attribute, with metadata that no cloud holds as it is.
func fullAttrs() store.Attrs {
	return store.Attrs{
		ContentType:        `text/html; charset="utf-8"`,
		CacheControl:       "public, max-age=3600, stale-while-revalidate=60",
		ContentDisposition: `attachment; filename="a b.html"`,
		ContentLanguage:    "de, en-GB",
		Metadata:           map[string]string{"plain": "value", "crossfade": `v=1,"x"={y}`},
	}
}

func attrsCases() []testCase {
	round := func(a store.Attrs) func(*T) { return func(t *T) { attrsRound(t, a) } }
	meta := func(kv ...string) func(*T) {
		a := store.Attrs{ContentType: "text/plain", Metadata: map[string]string{}}
		for i := 0; i < len(kv); i += 2 {
			a.Metadata[kv[i]] = kv[i+1]
		}
		return round(a)
	}
	return []testCase{
		{"Attrs/Full", round(fullAttrs())},
		{"Attrs/ContentTypeOnly", round(store.Attrs{ContentType: "image/png"})},
		{"Attrs/CacheControlOnly", round(store.Attrs{ContentType: "a/b", CacheControl: "no-store"})},
		{"Attrs/ContentEncodingOther", round(store.Attrs{ContentType: "a/b", ContentEncoding: "br"})},
		{"Attrs/DispositionOnly", round(store.Attrs{ContentType: "a/b", ContentDisposition: "inline"})},
		{"Attrs/LanguageOnly", round(store.Attrs{ContentType: "a/b", ContentLanguage: "fr"})},
		{"Attrs/EmptyContentType", attrsEmptyType},
		{"Attrs/MetadataNonASCII", meta("name", "Zürich – 東京 😀", "other", "naïve café")},
		{"Attrs/MetadataEncodedLookalikes", meta("a", "=?UTF-8?B?eA==?=", "b", "100%25 %zz", "c", "=?x", "d", "%41")},
		{"Attrs/MetadataPunctuation", meta("a", `"quoted", semi;colon=\back, {json:[1,2]}`, "b", "a,b , c")},
		{"Attrs/MetadataSpaces", meta("a", "in  the   middle", "b", "tab\tinside")},
		{"Attrs/MetadataOuterSpaces", meta("a", " leading and trailing ")},
		{"Attrs/MetadataEmptyValue", meta("a", "", "b", "x")},
		{"Attrs/MetadataLineBreaks", meta("a", "one\r\ntwo: three")},
		{"Attrs/MetadataNames", meta("a-b", "1", "a_b", "2", "a.b", "3", "1digit", "4", "UPPER", "5", "MixedCase", "6", "x-amz-meta-x", "7", "class", "8")},
		{"Attrs/MetadataNonASCIIName", meta("größe", "x", "plain", "y")},
		{"Attrs/MetadataNameOnlyInCase", attrsCaseTwins},
		{"Attrs/MetadataTooLarge", attrsTooLarge},
		{"Attrs/ReplacedWholly", attrsReplaced},
		{"Attrs/Gzip", attrsGzip},
	}
}

func attrsRound(t *T, a store.Attrs) {
	for _, x := range []struct {
		key  string
		size int64
	}{{"small.bin", t.small()}, {"large.bin", t.MultipartSize}} {
		body := t.body(x.size)
		t.put(x.key, store.Bytes(body), store.PutOptions{Attrs: a})
		h := t.wantObject(x.key, body)
		if d := attrsDiffer(h.Attrs, a); d != "" {
			t.Errorf("%s: carried wrongly: %s", x.key, d)
		}
		for name := range h.Metadata {
			if lower := strings.ToLower(name); t.FoldsMetadataCase && name != lower {
				t.Errorf("%s: metadata name %q is not in lower case", x.key, name)
			}
		}
		if !t.FoldsMetadataCase && len(a.Metadata) > 0 && !maps.Equal(h.Metadata, a.Metadata) {
			t.Errorf("%s: metadata %s, want %s", x.key, sketchMap(h.Metadata), sketchMap(a.Metadata))
		}
	}
}

// attrsEmptyType wants no guess from the bytes or the name: a copy must not
// invent a type that the source does not have.
func attrsEmptyType(t *T) {
	t.put("page.html", store.Bytes("<!DOCTYPE html><html><body>hello</body></html>"), store.PutOptions{})
	switch ct := t.head("page.html").ContentType; ct {
	case "", "application/octet-stream", "binary/octet-stream":
	default:
		t.Errorf("an object without a content type got %q", ct)
	}
}

func attrsCaseTwins(t *T) {
	a := store.Attrs{ContentType: "a/b", Metadata: map[string]string{"twin": "1", "Twin": "2"}}
	_, err := t.Store.Put(t.ctx, "k", store.Bytes("x"), store.PutOptions{Attrs: a})
	if err != nil {
		t.wantKind("Put with names that differ only in case", err, store.Invalid)
		t.wantKeys()
		return
	}
	if got := t.head("k").Metadata; !maps.Equal(got, a.Metadata) {
		t.Errorf("metadata %s became %s without an error", sketchMap(a.Metadata), sketchMap(got))
	}
}

// attrsTooLarge: what a store cannot hold it refuses and keeps the old object.
func attrsTooLarge(t *T) {
	old := t.put("k", store.Bytes("old"), store.PutOptions{Attrs: fullAttrs()})
	a := store.Attrs{ContentType: "a/b", Metadata: map[string]string{"big": strings.Repeat("0123456789abcdef", 4096)}}
	var err error
	for range 10 {
		// A server that has read enough of the headers may close the connection
		// before the client has written all, and its answer is then lost.
		if _, err = t.Store.Put(t.ctx, "k", store.Bytes("new"), store.PutOptions{Attrs: a}); store.KindOf(err) != store.Unavailable {
			break
		}
	}
	if err == nil {
		if h := t.wantObject("k", []byte("new")); !maps.Equal(h.Metadata, a.Metadata) {
			t.Errorf("64 KiB of metadata were accepted, but came back as %s", sketchMap(h.Metadata))
		}
		return
	}
	t.wantKind("Put with 64 KiB of metadata", err, store.Invalid, store.TooLarge)
	if h := t.wantObject("k", []byte("old")); h.Version != old.Version {
		t.Errorf("a refused Put changed the version from %q to %q", old.Version, h.Version)
	}
}

func attrsReplaced(t *T) {
	t.put("k", store.Bytes("one"), store.PutOptions{Attrs: fullAttrs()})
	a := store.Attrs{ContentType: "text/css", Metadata: map[string]string{"other": "1"}}
	t.put("k", store.Bytes("two"), store.PutOptions{Attrs: a})
	if d := attrsDiffer(t.wantObject("k", []byte("two")).Attrs, a); d != "" {
		t.Errorf("attributes of the overwritten object stayed: %s", d)
	}
}

// attrsGzip: bytes that are stored compressed are carried compressed, whole
// and in ranges, with their own size and checksums.
func attrsGzip(t *T) {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write([]byte(strings.Repeat("crossfade ", 5000)))
	_ = w.Close()
	body := buf.Bytes()
	a := store.Attrs{ContentType: "text/plain", ContentEncoding: "gzip", CacheControl: "max-age=1"}
	sums := store.ChecksumsOf(body, store.Checksums{MD5: []byte{}})
	t.put("z", store.Bytes(body), store.PutOptions{Attrs: a, Checksums: sums})
	if d := attrsDiffer(t.wantObject("z", body).Attrs, a); d != "" {
		t.Errorf("carried wrongly: %s", d)
	}
	o, part := t.read("z", store.ReadOptions{Offset: 3, Length: 7})
	if !bytes.Equal(part, body[3:10]) || o.Size != int64(len(body)) {
		t.Errorf("range 3+7 of compressed bytes is %s of %d, want %s of %d", sketch(part), o.Size, sketch(body[3:10]), len(body))
	}
	t.put("big", Synthetic{Seed: 1, Length: t.MultipartSize}, store.PutOptions{Attrs: a})
	t.wantObject("big", Synthetic{Seed: 1, Length: t.MultipartSize}.Bytes())
}
