package functions_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions/eventgrid"
	"github.com/crossfade-io/crossfade/functions/gcs"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// The documents of the three clouds for one object, as an attacker who can
// reach the queue or the endpoint may write them.
var forgers = map[string]struct {
	cloud uint8
	doc   func(bucket, key string, removed bool) (header string, doc []byte)
}{
	"s3": {0, func(bucket, key string, removed bool) (string, []byte) {
		return "", s3Document(s3Record(bucket, key, removed))
	}},
	"gcs": {1, func(bucket, key string, removed bool) (string, []byte) {
		typ := "finalized"
		if removed {
			typ = "deleted"
		}
		header := "Content-Type: application/json\nCe-Id: 1\nCe-Specversion: 1.0\nCe-Type: google.cloud.storage.object.v1." + typ +
			"\nCe-Source: //storage.googleapis.com/projects/_/buckets/" + bucket
		return header, mustJSON(map[string]any{"bucket": bucket, "name": key, "generation": "1", "metageneration": "1"})
	}},
	"azure": {2, func(bucket, key string, removed bool) (string, []byte) {
		return "Aeg-Event-Type: Notification", mustJSON([]any{azureEvent("acct", bucket, key, removed)})
	}},
	"s3 by SNS": {0, func(bucket, key string, removed bool) (string, []byte) {
		return "", snsDelivery(s3Document(s3Record(bucket, key, removed)))
	}},
	"s3 by EventBridge": {0, func(bucket, key string, removed bool) (string, []byte) {
		return "", bridged(bucket, key, removed, time.Time{})
	}},
	"s3 by a failed invocation": {0, func(bucket, key string, removed bool) (string, []byte) {
		return "", mustJSON(map[string]any{"requestPayload": json.RawMessage(bridged(bucket, key, removed, time.Time{}))})
	}},
	"gcs by push": {1, func(bucket, key string, removed bool) (string, []byte) {
		typ := "OBJECT_FINALIZE"
		if removed {
			typ = "OBJECT_DELETE"
		}
		return "Content-Type: application/json", mustJSON(map[string]any{"message": map[string]any{
			"messageId": "1", "attributes": map[string]string{"eventType": typ, "payloadFormat": "NONE", "bucketId": bucket, "objectId": key},
		}})
	}},
	"azure by queue": {2, func(bucket, key string, removed bool) (string, []byte) {
		return "", queueInvocation(mustJSON(azureEvent("acct", bucket, key, removed)))
	}},
}

func s3Record(bucket, key string, removed bool) string {
	name := "ObjectCreated:Put"
	if removed {
		name = "ObjectRemoved:Delete"
	}
	return fmt.Sprintf(`{"eventVersion":"2.1","eventSource":"aws:s3","eventName":%q,"s3":{"bucket":{"name":%s},"object":{"key":%s}}}`,
		name, mustJSON(bucket), mustJSON(url.QueryEscape(key)))
}

