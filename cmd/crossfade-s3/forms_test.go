package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/lambdaapi"
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
