package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/functions/redrive"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/sqssim"
)

func TestRedrive(t *testing.T) {
	w := newWorld(t)
	sim := sqssim.New()
	sim.Create("dead", 0, "")
	sim.Create("main", 0, "")
	server := httptest.NewServer(sim)
	defer server.Close()
	queue := func(name string) string { return server.URL + "/" + sqssim.Account + "/" + name }
	notify := func(bucket, key string) {
		sim.Send("dead", fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-11-03T10:15:30Z","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":%q},"object":{"key":%q}}}]}`, bucket, key))
	}
	seeded, _ := w.ends[control.Source].bucket.List("", "", false, 1)
	key := seeded[0].Name
	notify("source", key)
	notify("source", key)
	notify("elsewhere", key)
	sim.Send("dead", "garbage")

	stdout, _ := w.want(exitDone, "redrive", queue("dead"), "--wait", "0s", "--list")
	w.says(stdout, "listed     2026-11-03T10:15:30Z  ObjectCreated:Put  source "+key+"  received 1 times", "cannot be understood: not an S3 notification", "4 listed")
	stdout, _ = w.want(exitIncomplete, "redrive", queue("dead"), "--wait", "0s", "-f", w.file)
	w.says(stdout, "kept", "4 kept") // the migration is not begun

	w.want(exitDone, "init", "-f", w.file)
	stdout, _ = w.want(exitIncomplete, "redrive", queue("dead"), "--wait", "0s", "-f", w.file, "--dry-run")
	w.says(stdout, "dry run: nothing was changed", "3 to sync, 1 kept")
	if got := len(sim.Messages("dead")); got != 4 {
		t.Fatalf("%d messages after a dry run", got)
	}
	stdout, _ = w.want(exitIncomplete, "redrive", queue("dead"), "--wait", "0s", "-f", w.file, "--discard-undecodable", "--json")
	var out redriveResult
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		t.Fatal(err)
	}
	if out.Summary != (redrive.Summary{Synced: 2, Kept: 1, Discarded: 1}) || len(out.Messages) != 4 || out.Queue != queue("dead") {
		t.Errorf("%+v", out)
	}
	if w.ends[control.Target].bucket.Get(key) == nil {
		t.Errorf("%q is not on the target", key)
	}

	stdout, _ = w.want(exitDone, "redrive", queue("dead"), "--wait", "0s", "--to", queue("main"))
	w.says(stdout, "1 sent on")
	if dead, sent := len(sim.Messages("dead")), sim.Messages("main"); dead != 0 || len(sent) != 1 || !strings.Contains(sent[0].Body, "elsewhere") {
		t.Errorf("%d left, sent %+v", dead, sent)
	}
	stdout, _ = w.want(exitDone, "redrive", queue("dead"), "--wait", "0s", "--list")
	w.says(stdout, "no messages")
	_, stderr := w.want(exitIncomplete, "redrive", queue("none"), "--wait", "0s", "--list")
	w.says(stderr, "receiving: ", "QueueDoesNotExist")
}

// What is wrong with the use of the verb is said before anything is opened.
func TestRedriveRefusals(t *testing.T) {
	t.Parallel()
	const sqs = "https://sqs.eu-central-1.amazonaws.com/123456789012/dead"
	across, alike := filepath.Join(t.TempDir(), "across.yaml"), filepath.Join(t.TempDir(), "alike.yaml")
	for name, ends := range map[string]string{
		across: "source: s3://shop\ntarget: gs://shop\n", alike: "source: s3://shop\ntarget: s3://shop?endpoint=https://minio.example\n",
	} {
		if err := os.WriteFile(name, []byte("name: shop\n"+ends), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "give the dead-letter queue"},
		{[]string{"dead", "--list"}, `queue "dead": write the URL of an SQS queue`},
		{[]string{"projects/shop/topics/dead", "--list"}, "is a topic: messages are received from a subscription of it, projects/shop/subscriptions/NAME"},
		{[]string{"projects/shop/snapshots/dead", "--list"}, "or projects/PROJECT/subscriptions/NAME"},
		{[]string{sqs, "--to", "projects/shop/topics/main"}, "is of another service"},
		{[]string{"projects/shop/subscriptions/dead", "--to", "projects/shop/subscriptions/main"}, "is a subscription: messages are sent to its topic, projects/shop/topics/NAME"},
		{[]string{sqs, "--to", "main"}, `--to "main": write the URL of an SQS queue`},
		{[]string{sqs, "--to", sqs}, "--to is the queue itself"},
		{[]string{sqs, "--to", sqs, "--list"}, "give one of --list, --to and --file"},
		{[]string{sqs, "--list", "--discard-undecodable"}, "--list changes nothing"},
		{[]string{sqs, "--list", "--direction", "reverse"}, "--direction is of a migration"},
		{[]string{sqs, "--max", "0"}, "--max 0: it must be from 1"},
		{[]string{sqs, "--wait", "21s"}, "--wait 21s: it must be from 0s to 20s"},
		{[]string{sqs, "--direction", "back"}, `--direction "back"`},
		{[]string{sqs, "-f", "none.yaml"}, "none.yaml: there is no such file"},
		{[]string{sqs, "-f", across, "--direction", "reverse"}, "has events of s3:// stores, and with --direction reverse those of gs://shop/ are synced"},
		{[]string{"projects/shop/subscriptions/dead", "-f", across}, "has events of gs:// stores, and with --direction forward those of s3://shop/ are synced"},
		{[]string{sqs, "-f", alike}, "both ends are called shop: say with --direction whose events these are"},
	} {
		w := newCLI(t)
		_, stderr := w.want(exitUsage, append([]string{"redrive"}, c.args...)...)
		w.says(stderr, c.want)
	}
}