func s3Document(records ...string) []byte {
	return []byte(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

func azureEvent(account, container, name string, removed bool) map[string]any {
	typ := "Microsoft.Storage.BlobCreated"
	if removed {
		typ = "Microsoft.Storage.BlobDeleted"
	}
	return map[string]any{
		"id": "1", "eventType": typ, "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/" + account,
		"subject": "/blobServices/default/containers/" + container + "/blobs/" + name, "data": map[string]any{},
	}
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// An event decides nothing but which key of the configured part is looked at.
func TestAimedEvents(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 1025)
	for _, c := range []struct {
		name, bucket, key string
		status            int // 200 acknowledged, 400 kept for someone to look at
		line              string
	}{
		{"another bucket", "other", "in/a.txt", 400, "another bucket"},
		{"the target's bucket", "copy", "kept", 400, "another bucket"},
		{"a bucket with the name in it", "photos/../other", "in/a.txt", 400, ""},
		{"a bucket in another case", "Photos", "in/a.txt", 400, "another bucket"},
		{"a bucket with a line break", "photos\n", "in/a.txt", 400, ""},
		{"outside the prefix", "photos", "out/a.txt", 200, "outside the prefix"},
		{"the prefix's neighbour", "photos", "inn/a.txt", 200, "outside the prefix"},
		{"the prefix itself", "photos", "in/", 200, "outside the prefix"},
		{"out of the prefix by dots", "photos", "in/../out/a.txt", 200, ""}, // a name like any other, and absent
		{"an absolute path", "photos", "in//etc/passwd", 200, ""},
		{"control object", "photos", "in/.crossfade/m/phase.json", 200, "control object"},
		{"control prefix", "photos", "in/.crossfade/", 200, "control object"},
		{"control object of the bucket", "photos", ".crossfade/m/phase.json", 200, "outside the prefix"},
		{"no key", "photos", "", 400, ""},
		{"1025 bytes", "photos", "in/" + long, 400, "malformed"},
		{"100 kB", "photos", "in/" + strings.Repeat(long, 100), 400, "malformed"},
		{"line break", "photos", "in/a\n{\"level\":\"INFO\",\"msg\":\"forged\"}", 200, ""},
		{"escape sequence", "photos", "in/\x1b[2J\x1b]0;x\a", 200, ""},
		{"line separator", "photos", "in/a\u2028b\u2029\u202e\u0085", 200, ""},
	} {
		for name, f := range forgers {
			for _, removed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/removed %v", c.name, name, removed), func(t *testing.T) {
					t.Parallel()
					w := newBounds(t, f.cloud)
					header, doc := f.doc(c.bucket, c.key, removed)
					status, _ := deliver(t, w.proc, slog.New(slog.NewJSONHandler(w.log, nil)), f.cloud, header, doc)
					if status != c.status {
						t.Errorf("status %d, want %d", status, c.status)
					}
					w.check(t)
					if lines := bytes.Count(w.log.Bytes(), []byte("\n")); lines != 1 || !strings.Contains(w.log.String(), c.line) {
						t.Errorf("%d lines: %.300s", lines, w.log)
					}
					if n := w.target.Len(); n != 3 {
						t.Errorf("%d objects on the target", n)
					}
				})
			}
		}
	}
}

// A key that is read in two ways gets out of bounds in neither.
func TestEscapedKeys(t *testing.T) {
	t.Parallel()
	for key, synced := range map[string]bool{
		"in/%2Ecrossfade/m/phase.json": false, "in/.crossfade%2Fm%2Fphase.json": false, "in/%252Ecrossfade/": false,
		"out%2Fa.txt": false, "in%2F..%2Fout%2Fa.txt": false, "in/%00": false, "in/%FF": false, "in/": false, "in%2F": false,
		"in%2Fa.txt": true, "%69n/a%2Etxt": true, "in/a.txt": true,
	} {
		for what, doc := range map[string][]byte{
			"EventBridge": bridged("photos", key, false, time.Time{}),
			"a deletion":  bridged("photos", key, true, time.Time{}),
			"a task": mustJSON(map[string]any{"invocationSchemaVersion": "2.0", "invocationId": "1", "tasks": []any{
				map[string]any{"taskId": "1", "s3Key": key, "s3Bucket": "photos"},
			}}),
		} {
			w := newBounds(t, 0)
			if status, answer := deliver(t, w.proc, nil, 0, "", doc); status != 200 {
				t.Errorf("%s, %q: status %d %s", what, key, status, answer)
			}
			w.check(t)
			if got := w.target.Get("a.txt") != nil; got != synced {
				t.Errorf("%s, %q: synced %v", what, key, got)
			}
		}
	}
}

// Of a name that stands twice in a document either may count, but never so that
// one is checked and the other used.
func TestDoubledNames(t *testing.T) {
	t.Parallel()
	for i, doc := range []string{
		`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"other","name":"photos"},"object":{"key":"in/a.txt","key":"out/a.txt"}}}]}`,
		`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"photos","NAME":"other"},"object":{"key":"in/a.txt"}}}]}`,
		`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"photos"},"object":{"key":"in/a.txt"}},"S3":{"object":{"KEY":"in/.crossfade/m/phase.json"}}}]}`,
		`{"Records":[{"eventSource":"aws:sqs","eventsource":"aws:s3","messageId":"1","body":"{}"}],"records":[{"eventSource":"aws:s3"}]}`,
		`{"version":"0","detail-type":"Object Created","source":"aws.s3","detail":{"version":"0","bucket":{"name":"photos"},"object":{"key":"in/a.txt"}},"Detail":{"bucket":{"Name":"other"},"object":{"Key":"out/a.txt"}}}`,
		`{"Records":[{"EventSource":"aws:sns","Sns":{"Type":"Notification","Message":"{}","message":"{\"Event\":\"s3:TestEvent\"}"},"s3":{"bucket":{"name":"photos"},"object":{"key":"out/a.txt"}}}]}`,
		`{"invocationSchemaVersion":"1.0","tasks":[{"taskId":"1","s3Key":"out/a.txt","s3Bucket":"photos","s3BucketArn":"arn:aws:s3:::other"}],"detail-type":"Object Created"}`,
		`{"requestPayload":{"requestPayload":{"requestPayload":{"requestPayload":{"Event":"s3:TestEvent"}}}},"Records":[]}`,
	} {
		w := newBounds(t, 0)
		deliver(t, w.proc, nil, 0, "", []byte(doc))
		w.check(t)
		if w.touched["out/a.txt"] || w.touched[".crossfade/m/phase.json"] {
			t.Errorf("document %d: %v", i, w.touched)
		}
	}
	// The account, the container and the key of one event are those of one subject.
	w := newBounds(t, 2)
	deliver(t, w.proc, slog.New(slog.DiscardHandler), 2, "Aeg-Event-Type: Notification", []byte(`[{"id":"1","eventType":"Microsoft.Storage.BlobCreated","topic":"/x/storageAccounts/acct/storageAccounts/evil",
		"subject":"/blobServices/default/containers/photos/blobs/in/a.txt"}]`))
	w.check(t)
	if w.target.Len() != 3 {
		t.Error("an event of another account was taken")
	}
}

