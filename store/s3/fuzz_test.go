package s3

import (
	"bytes"
	"encoding/xml"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/crossfade-io/crossfade/store"
)

// FuzzMetadata: what others wrote is read without harm and always alike; what
// the driver writes comes back, through headers that cannot be broken out of.
func FuzzMetadata(f *testing.F) {
	for _, s := range [][4]string{
		{"name", "value", "Name", "=?UTF-8?B?w7w=?="},
		{"a b", "=?UTF-8?Q?=C3=BC?= =?ISO-8859-1?Q?=FC?=", "crossfade-name-6120", "x"},
		{"crossfade", "v1 from=s3://b/ key=0123456789abcdef", "crossfade-name-63726f737366616465", "forged"},
		{"x\r\ny", "a\r\nx-amz-acl: public-read", "=?", "=?utf-8?b?!?="},
		{"\u212a", "  two  blanks ", "k", "\x00"},
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
		headers, err := encodeMetadata(theirs)
		if err != nil {
			return
		}
		for name, value := range headers {
			if !isToken(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) || strings.TrimSpace(value) != value {
				t.Fatalf("header %q: %q", name, value)
			}
		}
		if back := decodeMetadata(headers); !maps.Equal(back, lowered(theirs)) {
			t.Fatalf("%q comes back as %q, by way of %q", theirs, back, headers)
		}
	})
}

// FuzzHeaders: whatever a server answers, checksums have their length, ranges
// their total, and a version is taken apart into what it was made of.
func FuzzHeaders(f *testing.F) {
	f.Add(`"d41d8cd98f00b204e9800998ecf8427e"`, "v1", "bytes 0-1/2", "AAAAAA==", "FULL_OBJECT", "120")
	f.Add("x", "", "", "", "", "9223372036854775807")
	f.Add(`"x-3"`, "null", "bytes */*", "AAAA", "COMPOSITE", "-1")
	f.Add(`W/"@"`, "@", "/9223372036854775808", "====", "", "Fri, 31 Dec 1999 23:59:59 GMT")
	f.Fuzz(func(t *testing.T, etag, id, contentRange, sum, kind, after string) {
		c := checksums(sums{&etag, &sum, &sum, types.ChecksumType(kind), "", nil})
		for _, x := range []struct {
			sum []byte
			n   int
		}{{c.CRC32C, 4}, {c.CRC64NVME, 8}, {c.MD5, 16}} {
			if x.sum != nil && len(x.sum) != x.n {
				t.Errorf("a checksum of %d bytes", len(x.sum))
			}
		}
		if total, err := rangeTotal(contentRange); err == nil && !strings.Contains(contentRange, "/") {
			t.Errorf("%q has the total %d", contentRange, total)
		}
		if retryAfter(http.Header{"Retry-After": {after}}) < 0 {
			t.Errorf("retry after %q", after)
		}
		bare := strings.Trim(etag, `"`)
		if strings.Contains(bare, "@") {
			return // no ETag has one
		}
		tag, back := split(version(&etag, aws.String(id)))
		if tag != bare || back != id {
			t.Errorf("%q and %q come back as %q and %q", bare, id, tag, back)
		}
		if v := version(&etag, nil); v != "" && (v.Covers("") || !v.Covers(store.Version(bare))) {
			t.Errorf("%q does not cover itself", v)
		}
	})
}

// FuzzLegible: of an error document with keys that XML cannot hold the code is
// read all the same, and one that XML can hold is left alone.
func FuzzLegible(f *testing.F) {
	f.Add("NoSuchKey", "a&#x0;b&#31;c&#65535;")
	f.Add("NoSuchBucket", "&#x1F600;&#10;&#xD;&amp;")
	f.Add("X", "&#x0000000008;&#8;&#xFFFE;&#0;")
	f.Fuzz(func(t *testing.T, code, key string) {
		doc := func(key string) []byte {
			return []byte("<Error><Code>c" + code + "</Code><Key>" + key + "</Key></Error>")
		}
		var before, after struct{ Code, Key string }
		raw := doc(key)
		errBefore := xml.Unmarshal(raw, &before)
		cleaned := illegible.ReplaceAll(raw, []byte("\uFFFD"))
		errAfter := xml.Unmarshal(cleaned, &after)
		if errBefore == nil && (errAfter != nil || before != after || !bytes.Equal(raw, cleaned)) {
			t.Errorf("%q was legible, and is now %q, %v", raw, cleaned, errAfter)
		}
		// Each character by its number, as servers write them.
		var b strings.Builder
		if !utf8.ValidString(key) {
			return
		}
		for _, r := range key {
			b.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		}
		after.Code = ""
		if err := xml.Unmarshal(illegible.ReplaceAll([]byte("<Error><Code>c</Code><Key>"+b.String()+"</Key></Error>"), []byte("\uFFFD")), &after); err != nil || after.Code != "c" {
			t.Errorf("key %q: %v", key, err)
		}
	})
}
