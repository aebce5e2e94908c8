package s3_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

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

// bridged is the same for the documents of EventBridge.
func bridged(typ string, with func(*functions.Event)) functions.Event {
	e := functions.Event{
		ID: "17793124-05d4-b198-2fde-7ededc63b103", Source: "aws.s3", Type: typ, Bucket: "photos", Key: "in/Happy Face.jpg",
		Version: "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e", Sequencer: "00617F08299329D189", Time: time.Date(2026, 11, 3, 10, 15, 30, 0, time.UTC),
	}
	e.Created, e.Removed = typ == "Object Created", typ == "Object Deleted"
	if with != nil {
		with(&e)
	}
	return e
}

func TestDecode(t *testing.T) {
	t.Parallel()
	version := func(v string) func(*functions.Event) { return func(e *functions.Event) { e.Version = v } }
	ignored := func(why string) func(*functions.Event) { return func(e *functions.Event) { e.Ignored = why } }
	unordered := func(e *functions.Event) { e.Sequencer = "" }
	unused := func(why string) func(*functions.Event) {
		return func(e *functions.Event) { e.Key, e.Sequencer, e.Ignored = "", "", why }
	}
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
		{"sns-test-event", functions.Event{Source: "aws:s3", Type: "s3:TestEvent", Ignored: "test event"}},
		{"sns-envelope", event("ObjectCreated:Put", "in/Happy Face.jpg", nil)},
		{"sns-direct", event("ObjectCreated:Put", "in/Happy Face.jpg", nil)},
		{"sns-nested-3", event("ObjectCreated:Put", "in/Happy Face.jpg", nil)},
		{"on-failure", event("ObjectCreated:Put", "in/Happy Face.jpg", nil)},
		{"on-failure-sns", event("ObjectCreated:Put", "in/Happy Face.jpg", nil)},
		{"sns-eventbridge", bridged("Object Created", nil)},
		{"sns-direct-eventbridge", bridged("Object Created", nil)},
		{"on-failure-eventbridge", bridged("Object Created", nil)},
		{"eventbridge", bridged("Object Created", nil)},
		{"eventbridge-old", bridged("Object Created", version(""))},
		{"eventbridge-deleted", bridged("Object Deleted", nil)},
		{"eventbridge-delete-marker", bridged("Object Deleted", nil)},
		{"eventbridge-lifecycle", bridged("Object Deleted", nil)},
		{"eventbridge-tags-added", bridged("Object Tags Added", unordered)},
		{"eventbridge-tags-deleted", bridged("Object Tags Deleted", unordered)},
		{"eventbridge-restore-completed", bridged("Object Restore Completed", unordered)},
		{"eventbridge-restore-initiated", bridged("Object Restore Initiated", unused("nothing that is replicated"))},
		{"eventbridge-restore-expired", bridged("Object Restore Expired", unused("nothing that is replicated"))},
		{"eventbridge-acl", bridged("Object ACL Updated", unused("nothing that is replicated"))},
		{"eventbridge-storage-class", bridged("Object Storage Class Changed", unused("nothing that is replicated"))},
		{"eventbridge-access-tier", bridged("Object Access Tier Changed", unused("nothing that is replicated"))},
		{"eventbridge-unknown-type", bridged("Object Frobnicated", func(e *functions.Event) { e.Key, e.Ignored = "", "unknown event type" })},
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

// Every type that the API knows has its place.
func TestDecodeAllTypes(t *testing.T) {
	t.Parallel()
	all := types.Event("").Values()
	if len(all) < 20 {
		t.Fatalf("%d types", len(all))
	}
	for _, typ := range all {
		name := strings.TrimPrefix(string(typ), "s3:")
		if strings.HasSuffix(name, ":*") { // of configurations, not of events
			continue
		}
		got := s3.Decode(bytes.Replace(golden(t, "put"), []byte("ObjectCreated:Put"), []byte(name), 1))
		want := event(name, "in/Happy Face.jpg", nil)
		if !want.Created && !want.Removed && !strings.HasPrefix(name, "ObjectTagging:") && name != "ObjectRestore:Completed" {
			want.Ignored = "nothing that is replicated"
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v", name, got)
		}
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

// EventBridge's keys stand there literally or form-encoded: both readings are
// looked at, where they differ and name an object.
func TestDecodeBridgedKeys(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 512)
	for key, want := range map[string][]string{
		"in/a b":                      {"in/a b"},
		"in/a%20b":                    {"in/a%20b", "in/a b"},
		"in/a+b":                      {"in/a+b", "in/a b"},
		"in/a%2Bb":                    {"in/a%2Bb", "in/a+b"},
		"in/a%252Fb":                  {"in/a%252Fb", "in/a%2Fb"}, // once, not twice
		"in/100%":                     {"in/100%"},
		"in/%":                        {"in/%"},
		"in/+100%":                    {"in/+100%"},
		"in/%FF":                      {"in/%FF"}, // decoded it is not UTF-8
		"in/%00":                      {"in/%00", "in/\x00"},
		"in/é+😀":                      {"in/é+😀", "in/é 😀"},
		strings.Repeat("%C3%A9", 512): {long}, // too long as it stands
	} {
		doc, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		got := s3.Decode(bytes.Replace(golden(t, "eventbridge"), []byte(`"in/Happy Face.jpg"`), doc, 1))
		if len(got) != len(want) {
			t.Errorf("%q: %+v", key, got)
			continue
		}
		for i, e := range got {
			if e != bridged("Object Created", func(e *functions.Event) { e.Key = want[i] }) {
				t.Errorf("%q: %+v, want the key %q", key, e, want[i])
			}
		}
	}
	if got := s3.Decode(bytes.Replace(golden(t, "eventbridge"), []byte("in/Happy Face.jpg"), bytes.Repeat([]byte("k"), 1025), 1)); len(got) != 1 || got[0].Malformed == nil {
		t.Errorf("1025 bytes: %+v", got)
	}
}

// Bytes that are not UTF-8 would turn into another name on their way.
func TestDecodeNotUTF8(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{"put", "eventbridge", "sns-eventbridge"} {
		got := s3.Decode(bytes.Replace(golden(t, doc), []byte("Happy"), []byte("Happ\xff"), 1))
		if len(got) != 1 || got[0].Key != "" || got[0].Malformed == nil {
			t.Errorf("%s: %+v", doc, got)
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
		{"sns-confirmation", []string{`of type "SubscriptionConfirmation"`}},
		{"sns-text", []string{"not an S3 notification"}},
		{"sns-empty", []string{"not an SNS message"}},
		{"sns-nested-4", []string{"more than 3 envelopes"}},
		{"eventbridge-ec2", []string{`must match the source aws.s3`}},
		{"eventbridge-cloudtrail", []string{"turn on the bucket's own EventBridge notifications"}},
		{"eventbridge-version-1", []string{`EventBridge version "1" is not 0`}},
		{"eventbridge-detail-version-1", []string{`detail version "1" is not 0`}},
		{"eventbridge-event-version-2", []string{`event version "2.0" is not 1.x`}},
		{"eventbridge-no-bucket", []string{"names no bucket"}},
		{"eventbridge-no-key", []string{"names no object"}},
		{"eventbridge-wrong-types", []string{"not an EventBridge event of S3"}},
		{"batch-2", []string{"answered in the invocation"}},
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