// allocated runs f alone and returns how many bytes it allocated in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// endless is a body without an end, of valid beginnings.
type endless struct{ sent atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	p[0] = '['
	for n := 1; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
	e.sent.Add(int64(len(p)))
	return len(p), nil
}

// What is too large is refused before it is read whole, in bounded memory, and
// packed bodies are not unpacked.
func TestHugeBodies(t *testing.T) { // not parallel: it counts what is allocated
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	if _, err := io.CopyN(z, &endless{}, 1<<20); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	packed := bytes.Repeat(member.Bytes(), 64) // one after another they are one file
	w := newBounds(t, 2)
	log := slog.New(slog.NewJSONHandler(w.log, nil))
	for name, h := range map[string]http.Handler{"gcs": gcs.New(w.proc), "eventgrid": eventgrid.New(w.proc, log)} {
		server := httptest.NewServer(h)
		defer server.Close()
		for _, what := range []string{"endless", "packed"} {
			for _, contentType := range []string{"application/json", "application/cloudevents+json", "application/cloudevents-batch+json", ""} {
				flood := &endless{}
				var body io.Reader = flood
				if what == "packed" {
					body = bytes.NewReader(packed)
				}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
				if err != nil {
					t.Fatal(err)
				}
				req.Header = http.Header{"Content-Type": {contentType}, "Ce-Id": {"1"}, "Ce-Specversion": {"1.0"}, "Ce-Type": {"google.cloud.storage.object.v1.finalized"}, "Ce-Source": {"//x"}}
				if contentType == "" { // a push, or an invocation by the host
					req.Header = http.Header{"Content-Type": {"application/json"}}
				}
				if what == "packed" {
					req.Header.Set("Content-Encoding", "gzip")
				}
				n := allocated(func() {
					res, err := loopback.Client().Do(req)
					if err != nil { // the server closes on who goes on sending
						return
					}
					res.Body.Close()
					if res.StatusCode != 400 && res.StatusCode != 413 {
						t.Errorf("%s, %s, %s: status %d", name, what, contentType, res.StatusCode)
					}
				})
				if n > 128<<20 || flood.sent.Load() > 128<<20 {
					t.Errorf("%s, %s, %s: %d MiB allocated, %d MiB taken", name, what, contentType, n>>20, flood.sent.Load()>>20)
				}
			}
		}
	}
	w.check(t)
}

// Deep nesting is an error, not the end of the process.
func TestDeepNesting(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{"[", "]"},
		{`{"Records":`, "}"},
		{`{"data":`, "}"},
		{`[{"data":`, "}]"},
		{`{"requestPayload":`, "}"},
		{`{"message":`, "}"},
		{`{"Metadata":{},"Data":{"x":`, "}}"},
	} {
		doc := []byte(strings.Repeat(pair[0], 20_000) + "1" + strings.Repeat(pair[1], 20_000))
		for cloud, header := range []string{"", "Content-Type: application/cloudevents+json", "Aeg-Event-Type: Notification"} {
			w := newBounds(t, uint8(cloud))
			if status, _ := deliver(t, w.proc, slog.New(slog.NewJSONHandler(w.log, nil)), uint8(cloud), header, doc); status != 400 && status != 413 {
				t.Errorf("cloud %d: status %d", cloud, status)
			}
			w.check(t)
		}
	}
}

