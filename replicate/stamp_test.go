package replicate

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/store"
)

func drawStamp(t *rapid.T) Stamp {
	s := Stamp{
		From:    rapid.StringN(1, 80, -1).Draw(t, "from"),
		KeyHash: keyHash(rapid.String().Draw(t, "key")),
		Version: store.Version(rapid.StringN(1, 60, -1).Draw(t, "version")),
		ModTime: time.UnixMilli(rapid.Int64Range(-1<<40, 1<<42).Draw(t, "time")).UTC(),
		Size:    rapid.Int64Min(0).Draw(t, "size"),
		Attrs:   attrsDigest(store.Attrs{ContentType: rapid.String().Draw(t, "type")}),
		Created: rapid.Bool().Draw(t, "created"),
	}
	bytesN := func(n int) []byte { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "sum") }
	switch rapid.IntRange(0, 3).Draw(t, "checksum") {
	case 0:
		s.Sums.CRC32C = bytesN(4)
	case 1:
		s.Sums.MD5 = bytesN(16)
	case 2:
		s.Sums.CRC64NVME = bytesN(8)
	}
	return s
}

func TestStampRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawStamp(t)
		text := s.String()
		for _, c := range []byte(text) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q is not plain ASCII, which metadata has to be", text)
			}
		}
		got, err := ParseStamp(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if !reflect.DeepEqual(got, s) {
			t.Fatalf("%q reads as %+v, want %+v", text, got, s)
		}
		// A later version may add fields.
		if later, err := ParseStamp(text + " epoch=7"); err != nil || !reflect.DeepEqual(later, s) {
			t.Fatalf("with an unknown field: %+v, %v", later, err)
		}
	})
}

// S3 allows 2 KB of user metadata: the stamp must leave most of it.
func TestStampIsShort(t *testing.T) {
	t.Parallel()
	src := object(strings.Repeat("k", 1024), "body", store.Version(strings.Repeat("e", 40)+"@"+strings.Repeat("v", 32)))
	if n := len(newStamp("s3://"+strings.Repeat("b", 63)+"/", src, src.Checksums).String()); n > 350 {
		t.Errorf("%d bytes", n)
	}
}

func TestParseStampRefuses(t *testing.T) {
	t.Parallel()
	good := newStamp("s3://b/", object("k", "x", "v"), store.Checksums{CRC32C: []byte{1, 2, 3, 4}}).String()
	if _, err := ParseStamp(good); err != nil {
		t.Fatal(err)
	}
	replaced := func(old, repl string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in %q", old, good)
		}
		return strings.Replace(good, old, repl, 1)
	}
	for _, bad := range []string{
		"", " ", "v2", replaced("v1 ", "v2 "), replaced("from=s3://b/", "from="), replaced("size=1", "size=-1"),
		replaced("size=1", "size=x"), replaced("crc32c=01020304", "crc32c=0102"), replaced("crc32c=01020304", "crc32c=zz"),
		good + " size=2", good + " nonsense", replaced("time=17", "time=q"), replaced("ver=v", "ver=%zz"),
	} {
		if s, err := ParseStamp(bad); err == nil {
			t.Errorf("%q reads as %+v", bad, s)
		}
	}
}

func FuzzParseStamp(f *testing.F) {
	f.Add(newStamp("s3://b/p/", object("k", "x", "e@v"), store.Checksums{MD5: make([]byte, 16)}).String())
	f.Add("v1 from=%00 key=0123456789abcdef ver=%25 time=-1 size=0 attrs=0123456789abcdef")
	f.Add("v1 = == a=b a=c")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseStamp(text)
		if err != nil {
			return
		}
		again, err := ParseStamp(s.String())
		if err != nil || again.From != s.From || again.Version != s.Version || again.Size != s.Size {
			t.Errorf("%q reads as %+v, and written again as %+v, %v", text, s, again, err)
		}
	})
}

func TestSameAttrs(t *testing.T) {
	t.Parallel()
	base := store.Attrs{ContentType: "text/html", CacheControl: "a", Metadata: map[string]string{"Name": "v"}}
	for _, row := range []struct {
		name string
		b    store.Attrs
		want bool
	}{
		{"case of names", store.Attrs{ContentType: "text/html", CacheControl: "a", Metadata: map[string]string{"name": "v"}}, true},
		{"stamp", store.Attrs{ContentType: "text/html", CacheControl: "a", Metadata: map[string]string{"name": "v", "crossfade": "x"}}, true},
		{"value", store.Attrs{ContentType: "text/html", CacheControl: "a", Metadata: map[string]string{"name": "V"}}, false},
		{"moved to another field", store.Attrs{ContentType: "text/html", ContentEncoding: "a", Metadata: map[string]string{"name": "v"}}, false},
		{"extra entry", store.Attrs{ContentType: "text/html", CacheControl: "a", Metadata: map[string]string{"name": "v", "x": ""}}, false},
		{"content type", store.Attrs{ContentType: "", CacheControl: "a", Metadata: map[string]string{"name": "v"}}, false},
	} {
		if got := SameAttrs(base, row.b); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
	if !SameAttrs(store.Attrs{ContentType: "application/octet-stream"}, store.Attrs{}) {
		t.Error("the clouds' default content type counts as a difference")
	}
}

func TestRecent(t *testing.T) {
	t.Parallel()
	r := newRecent(3)
	for _, k := range []string{"a", "b", "a", "c"} {
		r.add(k)
	}
	r.add("d") // pushes a out
	for k, want := range map[string]bool{"a": false, "b": true, "c": true, "d": true} {
		if r.has(k) != want {
			t.Errorf("%s: %v", k, !want)
		}
	}
	r.remove("b")
	r.add("e") // takes b's place, next in turn
	for k, want := range map[string]bool{"b": false, "c": true, "d": true, "e": true} {
		if r.has(k) != want {
			t.Errorf("%s: %v", k, !want)
		}
	}
}
