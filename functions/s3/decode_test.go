package s3_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/s3"
)

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// event is what most of the documents in testdata decode to, changed by with.
func event(typ, key string, with func(*functions.Event)) functions.Event {
	e := functions.Event{
		ID: "C3D13FE58DE4C810", Source: "aws:s3", Type: typ, Bucket: "photos", Key: key, Sequencer: "0055AED6DCD90281E5",
		Time: time.Date(2026, 11, 3, 10, 15, 30, 123e6, time.UTC),
	}
	e.Created = strings.HasPrefix(typ, "ObjectCreated:")
	e.Removed = strings.HasPrefix(typ, "ObjectRemoved:") || strings.HasPrefix(typ, "LifecycleExpiration:")
	if with != nil {
		with(&e)
	}
	return e
}

func TestDecode(t *testing.T) {
	t.Parallel()
	version := func(v string) func(*functions.Event) { return func(e *functions.Event) { e.Version = v } }
	ignored := func(why string) func(*functions.Event) { return func(e *functions.Event) { e.Ignored = why } }
	for _, c := range []struct {
		doc  string
		want functions.Event
	}{
		{"put", event("ObjectCreated:Put", "in/Happy Face.jpg", nil)},
		{"put-versioned", event("ObjectCreated:Put", "in/a.txt", version("096fKKXTRTtl3on89fVO.nfljtsv6qko"))},
		{"copy", event("ObjectCreated:Copy", "in/copy", nil)},
		{"post", event("ObjectCreated:Post", "in/post", nil)},
		{"multipart", event("ObjectCreated:CompleteMultipartUpload", "in/large.bin", nil)},
		{"delete", event("ObjectRemoved:Delete", "in/gone", nil)},
		{"delete-noncurrent", event("ObjectRemoved:Delete", "in/a.txt", version("3HL4kqtJvjVBH40Nrjfkd"))},
		{"delete-marker", event("ObjectRemoved:DeleteMarkerCreated", "in/a.txt", version("UIORUnfndfiufdisojhr398493jfdkjFJjkndnqUifhnw89493jJFJ"))},
		{"lifecycle-expiration", event("LifecycleExpiration:Delete", "in/old.log", func(e *functions.Event) { e.ID = "DA1A8F8F3ADB16C6" })},
		{"lifecycle-marker", event("LifecycleExpiration:DeleteMarkerCreated", "in/old.log", version("mrk"))},
		{"tagging", event("ObjectTagging:Put", "in/tagged", func(e *functions.Event) { e.Sequencer = "" })},
		{"restore-completed", event("ObjectRestore:Completed", "in/glacier-test.txt", version("abcdeH0Xp66ep__QDjR76LK7Gc9X4wKO"))},
		{"restore-post", event("ObjectRestore:Post", "in/glacier", ignored("nothing that is replicated"))},
		{"lifecycle-transition", event("LifecycleTransition", "in/cold", ignored("nothing that is replicated"))},
		{"acl", event("ObjectAcl:Put", "in/acl", func(e *functions.Event) { e.Sequencer, e.Ignored = "", "nothing that is replicated" })},
		{"unknown-type", event("ObjectFrobnicated:Put", "in/x", ignored("unknown event type"))},
		{"strange-fields", event("ObjectCreated:Put", "in/strange", func(e *functions.Event) { e.ID, e.Time = "R1", time.Time{} })},
		{"minio", event("ObjectCreated:Put", "in/a b/c+d.txt", func(e *functions.Event) {
			e.ID, e.Source, e.Sequencer = "17C0E3A1A0B1C2D3", "minio:s3", "17C0E3A1B2C3D4E5"
		})},
		{"ceph", event("ObjectCreated:Put", "in/rgw", func(e *functions.Event) { e.Source = "ceph:s3" })},
		{"test-event", functions.Event{Source: "aws:s3", Type: "s3:TestEvent", Ignored: "test event"}},
	} {
		t.Run(c.doc, func(t *testing.T) {
			t.Parallel()
			got := s3.Decode(golden(t, c.doc))
			if len(got) != 1 || got[0] != c.want {
				t.Errorf("decoded\n%+v, want\n%+v", got, c.want)
			}
		})
	}
}

// Every key is decoded once, and exactly.
func TestDecodeOddKeys(t *testing.T) {
	t.Parallel()
	want := []string{
		"in///x", "in/a b", "in/a+b", "in/a%2Fb", "in/😀/～", "in/line\nbreak\x00", "in/é e\u0301", `in/?#&<>"'`,
		"in/../up", "in//double//", "in/100%", `in/back\slash`, "in/" + strings.Repeat("k", 1021),
	}
	got := s3.Decode(golden(t, "odd-keys"))
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i, e := range got {
		if e.Malformed != nil || e.Key != want[i] {
			t.Errorf("key %q (%v), want %q", e.Key, e.Malformed, want[i])
		}
	}
}

// A record that cannot be understood says why, and harms no other.
func TestDecodeMalformed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		doc  string
		want []string // a part of each event's error; "" for a good one
	}{
		{"bad-keys", []string{"not form-encoded", "not form-encoded", "names no object", "not UTF-8", "1025 bytes", ""}},
		{"mixed-types", []string{"", "not a record of an S3 notification", ""}},
		{"no-bucket", []string{"names no bucket"}},
		{"version-3", []string{`"3.0" is not 2.x`}},
		{"sns-envelope", []string{"raw message delivery"}},
		{"sns-direct", []string{"SNS deliveries are not supported"}},
		{"eventbridge", []string{"EventBridge events are not supported"}},
		{"batch-operations", []string{"Batch Operations tasks are not supported"}},
		{"empty-records", []string{"no Records"}},
		{"dynamodb", []string{`"aws:dynamodb" are not supported`}},
		{"not-json", []string{"not an S3 notification"}},
		{"array", []string{"not an S3 notification"}},
	} {
		t.Run(c.doc, func(t *testing.T) {
			t.Parallel()
			got := s3.Decode(golden(t, c.doc))
			if len(got) != len(c.want) {
				t.Fatalf("%d events, want %d", len(got), len(c.want))
			}
			for i, e := range got {
				switch {
				case c.want[i] == "" && e.Malformed != nil:
					t.Errorf("record %d: %v", i, e.Malformed)
				case c.want[i] != "" && (e.Malformed == nil || !strings.Contains(e.Malformed.Error(), c.want[i])):
					t.Errorf("record %d: %v, want %q", i, e.Malformed, c.want[i])
				}
			}
		})
	}
}

// Whatever the bytes, the decoder returns events that are refused, ignored, or
// name a bucket and a valid key.
func FuzzDecode(f *testing.F) {
	docs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(docs) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range docs {
		f.Add(golden(f, strings.TrimSuffix(filepath.Base(name), ".json")))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		events := s3.Decode(doc)
		if len(events) == 0 {
			t.Fatal("no event: it would be lost without a word")
		}
		for _, e := range events {
			if e.Malformed != nil || e.Ignored != "" {
				continue
			}
			if err := functions.ValidKey(e.Key); err != nil || e.Bucket == "" {
				t.Fatalf("bucket %q, key %q: %v", e.Bucket, e.Key, err)
			}
		}
	})
}
