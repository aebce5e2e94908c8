package gcs

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/store"
)

// FuzzMetadata: what others wrote is read always alike; what the driver writes
// comes back, in names and values that no header can be broken out of.
func FuzzMetadata(f *testing.F) {
	for _, s := range [][4]string{
		{"name", "value", "Name", "=?utf-8?b?w7w=?="},
		{"a b", " x ", "a%20b", "=?UTF-8?B?IHgg?="},
		{"crossfade", "v1 from=s3://b/ key=0123456789abcdef", "CROSSFADE", "forged"},
		{"crossfade", "v1", "%63rossfade", "forged"},
		{"x\r\ny", "a\r\nX-Goog-Acl: public-read", "%", "=?utf-8?b??="},
		{"\u212a", "\x00", "k", "\xff"},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string) {
		theirs := map[string]string{n1: v1, n2: v2}
		read := decodeMetadata(theirs)
		for range 8 {
			if again := decodeMetadata(theirs); !maps.Equal(read, again) {
				t.Fatalf("%q is read as %q, and then as %q", theirs, read, again)
			}
		}
		stored, err := encodeMetadata(theirs)
		if err != nil {
			return
		}
		want := map[string]string{}
		for name, value := range theirs {
			want[foldName(name)] = value
		}
		for name, value := range stored {
			if strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf || !isToken(byte(r)) }) || strings.ContainsFunc(value, isControl) {
				t.Fatalf("stored as %q: %q", name, value)
			}
		}
		if back := decodeMetadata(stored); !maps.Equal(back, want) {
			t.Fatalf("%q comes back as %q, by way of %q", theirs, back, stored)
		}
	})
}

// FuzzHeaders: whatever a server answers to a read, an object has a version, a
// time and sums of the right length, or it is refused.
func FuzzHeaders(f *testing.F) {
	f.Add("17", "1", "Fri, 31 Dec 1999 23:59:59 GMT", "5", "bytes 0-1/2", "crc32c=AAAAAA==,md5=x", "Name", "v")
	f.Add("9223372036854775808", "-1", "", "", "bytes */*", "crc32c", "", "\u00fc")
	f.Add("-5", "", "Fri, 31 Dec 1999 23:59:59 GMT", "-1", "", "md5=1B2M2Y8AsgTpgAmY7PhCfg==", "crossfade", "v1 from=x")
	f.Fuzz(func(t *testing.T, generation, meta, modified, size, contentRange, sums, name, value string) {
		h := http.Header{
			"X-Goog-Generation": {generation}, "X-Goog-Metageneration": {meta}, "Last-Modified": {modified},
			"X-Goog-Stored-Content-Length": {size}, "Content-Range": {contentRange}, "X-Goog-Hash": {sums}, "X-Goog-Meta-" + name: {value},
		}
		o, exact, err := headerObject("k", h)
		if err != nil {
			return
		}
		if o.Version == "" || o.ModTime.IsZero() && modified == "" || o.Checksums.CRC32C != nil && len(o.Checksums.CRC32C) != 4 || o.Checksums.MD5 != nil && len(o.Checksums.MD5) != 16 {
			t.Errorf("%+v", o)
		}
		if exact && len(o.Metadata) != 1 {
			t.Errorf("metadata %q", o.Metadata)
		}
		if again, _, _ := headerObject("k", h); !maps.Equal(o.Metadata, again.Metadata) || again.Version != o.Version {
			t.Errorf("%+v, and then %+v", o, again)
		}
	})
}

// FuzzVersion: a version that a request is bound to is written back as it was,
// and what is none of this store's binds nothing.
func FuzzVersion(f *testing.F) {
	for _, s := range []string{"17.1", "17", ".", "0.0", "-1.1", "9223372036854775808.1", "17.1.1", "+17.1", "017.1", " 17.1", "etag@v"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		conds, ok := conditions(store.Version(text))
		if !ok {
			return
		}
		if conds.GenerationMatch <= 0 || conds.MetagenerationMatch <= 0 {
			t.Errorf("%q binds to %+v", text, conds)
		}
		again, ok := conditions(versionOf(conds.GenerationMatch, conds.MetagenerationMatch))
		if !ok || again != conds {
			t.Errorf("%q: %+v, and then %+v", text, conds, again)
		}
	})
}

// FuzzXMLError: no document is taken for another's absence.
func FuzzXMLError(f *testing.F) {
	f.Add([]byte("<Error><Code>NoSuchKey</Code><Message>m</Message></Error>"))
	f.Add([]byte("<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e 'NoSuchKey'>]><Error><Code>&e;</Code></Error>"))
	f.Add([]byte(strings.Repeat("<Error>", 2000)))
	f.Fuzz(func(t *testing.T, body []byte) {
		if code, _ := parseXMLError(body); code == "NoSuchKey" && !strings.Contains(string(body), "Error") {
			t.Errorf("%q says %s", body, code)
		}
	})
}
