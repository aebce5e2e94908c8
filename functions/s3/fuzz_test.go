package s3_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/s3"
)

// Whatever the payload, nothing panics; what is not acknowledged is a message
// that was in it, and each task has its result.
func FuzzInvoke(f *testing.F) {
	for _, doc := range []string{"put", "sqs-batch", "sqs-one", "sqs-forms", "odd-keys", "test-event", "not-json", "sns-direct", "eventbridge", "on-failure", "batch-1", "batch-2", "batch-many", "batch-3"} {
		f.Add(golden(f, doc))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		out, err := handler(t, &syncer{}).Invoke(t.Context(), payload)
		if err != nil || strings.TrimSpace(string(out)) == "null" {
			return
		}
		var batch struct {
			Records []struct {
				ID string `json:"messageId"`
			} `json:"Records"`
			Tasks []struct {
				ID string `json:"taskId"`
			} `json:"tasks"`
		}
		if err := json.Unmarshal(payload, &batch); err != nil {
			t.Fatalf("answered %s to what is not a batch: %v", out, err)
		}
		ids := map[string]bool{}
		for _, r := range batch.Records {
			ids[r.ID] = true
		}
		var res struct {
			events.SQSEventResponse
			events.S3BatchJobResponse
		}
		if err := json.Unmarshal(out, &res); err != nil {
			t.Fatal(err)
		}
		if len(batch.Records) == 0 && len(res.Results) != len(batch.Tasks) {
			t.Fatalf("%d results of %d tasks", len(res.Results), len(batch.Tasks))
		}
		for i, r := range res.Results {
			if r.TaskID != batch.Tasks[i].ID || r.ResultCode == "" {
				t.Fatalf("result %+v of task %q", r, batch.Tasks[i].ID)
			}
		}
		for _, failed := range res.BatchItemFailures {
			if !ids[failed.ItemIdentifier] {
				t.Fatalf("%q of %q", failed.ItemIdentifier, slices.Sorted(maps.Keys(ids)))
			}
		}
	})
}

// Whatever the bytes, the decoder returns events that are refused, ignored, or
// name a valid key, in a bucket that the document names.
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
			if err := functions.ValidKey(e.Key); err != nil || !names(doc, e.Bucket) {
				t.Fatalf("bucket %q, key %q: %v", e.Bucket, e.Key, err)
			}
		}
	})
}

// What is in an envelope, or in three, decodes to what it is without; in a
// fourth it is refused.
func FuzzEnvelopes(f *testing.F) {
	for _, doc := range []string{"put", "odd-keys", "test-event", "eventbridge", "sqs-one", "batch-2", "not-json"} {
		f.Add(golden(f, doc), uint8(0))
		f.Add(golden(f, doc), uint8(5))
	}
	f.Fuzz(func(t *testing.T, doc []byte, which uint8) {
		if !json.Valid(doc) || !utf8.Valid(doc) {
			return
		}
		want := texts(s3.Decode(doc))
		wrapped := doc
		for depth := 1; depth <= 4; depth++ {
			wrapped = wrap(t, wrapped, which>>depth&1 == 0)
			got := texts(s3.Decode(wrapped))
			if depth == 4 {
				want = []string{"more than 3 envelopes around each other"}
			} else if strings.Contains(strings.Join(want, ""), "more than 3 envelopes") || strings.Contains(strings.Join(got, ""), "more than 3 envelopes") {
				return // doc has some of its own
			}
			if depth < 4 && !slices.Equal(got, want) || depth == 4 && !strings.Contains(strings.Join(got, ""), want[0]) {
				t.Fatalf("%d deep: %q, want %q", depth, got, want)
			}
		}
	})
}

// wrap puts doc into SNS's envelope, or into that of an on-failure destination.
func wrap(t *testing.T, doc []byte, sns bool) []byte {
	t.Helper()
	v := map[string]any{"requestPayload": json.RawMessage(doc)}
	if sns {
		v = map[string]any{"Type": "Notification", "TopicArn": "arn", "Message": string(doc)}
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// texts makes events comparable, errors included.
func texts(events []functions.Event) (s []string) {
	for _, e := range events {
		why := ""
		if e.Malformed != nil {
			why, e.Malformed = e.Malformed.Error(), nil
		}
		s = append(s, fmt.Sprintf("%+v %s", e, why))
	}
	return s
}

// names reports whether any string in doc, or in a document that is a string of
// it, is name.
func names(doc []byte, name string) bool {
	var v any
	if name == "" || json.Unmarshal(doc, &v) != nil {
		return false
	}
	var search func(v any) bool
	search = func(v any) bool {
		switch v := v.(type) {
		case string:
			return v == name || names([]byte(v), name)
		case []any:
			return slices.ContainsFunc(v, search)
		case map[string]any:
			for _, member := range v {
				if search(member) {
					return true
				}
			}
		}
		return false
	}
	return search(v)
}
