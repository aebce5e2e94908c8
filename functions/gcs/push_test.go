package gcs_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/gcs"
	"github.com/crossfade-io/crossfade/replicate"
)

// pushed is the message of a recorded push request, as a puller gets it.
func pushed(t testing.TB, doc string) gcs.Message {
	t.Helper()
	var p struct {
		Message struct {
			Attributes  map[string]string
			Data        []byte
			MessageID   string
			PublishTime time.Time
		}
		DeliveryAttempt int
	}
	if err := json.Unmarshal(golden(t, doc).Body, &p); err != nil {
		t.Fatal(err)
	}
	m := p.Message
	return gcs.Message{ID: m.MessageID, Attributes: m.Attributes, Data: m.Data, PublishTime: m.PublishTime, DeliveryAttempt: p.DeliveryAttempt}
}

func TestDecodeMessage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		doc, typ, key string
		with          func(*functions.Event)
	}{
		{"push-finalize", "OBJECT_FINALIZE", "in/Happy Face.jpg", nil},
		{"push-overwrite", "OBJECT_FINALIZE", "in/Happy Face.jpg", nil},
		{"push-overwritten", "OBJECT_DELETE", "in/a.txt", nil},
		{"push-delete", "OBJECT_DELETE", "in/gone", nil},
		{"push-archive", "OBJECT_ARCHIVE", "in/a.txt", nil},
		{"push-metadata-update", "OBJECT_METADATA_UPDATE", "in/a.txt", func(e *functions.Event) { e.Version = "1730629000123456.2" }},
		{"push-none", "OBJECT_FINALIZE", "in/Happy Face.jpg", func(e *functions.Event) { e.Version = "1730629000123456" }},
		{"push-none-delete", "OBJECT_DELETE", "in/gone", func(e *functions.Event) { e.Version = "1730629000123456" }},
		{"push-odd-key", "OBJECT_FINALIZE", "in//a+b%2F/é😀\n", nil},
		{"push-again", "OBJECT_FINALIZE", "in/Happy Face.jpg", func(e *functions.Event) { e.Deliveries = 5 }},
		{"push-another-bucket", "OBJECT_FINALIZE", "in/Happy Face.jpg", func(e *functions.Event) { e.Bucket = "other" }},
		{"push-unknown-type", "OBJECT_RESTORE", "", func(e *functions.Event) {
			e.Ignored, e.Bucket, e.Version = "unknown event type", "", "1730629000123456"
		}},
	} {
		t.Run(c.doc, func(t *testing.T) {
			t.Parallel()
			want := functions.Event{
				ID: "1147091835525187", Source: "storage.googleapis.com", Type: c.typ,
				Bucket: "photos", Key: c.key, Version: "1730629000123456.1", Time: time.Date(2026, 11, 3, 10, 15, 30, 123e6, time.UTC),
				Created: c.typ == "OBJECT_FINALIZE", Removed: c.typ == "OBJECT_DELETE" || c.typ == "OBJECT_ARCHIVE",
			}
			if c.with != nil {
				c.with(&want)
			}
			if got := gcs.DecodeMessage(pushed(t, c.doc)); got != want {
				t.Errorf("decoded\n%+v, want\n%+v", got, want)
			}
		})
	}
}

// Without an eventTime the time of publishing has to do.
func TestDecodeMessageTime(t *testing.T) {
	t.Parallel()
	m := pushed(t, "push-none")
	m.Attributes["eventTime"] = "yesterday"
	if got := gcs.DecodeMessage(m).Time; !got.Equal(time.Date(2026, 11, 3, 10, 15, 30, 456e6, time.UTC)) {
		t.Errorf("%s", got)
	}
}

func TestDecodeMessageMalformed(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		"push-unknown-format":       `payload format "JSON_API_V2"`,
		"push-no-key":               "names no object",
		"push-no-bucket":            "names no bucket",
		"push-bucket-contradiction": `bucketId "other" is not the bucket of its data, "photos"`,
		"push-key-contradiction":    "objectId is not the object of its data",
		"push-bad-data":             "not an object resource",
		"push-not-storage":          "no attribute eventType",
	} {
		got := gcs.DecodeMessage(pushed(t, doc))
		if got.Malformed == nil || !strings.Contains(got.Malformed.Error(), want) {
			t.Errorf("%s: %v, want %q", doc, got.Malformed, want)
		}
	}
}

