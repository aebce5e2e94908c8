package s3_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/crossfade-io/crossfade/store"
)

// The answer's exact form, to both schemas.
func TestTasksAnswer(t *testing.T) {
	t.Parallel()
	for doc, schema := range map[string]string{"batch-1": "1.0", "batch-2": "2.0"} {
		s := &syncer{}
		out, err := handler(t, s).Invoke(t.Context(), golden(t, doc))
		want := `{"invocationSchemaVersion":"` + schema + `","treatMissingKeysAs":"TemporaryFailure",` +
			`"invocationId":"YXNkbGZqYWRmaiBhc2RmdW9hZHNmZGpmaGFzbGtkaGZza2RmaAo",` +
			`"results":[{"taskId":"dGFza2lkZ29lc2hlcmUK","resultCode":"Succeeded","resultString":""}]}`
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %s, %v; want %s", doc, out, err, want)
		}
		if len(s.hints) != 1 || s.hints["Happy Face.jpg"] == nil {
			t.Errorf("%s: synced %v", doc, s.hints)
		}
	}
}

// tasks invokes h and returns code and reason by task.
func tasks(t *testing.T, s *syncer, doc string) map[string]string {
	t.Helper()
	out, err := handler(t, s).Invoke(t.Context(), golden(t, doc))
	if err != nil {
		t.Fatal(err)
	}
	var res events.S3BatchJobResponse
	if err := json.Unmarshal(out, &res); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range res.Results {
		got[r.TaskID] = strings.TrimSpace(r.ResultCode + " " + r.ResultString)
	}
	return got
}

// Each task is answered for itself, with the reason where it failed for good.
func TestTasks(t *testing.T) {
	t.Parallel()
	s := &syncer{fails: map[string]store.Kind{"throttled": store.Throttled, "too-large": store.TooLarge}}
	got := tasks(t, s, "batch-many")
	want := map[string]string{
		"task-1":  "Succeeded",
		"task-2":  "Succeeded",
		"task-3":  "TemporaryFailure throttled",
		"task-4":  "PermanentFailure too large",
		"task-5":  "Succeeded",
		"task-6":  `PermanentFailure malformed: the key is not URL-encoded: invalid URL escape "%"`,
		"task-7":  "PermanentFailure another bucket",
		"task-8":  "PermanentFailure malformed: the event names no object",
		"task-9":  "Succeeded outside the prefix",
		"task-10": "PermanentFailure malformed: the key is not UTF-8",
		"task-11": "Succeeded",
		"task-13": "PermanentFailure malformed: not a task: json: cannot unmarshal number into Go struct field task.s3Key of type string",
		"task-12": "PermanentFailure malformed: the event names no bucket",
	}
	if !maps.Equal(got, want) {
		t.Errorf("answered %v, want %v", got, want)
	}
	// A plus is read as itself and as a space.
	if keys := slices.Sorted(maps.Keys(s.hints)); !slices.Equal(keys, []string{"a b", "a+b", "a+b%2F€", "good", "throttled", "too-large", "version"}) {
		t.Errorf("synced %q", keys)
	}
}

func TestTasksMalformed(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		"batch-3":            `PermanentFailure malformed: invocation schema version "3.0" is not 1.0 or 2.0`,
		"batch-access-point": `PermanentFailure malformed: s3BucketArn "arn:aws:s3:us-east-1:0123456788:accesspoint/photos" is not the ARN of a bucket`,
	} {
		s := &syncer{}
		if got := tasks(t, s, doc); got["t"] != want || len(s.hints) > 0 {
			t.Errorf("%s: answered %v, synced %v; want %s", doc, got, s.hints, want)
		}
	}
	// What cannot be answered by task fails as a whole, and syncs nothing.
	for doc, want := range map[string]string{"batch-no-tasks": "has no tasks", "batch-no-id": "without taskId"} {
		s := &syncer{}
		if out, err := handler(t, s).Invoke(t.Context(), golden(t, doc)); err == nil || !strings.Contains(err.Error(), want) || len(s.hints) > 0 {
			t.Errorf("%s: %s, %v; synced %v", doc, out, err, s.hints)
		}
	}
}
