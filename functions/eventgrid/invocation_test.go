package eventgrid_test

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// invocationDone is what the host wants to hear.
const invocationDone = `{"Outputs":{},"Logs":[],"ReturnValue":null}`

// hosted are the headers of a request by the Functions host.
var hosted = http.Header{"Content-Type": {"application/json"}, "X-Azure-Functions-Invocationid": {"24ad4c06-24ad-4e5b-8294-3da9714877e9"}}

// Invocations by the queue trigger and by the Event Grid trigger: in whatever
// form the host hands the message on, its event is the same.
func TestInvocation(t *testing.T) {
	t.Parallel()
	type hints = map[string]replicate.Hint
	created := hints{"new-file.txt": replicate.HintNew}
	again := hints{"new-file.txt": replicate.HintNone} // it may have been done in part
	both := hints{"new-file.txt": replicate.HintNew, "gone": replicate.HintRemoved}
	for _, c := range []struct {
		doc    string
		status int
		want   hints
	}{
		{"queue-object", 200, created},
		{"queue-text", 200, created},
		{"queue-quoted", 200, created},
		{"queue-base64", 200, created},
		{"queue-base64-quoted", 200, created},
		{"queue-cloudevent", 200, created},
		{"queue-deleted", 200, hints{"gone": replicate.HintRemoved}},
		{"queue-array", 200, both},
		{"queue-third-time", 200, again},
		{"queue-third-time-text", 200, again},
		{"queue-overwritten-metadata", 200, created},
		{"queue-odd-metadata", 200, created},
		{"queue-odd-key", 200, hints{"/a+b%2F #é/blobs/x.": replicate.HintNew}},
		{"queue-tier-changed", 200, nil},
		{"trigger", 200, created},
		{"trigger-cloudevent", 200, created},
		{"trigger-batch", 200, both},
		{"queue-another-container", 400, nil},
		{"queue-another-account", 400, nil},
		{"queue-renamed", 400, nil},
		{"queue-not-an-event", 400, nil},
		{"queue-empty", 400, nil},
		{"queue-null", 400, nil},
		{"queue-number", 400, nil},
		{"queue-no-type", 400, nil},
		{"queue-quoted-too-often", 400, nil},
		{"queue-two-bindings", 400, nil},
		{"queue-no-bindings", 400, nil},
		{"queue-data-text", 400, nil},
		{"http-not-forwarded", 400, nil},
	} {
		t.Run(c.doc, func(t *testing.T) {
			t.Parallel()
			s := &syncer{}
			res, body := do(t, s, http.MethodPost, hosted, golden(t, c.doc))
			if res.StatusCode != c.status || !maps.Equal(s.hints, c.want) {
				t.Errorf("status %d, synced %v; want %d, %v", res.StatusCode, s.hints, c.status, c.want)
			}
			if c.status == 200 && (body != invocationDone || res.Header.Get("Content-Type") != "application/json") {
				t.Errorf("answered %q, %s", body, res.Header)
			}
		})
	}
}

// Whatever is not done fails the invocation, for the host to show the message
// again or to move it to the poison queue.
func TestInvocationFails(t *testing.T) {
	t.Parallel()
	for kind, status := range map[store.Kind]int{store.Throttled: 429, store.Denied: 503, store.Unknown: 503, store.TooLarge: 400, store.Archived: 400} {
		s := &syncer{fails: map[string]store.Kind{"new-file.txt": kind}}
		res, body := do(t, s, http.MethodPost, hosted, golden(t, "queue-text"))
		if res.StatusCode != status || strings.Contains(body, "secret") || strings.Contains(body, "new-file") {
			t.Errorf("%s: %d %q", kind, res.StatusCode, body)
		}
	}
	s := &syncer{fails: map[string]store.Kind{"gone": store.Throttled}}
	if res, _ := do(t, s, http.MethodPost, hosted, golden(t, "trigger-batch")); res.StatusCode != 429 {
		t.Errorf("one of two throttled: status %d", res.StatusCode)
	}
}

// bounded tells whether a Sync had a deadline.
type bounded struct{ deadline bool }

func (b *bounded) Sync(ctx context.Context, _ string, _ replicate.Hint) (replicate.Result, error) {
	_, b.deadline = ctx.Deadline()
	return replicate.Result{Action: replicate.Copy}, nil
}

// Event Grid waits for a webhook's answer only so long; a queue waits for as
// long as the function may run, which the Processor knows.
func TestDeadline(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]bool{"created": true, "cloudevent": true, "queue-text": false} {
		b := &bounded{}
		if res, body := do(t, b, http.MethodPost, hosted, golden(t, doc)); res.StatusCode != 200 || b.deadline != want {
			t.Errorf("%s: %d %s, deadline %v", doc, res.StatusCode, body, b.deadline)
		}
	}
}
