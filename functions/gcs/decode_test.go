package gcs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/gcs"
)

// delivery is a recorded request: headers, and the body as it was sent.
type delivery struct {
	Headers map[string]string
	Body    json.RawMessage
}

func golden(t testing.TB, name string) (d delivery) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// cloudEvent is the delivery as the SDK hands it to the function.
func (d delivery) cloudEvent(t testing.TB) event.Event {
	t.Helper()
	ce := event.New()
	ce.SetID(d.Headers["Ce-Id"])
	ce.SetType(d.Headers["Ce-Type"])
	ce.SetSource(d.Headers["Ce-Source"])
	ce.SetSubject(d.Headers["Ce-Subject"])
	when, err := time.Parse(time.RFC3339, d.Headers["Ce-Time"])
	if err != nil {
		t.Fatal(err)
	}
	ce.SetTime(when)
	ce.DataEncoded = d.Body
	return ce
}

func TestDecode(t *testing.T) {
	t.Parallel()
	type change = func(*functions.Event)
	for _, c := range []struct {
		doc, typ, key string
		with          change
	}{
		{"finalized", "finalized", "in/Happy Face.jpg", func(e *functions.Event) { e.Created = true }},
		{"deleted", "deleted", "in/gone", func(e *functions.Event) { e.Removed = true }},
		{"archived", "archived", "in/a.txt", func(e *functions.Event) { e.Removed = true }},
		{"metadata-updated", "metadataUpdated", "in/a.txt", func(e *functions.Event) { e.Version = "1730629000123456.2" }},
		{"odd-key", "finalized", "in//a+b%2F/é😀\n", func(e *functions.Event) { e.Created = true }},
		{"odd-key-encoded-subject", "finalized", "in/ü", func(e *functions.Event) { e.Created = true }},
		{"odd-key-mangled-subject", "finalized", "in/ü", func(e *functions.Event) { e.Created = true }},
		{"no-subject", "finalized", "in/a.txt", func(e *functions.Event) { e.Created = true }},
		{"number-generation", "finalized", "in/a.txt", func(e *functions.Event) { e.Created, e.Version = true, "1730629000123456.3" }},
		{"unknown-fields", "finalized", "in/a.txt", func(e *functions.Event) { e.Created = true }},
		{"another-bucket", "finalized", "in/a.txt", func(e *functions.Event) { e.Created, e.Bucket = true, "other" }},
		{"unknown-type", "restored", "", func(e *functions.Event) { e.Ignored, e.Bucket, e.Version = "unknown event type", "", "" }},
	} {
		t.Run(c.doc, func(t *testing.T) {
			t.Parallel()
			want := functions.Event{
				ID: "1147091835525187", Source: "storage.googleapis.com", Type: "google.cloud.storage.object.v1." + c.typ,
				Bucket: "photos", Key: c.key, Version: "1730629000123456.1", Time: time.Date(2026, 11, 3, 10, 15, 30, 123e6, time.UTC),
			}
			c.with(&want)
			if got := gcs.Decode(golden(t, c.doc).cloudEvent(t)); got != want {
				t.Errorf("decoded\n%+v, want\n%+v", got, want)
			}
		})
	}
}

func TestDecodeMalformed(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		"another-source":     "is not the bucket of its data",
		"foreign-source":     "is not the bucket of its data",
		"another-subject":    "is not the object of its data",
		"no-name":            "names no object",
		"no-bucket":          "names no bucket",
		"array":              "not an object resource",
		"wrong-types":        "not an object resource",
		"pubsub-not-storage": "no attribute eventType",
		"audit-log":          "the trigger must be for",
	} {
		got := gcs.Decode(golden(t, doc).cloudEvent(t))
		if got.Malformed == nil || !strings.Contains(got.Malformed.Error(), want) {
			t.Errorf("%s: %v, want %q", doc, got.Malformed, want)
		}
	}
}

// Bytes that are not UTF-8 would turn into another name on their way.
func TestDecodeNotUTF8(t *testing.T) {
	t.Parallel()
	ce := golden(t, "finalized").cloudEvent(t)
	ce.DataEncoded = []byte(strings.Replace(string(ce.DataEncoded), "Happy Face", "Happy\xffFace", 1))
	if got := gcs.Decode(ce); got.Malformed == nil || got.Key != "" {
		t.Errorf("key %q: %v", got.Key, got.Malformed)
	}
}
