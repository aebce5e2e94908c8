package gcs_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/gcs"
)

// Whatever comes, the decoder returns an event that is refused, ignored, or
// names the bucket of its source and a valid key.
func FuzzDecode(f *testing.F) {
	docs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(docs) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range docs {
		d := golden(f, strings.TrimSuffix(filepath.Base(name), ".json"))
		f.Add(d.Headers["Ce-Type"], d.Headers["Ce-Source"], d.Headers["Ce-Subject"], []byte(d.Body))
	}
	f.Fuzz(func(t *testing.T, typ, source, subject string, data []byte) {
		ce := event.New()
		ce.SetID("1")
		ce.SetType(typ)
		ce.SetSource(source)
		ce.SetSubject(subject)
		ce.DataEncoded = data
		e := gcs.Decode(ce)
		if e.Malformed != nil || e.Ignored != "" {
			return
		}
		named := strings.HasSuffix(ce.Source(), "/"+e.Bucket)
		if strings.HasPrefix(typ, "google.cloud.pubsub.") {
			named = bucketID(data) == e.Bucket
		}
		if err := functions.ValidKey(e.Key); err != nil || e.Bucket == "" || !named {
			t.Fatalf("source %q, bucket %q, key %q: %v", ce.Source(), e.Bucket, e.Key, err)
		}
	})
}

// bucketID is the attribute of a push request, "" where there is none.
func bucketID(body []byte) string {
	var p struct {
		Message struct {
			Attributes map[string]string
		}
	}
	if json.Unmarshal(body, &p) != nil {
		return ""
	}
	return p.Message.Attributes["bucketId"]
}

// Whatever a message holds, its event is refused, ignored, or of the bucket and
// the object that its attributes name.
func FuzzDecodeMessage(f *testing.F) {
	for _, typ := range []string{"OBJECT_FINALIZE", "OBJECT_DELETE", "OBJECT_ARCHIVE", "OBJECT_METADATA_UPDATE", "OBJECT_RESTORE", ""} {
		f.Add(typ, "JSON_API_V1", "photos", "in/a.txt", "2026-11-03T10:15:30.123Z", []byte(`{"bucket":"photos","name":"in/a.txt","generation":"17","metageneration":1}`))
		f.Add(typ, "NONE", "photos", "in/a.txt", "yesterday", []byte(nil))
		f.Add(typ, "", "photos", "\xff", "", []byte(`[]`))
	}
	f.Fuzz(func(t *testing.T, typ, format, bucket, key, when string, data []byte) {
		e := gcs.DecodeMessage(gcs.Message{ID: "1", Data: data, DeliveryAttempt: 2, Attributes: map[string]string{
			"eventType": typ, "payloadFormat": format, "bucketId": bucket, "objectId": key, "eventTime": when,
		}})
		if e.ID != "1" || e.Type != typ || e.Deliveries != 2 {
			t.Fatalf("%+v", e)
		}
		if e.Malformed != nil || e.Ignored != "" {
			return
		}
		if err := functions.ValidKey(e.Key); err != nil || e.Bucket == "" || e.Bucket != bucket || e.Key != key {
			t.Fatalf("bucket %q, key %q: %v", e.Bucket, e.Key, err)
		}
	})
}

// Whatever the request, it is answered as the table says, and asks for nothing
// but keys of the bucket.
func FuzzRequest(f *testing.F) {
	docs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(docs) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range docs {
		d := golden(f, strings.TrimSuffix(filepath.Base(name), ".json"))
		header := ""
		for name, value := range d.Headers {
			header += name + ": " + value + "\n"
		}
		f.Add(header, []byte(d.Body))
	}
	f.Add("Content-Type: application/cloudevents-batch+json", []byte(`[{"specversion":"1.0","id":"1","type":"google.cloud.storage.object.v1.deleted",
		"source":"//storage.googleapis.com/projects/_/buckets/photos","data":{"bucket":"photos","name":"in/a"}}]`))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		s := &syncer{}
		proc, err := functions.New(s, functions.Options{Bucket: "photos", Prefix: "in/", Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		for line := range strings.Lines(header) {
			if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); ok {
				r.Header.Add(name, value)
			}
		}
		w := httptest.NewRecorder()
		gcs.New(proc).ServeHTTP(w, r)
		switch {
		case w.Code != http.StatusOK && w.Code != http.StatusBadRequest:
			t.Fatalf("status %d", w.Code)
		case w.Code != http.StatusOK && len(s.hints) > 0 && mediaType(r) != "batch":
			t.Fatalf("refused, but synced %v", s.hints)
		}
		for key := range s.hints {
			if functions.ValidKey(key) != nil {
				t.Fatalf("synced %q", key)
			}
		}
	})
}

// mediaType tells batches, which may be refused in part, from the rest.
func mediaType(r *http.Request) string {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents-batch+json") {
		return "batch"
	}
	return ""
}
