package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/lambdaapi"
	"github.com/crossfade-io/crossfade/testutil/loopback"
	"github.com/crossfade-io/crossfade/testutil/release"
)

// The bootstrap as it is released, on Lambda, follows an S3 bucket into GCS.
func TestBootstrap(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "bootstrap")
	if err := release.Build(t.Context(), bin, release.Options{}, "cmd/crossfade-s3"); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]func(*testing.T, *world){
		"replicates":                replicates,
		"takes every form":          takesEveryForm,
		"answers for messages":      answersForMessages,
		"is observed":               observed,
		"does not start":            doesNotStart,
		"hangs past its deadline":   hangs,
		"gives up before it":        givesUp,
		"is frozen between":         frozenBetween,
		"is shut down":              shutDown,
		"is killed by SIGTERM amid": terminated,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t, bin))
		})
	}
}

func replicates(t *testing.T, w *world) {
	docs := w.notifications()
	w.deploy(t, lambdaapi.Options{Freeze: true})
	w.put(t, "in/a b+c.png", "one")
	w.put(t, "in/gone", "two")
	w.put(t, "out/x", "three")
	if a := w.invoke(t, sqs(t, *docs...)); a.Failed || string(a.Payload) != `{"batchItemFailures":[]}` {
		t.Errorf("batch: %+v", a)
	}
	if o := w.target.Get("2026/a b+c.png"); o == nil || string(o.Body) != "one" || o.ContentType != "image/png" {
		t.Errorf("on the target: %+v", o)
	}
	if w.target.Len() != 2 {
		t.Errorf("%d objects on the target", w.target.Len())
	}

	// Directly, a delete.
	w.remove(t, "in/gone")
	if a := w.invoke(t, (*docs)[len(*docs)-1]); a.Failed || string(a.Payload) != "null" {
		t.Errorf("direct: %+v", a)
	}
	if w.target.Get("2026/gone") != nil {
		t.Error("not deleted")
	}

	// An event of another bucket is nothing to this function.
	alien := bytes.ReplaceAll((*docs)[0], []byte(`"photos"`), []byte(`"other"`))
	if a := w.invoke(t, alien); !a.Failed || !strings.Contains(string(a.Payload), "dead-letter: another bucket") {
		t.Errorf("another bucket: %s", a.Payload)
	}
	if a := w.invoke(t, sqs(t, alien, (*docs)[0])); a.Failed || string(a.Payload) != `{"batchItemFailures":[{"itemIdentifier":"m0"}]}` {
		t.Errorf("another bucket in a batch: %s", a.Payload)
	}
	w.function.Shutdown(10 * time.Second) // its log is complete then
	events := 0
	for line := range strings.Lines(w.stdout.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not a JSON line: %s", line)
		}
		if strings.Contains(line, `"msg":"event"`) {
			events++
		}
	}
	if events != 7 {
		t.Errorf("%d events in the log", events)
	}
	if s := w.function.Stats(); len(s.Inits) != 1 {
		t.Errorf("%+v", s)
	}
}

