package azblob

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzMetadata: what others wrote is read always alike; what the driver writes
// comes back, in names and values that a header and a signature can carry.
func FuzzMetadata(f *testing.F) {
	for _, s := range [][4]string{
		{"name", "value", "Name", "=?utf-8?q?x?="},
		{"crossfade", "v1 from=s3://b/ key=0123456789abcdef", "cross_x0066_ade", "forged"},
		{"a-b", "  ", "a_x002d_b", "=?UTF-8?B?IA==?="},
		{"x\r\ny", "a\r\nx-ms-blob-public-access: container", "_x000d_", "\x00"},
		{"1", "=?", "_x0031_", "\u00fc"},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string) {
		theirs := map[string]*string{n1: &v1, n2: &v2}
		read := decodeMetadata(theirs)
		for range 8 {
			if again := decodeMetadata(theirs); !maps.Equal(read, again) {
				t.Fatalf("%q is read as %q, and then as %q", []string{n1, v1, n2, v2}, read, again)
			}
		}
		stored, err := encodeMetadata(map[string]string{n1: v1, n2: v2})
		if err != nil {
			return
		}
		for name, value := range stored {
			if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || name[0] <= '9' || strings.ContainsFunc(*value, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("stored as %q: %q", name, *value)
			}
		}
	})
}

// FuzzLocate: whatever the URL, it names a container of an account or is
// refused, and what is refused is not repeated where it may be a signature.
func FuzzLocate(f *testing.F) {
	for _, s := range []string{"az://c/p", "https://a.blob.core.windows.net/c/p?sig=hunter2", "https://.blob.x/", "az://", "https://a.z1.blob.storage.azure.net/c", "az://c?sig=hunter2&sv=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.Parse(raw)
		if err != nil {
			return
		}
		at, err := locate(u)
		if err != nil {
			if v := u.Query().Get("sig"); len(v) > 6 && strings.Contains(err.Error(), v) {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		if at.container == "" || strings.Contains(at.container, "/") || (at.endpoint == "") != (at.account == "") {
			t.Errorf("%q: %+v", raw, at)
		}
	})
}

// FuzzRetryAfter: no header makes for a wait that is negative or overflows.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"1", "-1", "9223372036854775807", "2147483647", "", "1.5"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, ms, seconds string) {
		h := http.Header{"Retry-After-Ms": {ms}, "Retry-After": {seconds}}
		if d := retryAfter(&http.Response{Header: h}); d < 0 || d > 100*365*24*time.Hour {
			t.Errorf("%q, %q: %s", ms, seconds, d)
		}
	})
}