// Over the wire: what Pub/Sub pushes, wrapped or not, and what Eventarc makes of
// a topic's messages. The status tells whether it comes again.
func TestPush(t *testing.T) {
	t.Parallel()
	happy := map[string]replicate.Hint{"Happy Face.jpg": replicate.HintNew}
	gone := map[string]replicate.Hint{"gone": replicate.HintRemoved}
	for _, c := range []struct {
		doc    string
		status int
		want   map[string]replicate.Hint
	}{
		{"push-finalize", 200, happy},
		{"push-none", 200, happy},
		{"push-again", 200, map[string]replicate.Hint{"Happy Face.jpg": replicate.HintNone}}, // it may have been done in part
		{"push-delete", 200, gone},
		{"push-none-delete", 200, gone},
		{"push-overwritten", 200, map[string]replicate.Hint{"a.txt": replicate.HintRemoved}},
		{"push-metadata-update", 200, map[string]replicate.Hint{"a.txt": replicate.HintNone}},
		{"push-odd-key", 200, map[string]replicate.Hint{"/a+b%2F/é😀\n": replicate.HintNew}},
		{"push-unknown-type", 200, nil},
		{"pubsub", 200, happy},
		{"pubsub-none", 200, gone},
		{"unwrapped", 200, happy},
		{"unwrapped-odd-key", 200, map[string]replicate.Hint{"é😀": replicate.HintNew}},
		{"push-another-bucket", 400, nil},
		{"push-unknown-format", 400, nil},
		{"push-bucket-contradiction", 400, nil},
		{"push-key-contradiction", 400, nil},
		{"push-bad-data", 400, nil},
		{"push-bad-base64", 400, nil},
		{"push-not-storage", 400, nil},
		{"push-no-message", 400, nil},
		{"pubsub-not-storage", 400, nil},
		{"unwrapped-contradiction", 400, nil},
		{"unwrapped-not-storage", 400, nil},
	} {
		s := &syncer{}
		status, body := post(t, serve(t, s), golden(t, c.doc))
		if status != c.status || !maps.Equal(s.hints, c.want) {
			t.Errorf("%s: status %d %s, synced %v; want %d, %v", c.doc, status, body, s.hints, c.status, c.want)
		}
	}
}

// A push that is not UTF-8 would name another object; one that is cut short, or
// empty, names none.
func TestPushDamaged(t *testing.T) {
	t.Parallel()
	whole := []byte(golden(t, "push-none").Body)
	for name, body := range map[string][]byte{
		"not UTF-8": bytes.Replace(whole, []byte("Happy"), []byte("Happ\xff"), 1),
		"cut short": whole[:len(whole)/2],
		"empty":     nil,
	} {
		s := &syncer{}
		if status, _ := post(t, serve(t, s), delivery{Headers: map[string]string{"Content-Type": "application/json"}, Body: body}); status != 400 || len(s.hints) > 0 {
			t.Errorf("%s: status %d, synced %v", name, status, s.hints)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(bytes.NewReader(whole), failing{}))
	w := httptest.NewRecorder()
	proc, err := functions.New(&syncer{}, functions.Options{Bucket: "photos", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if gcs.New(proc).ServeHTTP(w, r); w.Code != 400 {
		t.Errorf("a connection that breaks: status %d", w.Code)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A batch of CloudEvents is answered as one, by the worst of its events.
func TestCloudEventsBatch(t *testing.T) {
	t.Parallel()
	ce := func(bucket, key string) map[string]any {
		return map[string]any{
			"specversion": "1.0", "id": "1", "type": "google.cloud.storage.object.v1.finalized",
			"source": "//storage.googleapis.com/projects/_/buckets/" + bucket, "data": map[string]string{"bucket": bucket, "name": key},
		}
	}
	incomplete := ce("photos", "in/c")
	delete(incomplete, "id")
	for _, c := range []struct {
		name   string
		batch  []map[string]any
		status int
		want   map[string]replicate.Hint
	}{
		{"good", []map[string]any{ce("photos", "in/a"), ce("photos", "in/b")}, 200, map[string]replicate.Hint{"a": replicate.HintNew, "b": replicate.HintNew}},
		{"another bucket", []map[string]any{ce("photos", "in/a"), ce("other", "in/b")}, 400, map[string]replicate.Hint{"a": replicate.HintNew}},
		{"one incomplete", []map[string]any{ce("photos", "in/a"), incomplete}, 400, map[string]replicate.Hint{"a": replicate.HintNew}},
		{"none", nil, 400, nil},
	} {
		body, err := json.Marshal(c.batch)
		if err != nil {
			t.Fatal(err)
		}
		s := &syncer{}
		status, _ := post(t, serve(t, s), delivery{Headers: map[string]string{"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}, Body: body})
		if status != c.status || len(s.hints) != len(c.want) || len(c.want) > 0 && !reflect.DeepEqual(s.hints, c.want) {
			t.Errorf("%s: status %d, synced %v; want %d, %v", c.name, status, s.hints, c.status, c.want)
		}
	}
}
