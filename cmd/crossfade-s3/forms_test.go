package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/crossfade-io/crossfade/functions/pull"
	"github.com/crossfade-io/crossfade/testutil/lambdaapi"
	"github.com/crossfade-io/crossfade/testutil/sqssim"
)

// takesEveryForm: one function, invoked in every form that the package accepts.
func takesEveryForm(t *testing.T, w *world) {
	w.deploy(t, lambdaapi.Options{})
	const task = `{"taskId":"dGFza2lkZ29lc2hlcmUK","resultCode":"Succeeded","resultString":"not on the target"}`
	for i, form := range []struct{ doc, answer string }{
		{"put", "null"},
		{"sns-direct", "null"},
		{"sns-direct-eventbridge", "null"},
		{"eventbridge", "null"},
		{"on-failure", "null"},
		{"sqs-one", `{"batchItemFailures":[]}`},
		{"batch-1", task},
		{"batch-2", task},
	} {
		doc, err := os.ReadFile(filepath.Join("..", "..", "functions", "s3", "testdata", form.doc+".json"))
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("Form%d", i)
		w.put(t, "in/"+name+" Face.jpg", form.doc)
		a := w.invoke(t, bytes.ReplaceAll(doc, []byte("Happy"), []byte(name)))
		if a.Failed || !strings.Contains(string(a.Payload), form.answer) {
			t.Errorf("%s: %s", form.doc, a.Payload)
		}
		if o := w.target.Get("2026/" + name + " Face.jpg"); o == nil || string(o.Body) != form.doc {
			t.Errorf("%s: on the target %+v", form.doc, o)
		}
	}
	w.put(t, "in/m3 Happy Face.jpg", "by EventBridge")
	w.put(t, "in/m5 Happy Face.jpg", "after a failure")
	doc, err := os.ReadFile(filepath.Join("..", "..", "functions", "s3", "testdata", "sqs-forms.json"))
	if err != nil {
		t.Fatal(err)
	}
	if a := w.invoke(t, doc); a.Failed || string(a.Payload) != `{"batchItemFailures":[{"itemIdentifier":"m7"},{"itemIdentifier":"m8"}]}` {
		t.Errorf("a queue of all: %s", a.Payload)
	}
	if w.target.Get("2026/m3 Happy Face.jpg") == nil || w.target.Get("2026/m5 Happy Face.jpg") == nil {
		t.Error("not all of the queue's messages are done")
	}
}

// answersForMessages: what no retry can help is sent to the dead-letter queue, with
// the reason, and is done with; what is to be tried again is soon visible.
func answersForMessages(t *testing.T, w *world) {
	w.queues.Create("dead", 0, "")
	w.queues.Create("q", 100, "dead")
	w.env = append(w.env, "CROSSFADE_DEAD_LETTER="+sqssim.URL("dead"))
	w.deploy(t, lambdaapi.Options{})
	docs := w.notifications()
	w.put(t, "in/refused", "body")
	w.gate.refuse.Store(true)

	alien := string(bytes.ReplaceAll((*docs)[0], []byte(`"photos"`), []byte(`"other"`)))
	w.queues.Send("q", alien)
	w.queues.Send("q", string((*docs)[0]))
	out, err := w.queues.Client().ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
		QueueUrl: aws.String(sqssim.URL("q")), MaxNumberOfMessages: 10, VisibilityTimeout: 900,
	})
	if err != nil || len(out.Messages) != 2 {
		t.Fatalf("%v, %+v", err, out)
	}
	payload, err := sqssim.Batch("arn:aws:sqs:us-east-1:"+sqssim.Account+":q", out.Messages)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"batchItemFailures":[{"itemIdentifier":%q}]}`, *out.Messages[1].MessageId)
	if a := w.invoke(t, payload); a.Failed || string(a.Payload) != want {
		t.Errorf("%s, want %s", a.Payload, want)
	}
	if dead := w.queues.Messages("dead"); len(dead) != 1 || dead[0].Body != alien || dead[0].Attributes[pull.AttributeReason] != "another bucket" {
		t.Errorf("dead letters %+v", dead)
	}
	for _, m := range w.queues.Messages("q") {
		if again := time.Until(m.VisibleAt); (m.Body != alien) != (again < 2*time.Minute) {
			t.Errorf("%s comes again in %s", m.Body, again)
		}
	}
}