// Envelopes within envelopes end at the third, whatever is in the last: nobody
// sends that, and each costs another copy of the rest.
func TestManyEnvelopes(t *testing.T) {
	t.Parallel()
	wrap := map[string]func([]byte) []byte{
		"SNS":               snsEnvelope,
		"SNS to Lambda":     snsDelivery,
		"failed invocation": func(doc []byte) []byte { return mustJSON(map[string]any{"requestPayload": json.RawMessage(doc)}) },
	}
	for name, wrap := range wrap {
		doc := s3Document(s3Record("photos", "in/a.txt", false))
		for depth := range 8 {
			w := newBounds(t, 0)
			status, answer := deliver(t, w.proc, nil, 0, "", doc)
			w.check(t)
			if want := depth <= 3; (status == 200) != want || (w.target.Get("a.txt") != nil) != want {
				t.Errorf("%s, %d deep: status %d %s", name, depth, status, answer)
			}
			doc = wrap(doc)
		}
	}
	// A queue's message, quoted again and again.
	doc := mustJSON(azureEvent("acct", "photos", "in/a.txt", false))
	for depth := range 8 {
		w := newBounds(t, 2)
		status, _ := deliver(t, w.proc, slog.New(slog.DiscardHandler), 2, "", mustJSON(map[string]any{
			"Data": map[string]any{"queueItem": json.RawMessage(doc)}, "Metadata": map[string]any{},
		}))
		w.check(t)
		if want := depth <= 3; (status == 200) != want || (w.target.Get("a.txt") != nil) != want {
			t.Errorf("quoted %d times: status %d", depth, status)
		}
		doc = mustJSON(string(doc))
	}
}

// Ten thousand records in one document: each has its line, each key is looked at
// once, and one bad record is told apart.
func TestManyRecords(t *testing.T) {
	t.Parallel()
	records := make([]string, 10_000)
	for i := range records {
		records[i] = s3Record("photos", within[i%len(within)], i%2 == 0)
	}
	records[5000] = s3Record("other", "in/a.txt", true)
	w := newBounds(t, 0)
	status, answer := deliver(t, w.proc, nil, 0, "", s3Document(records...))
	if status != 400 || !strings.Contains(answer, "1 of 10000 events not done: dead-letter: another bucket") {
		t.Errorf("status %d: %s", status, answer)
	}
	w.check(t)
	if lines := bytes.Count(w.log.Bytes(), []byte("\n")); lines != len(records) || len(w.touched) != len(within) || w.target.Len() != 3+len(within) {
		t.Errorf("%d lines, %d keys looked at, %d objects on the target", lines, len(w.touched), w.target.Len())
	}
}

// What anyone may ask for without being known, the handshakes, is logged in
// bounded and harmless lines.
func TestHostileHandshakes(t *testing.T) {
	t.Parallel()
	w := newBounds(t, 2)
	log := slog.New(slog.NewJSONHandler(w.log, nil))
	topic := strings.Repeat("\u202e\x9b\n", 100_000)
	deliver(t, w.proc, log, 2, "Aeg-Event-Type: SubscriptionValidation", mustJSON([]any{map[string]any{
		"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "topic": topic, "data": map[string]any{"validationCode": "x"},
	}}))
	deliver(t, w.proc, log, 2, "Aeg-Event-Type: SubscriptionValidation", []byte(`[{"eventType":"\u202e"}]`))
	deliver(t, w.proc, log, 2, "Aeg-Event-Type: Notification", mustJSON(topic))
	r := httptest.NewRequest(http.MethodOptions, "/", nil)
	r.Header["Webhook-Request-Origin"] = []string{strings.Repeat("\u202e", 100_000)}
	eventgrid.New(w.proc, log).ServeHTTP(httptest.NewRecorder(), r)
	w.check(t)
	if lines := bytes.Count(w.log.Bytes(), []byte("\n")); lines != 4 {
		t.Errorf("%d lines", lines)
	}
}

// An event that is in order moves its object, by each of the documents above.
func TestHonestEvents(t *testing.T) {
	t.Parallel()
	for name, f := range forgers {
		w := newBounds(t, f.cloud)
		header, doc := f.doc("photos", "in/a.txt", false)
		if status, _ := deliver(t, w.proc, slog.New(slog.DiscardHandler), f.cloud, header, doc); status != 200 || w.target.Get("a.txt") == nil {
			t.Errorf("%s: status %d", name, status)
		}
		w.check(t)
	}
}
