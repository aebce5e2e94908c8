package eventgrid_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/eventgrid"
)

// Whatever comes, the decoder returns an error, or events that are refused,
// ignored, or name a container and a valid key.
func FuzzDecode(f *testing.F) {
	docs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(docs) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range docs {
		f.Add(golden(f, strings.TrimSuffix(filepath.Base(name), ".json")))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := eventgrid.Decode(body)
		if err == nil && len(events) == 0 {
			t.Fatal("no event and no error: it would be lost without a word")
		}
		for _, e := range events {
			if e.Malformed != nil || e.Ignored != "" {
				continue
			}
			if err := functions.ValidKey(e.Key); err != nil || e.Bucket == "" || strings.Contains(e.Bucket, "/") {
				t.Fatalf("container %q, key %q: %v", e.Bucket, e.Key, err)
			}
			if subject := "/blobServices/default/containers/" + e.Bucket + "/blobs/" + e.Key; !subjects(body)[subject] {
				t.Fatalf("no event has the subject %q", subject)
			}
		}
	})
}

// subjects are those of the events in a delivery.
func subjects(body []byte) map[string]bool {
	type event struct{ Subject string }
	var events []json.RawMessage
	if json.Unmarshal(body, &events) != nil {
		events = []json.RawMessage{body}
	}
	all := map[string]bool{}
	for _, raw := range events {
		var e event
		if json.Unmarshal(raw, &e) == nil {
			all[e.Subject] = true
		}
	}
	return all
}

// Whatever an invocation holds, it is answered as the table says, asks for
// nothing but keys of the container, and is acknowledged in the host's form.
func FuzzInvocation(f *testing.F) {
	docs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(docs) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range docs {
		f.Add(golden(f, strings.TrimSuffix(filepath.Base(name), ".json")))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := &syncer{}
		proc, err := functions.New(s, functions.Options{Bucket: "photos", Account: "acct", Prefix: "in/", Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		eventgrid.New(proc, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/queue", bytes.NewReader(body)))
		answer, err := io.ReadAll(w.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case w.Code != http.StatusOK && w.Code != http.StatusBadRequest:
			t.Fatalf("status %d", w.Code)
		case w.Code == http.StatusOK && len(answer) > 0 && string(answer) != invocationDone:
			t.Fatalf("answered %q", answer)
		}
		for key := range s.hints {
			if functions.ValidKey(key) != nil {
				t.Fatalf("synced %q", key)
			}
		}
	})
}