// sqs wraps notifications as the event source mapping of a queue does.
func sqs(t *testing.T, docs ...[]byte) []byte {
	type record struct {
		ID     string            `json:"messageId"`
		Body   string            `json:"body"`
		Source string            `json:"eventSource"`
		Attrs  map[string]string `json:"attributes"`
	}
	var batch struct{ Records []record }
	for i, doc := range docs {
		batch.Records = append(batch.Records, record{fmt.Sprint("m", i), string(doc), "aws:sqs", map[string]string{"ApproximateReceiveCount": "1"}})
	}
	b, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Lambda is told why, answers so to every caller, and tries again each time.
func doesNotStart(t *testing.T, w *world) {
	env := w.env // the last value of a name counts
	for name, c := range map[string]struct {
		env        string
		kind, text string
		exit       string
	}{
		"a wrong value":  {"CROSSFADE_FOREIGN=yes", "Runtime.ConfigInvalid", `crossfade-s3: CROSSFADE_FOREIGN: "yes"`, "exit status 2"},
		"no such bucket": {"CROSSFADE_TARGET=gs://absent", "Runtime.UnknownReason", "crossfade-s3: CROSSFADE_TARGET: checking gs://absent/", "exit status 1"},
	} {
		w.env = slices.Concat(env, []string{c.env})
		w.deploy(t, lambdaapi.Options{})
		for range 2 {
			a := w.invoke(t, []byte("{}"))
			if a.ErrorType() != c.kind || !strings.Contains(unquoted(t, a.Payload), c.text) {
				t.Errorf("%s: the caller is told %s", name, a.Payload)
			}
		}
		w.function.Shutdown(0)
		if s := w.function.Stats(); len(s.Inits) != 0 || len(s.Exits) != 2 || s.Exits[0] != c.exit {
			t.Errorf("%s: %+v", name, s)
		}
	}
	w.gcs.CreateBucket("absent", false)
	w.env = slices.Concat(env, []string{"CROSSFADE_TARGET=gs://absent"})
	w.deploy(t, lambdaapi.Options{})
	docs := w.notifications()
	w.put(t, "in/x", "one")
	if a := w.invoke(t, (*docs)[0]); a.Failed {
		t.Errorf("once the bucket is there: %s", a.Payload)
	}
}

func unquoted(t *testing.T, payload []byte) string {
	var doc struct{ ErrorMessage string }
	if err := json.Unmarshal(payload, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.ErrorMessage
}

// A process that is not let give up in time is killed by Lambda; its messages
// come again, to another.
func hangs(t *testing.T, w *world) {
	w.deploy(t, lambdaapi.Options{Timeout: 1500 * time.Millisecond})
	queue := w.queue(t)
	hit, open := w.gate.shut()
	for i := range 20 {
		w.put(t, fmt.Sprint("in/", i), "body")
	}
	<-hit
	if err := w.function.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.remove(t, "in/7")
	for w.function.Stats().Timeouts == 0 && t.Context().Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	open()
	w.settled(t, queue, 19)
	if s := w.function.Stats(); len(s.Inits) < 2 {
		t.Errorf("no second process: %+v", s)
	}
}

// Of its own it answers before the deadline, and the process lives on.
func givesUp(t *testing.T, w *world) {
	w.deploy(t, lambdaapi.Options{Timeout: 2 * time.Second})
	docs := w.notifications()
	w.put(t, "in/1", "body")
	hit, open := w.gate.shut()
	go func() { <-hit }()
	if a := w.invoke(t, sqs(t, *docs...)); a.Failed || string(a.Payload) != `{"batchItemFailures":[{"itemIdentifier":"m0"}]}` {
		t.Errorf("while the target hangs: %+v", a)
	}
	open()
	if a := w.invoke(t, sqs(t, *docs...)); a.Failed || string(a.Payload) != `{"batchItemFailures":[]}` || w.target.Len() != 1 {
		t.Errorf("then: %s, %d objects", a.Payload, w.target.Len())
	}
	if s := w.function.Stats(); s.Timeouts != 0 || len(s.Inits) != 1 {
		t.Errorf("%+v", s)
	}
}

// What happens to its connections while it is frozen, it sees afterwards, and
// does what it is asked all the same, the first time.
func frozenBetween(t *testing.T, w *world) {
	w.deploy(t, lambdaapi.Options{Freeze: true})
	docs := w.notifications()
	for i := range 10 {
		*docs = nil
		w.put(t, fmt.Sprint("in/", i, "/a"), "one")
		w.put(t, fmt.Sprint("in/", i, "/b"), "two")
		if i > 0 {
			w.remove(t, fmt.Sprint("in/", i-1, "/a"))
		}
		if a := w.invoke(t, sqs(t, *docs...)); a.Failed || string(a.Payload) != `{"batchItemFailures":[]}` {
			t.Fatalf("round %d: %s", i, a.Payload)
		}
		w.frozen(t, i+1)
		w.cut()
	}
	w.same(t, 11)
	if s := w.function.Stats(); len(s.Inits) != 1 {
		t.Errorf("%+v", s)
	}
}

func shutDown(t *testing.T, w *world) {
	for _, freeze := range []bool{false, true} {
		w.deploy(t, lambdaapi.Options{Freeze: freeze})
		docs := w.notifications()
		w.put(t, "in/x", "one")
		if a := w.invoke(t, (*docs)[0]); a.Failed {
			t.Errorf("%+v", a)
		}
		if freeze {
			w.frozen(t, 1)
		}
		w.function.Shutdown(30 * time.Second)
		if s := w.function.Stats(); len(s.Exits) != 1 || s.Exits[0] != "signal: terminated" {
			t.Errorf("frozen %v: SIGTERM did not end it: %+v", freeze, s)
		}
	}
}

func terminated(t *testing.T, w *world) {
	w.deploy(t, lambdaapi.Options{})
	queue := w.queue(t)
	hit, open := w.gate.shut()
	for i := range 20 {
		w.put(t, fmt.Sprint("in/", i), "body")
	}
	<-hit
	if err := w.function.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	open()
	w.settled(t, queue, 20)
	if s := w.function.Stats(); len(s.Inits) != 2 || len(s.Exits) != 1 {
		t.Errorf("%+v", s)
	}
}

// queue has Lambda's mapping deliver what changes, in batches, from now on.
func (w *world) queue(t *testing.T) *cloudsim.Delivery {
	d := cloudsim.Deliver(t.Context(), w.source, cloudsim.DeliveryOptions{
		Encode: func(c cloudsim.Change) []cloudsim.Document {
			if body, ok := cloudsim.S3Notification(c); ok {
				return []cloudsim.Document{{Body: body}}
			}
			return nil
		},
		Workers: 1, Batch: 10,
		Send: cloudsim.InvokeWithSQS(loopback.Client(), w.invokeURL+lambdaapi.InvokePath, "arn:aws:sqs:us-east-1:000000000000:crossfade"),
	})
	t.Cleanup(d.Stop)
	return d
}

// settled waits until every message was acknowledged, and compares.
func (w *world) settled(t *testing.T, d *cloudsim.Delivery, objects int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := d.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if s := d.Stats(); s.Dead != 0 || s.Redelivered == 0 {
		t.Errorf("%+v", s)
	}
	w.same(t, objects)
}
