package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cloudpubsub "cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/loopback"
	"github.com/crossfade-io/crossfade/testutil/sqssim"
)

const (
	runTopic        = "projects/shop/topics/changes"
	runSubscription = "projects/shop/subscriptions/crossfade"
)

// runners is a world whose events come by queues to processes that stay.
type runners struct {
	*world
	queue *sqssim.Server
	topic *pstest.Server
}

func newRunners(t *testing.T) *runners {
	w := &runners{world: newWorld(t), queue: sqssim.New(), topic: pstest.NewServer()}
	t.Cleanup(func() { w.topic.Close() })
	w.queue.Create("q", 0, "")
	server := httptest.NewServer(w.queue)
	t.Cleanup(func() {
		server.CloseClientConnections() // long polls of who was killed
		server.Close()
	})
	t.Setenv("PUBSUB_EMULATOR_HOST", w.topic.Addr)
	w.environ = append(w.environ, "PUBSUB_EMULATOR_HOST="+w.topic.Addr)
	client, err := cloudpubsub.NewClient(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err = client.TopicAdminClient.CreateTopic(t.Context(), &pubsubpb.Topic{Name: runTopic}); err != nil {
		t.Fatal(err)
	}
	if _, err = client.SubscriptionAdminClient.CreateSubscription(t.Context(), &pubsubpb.Subscription{Name: runSubscription, Topic: runTopic, AckDeadlineSeconds: 10}); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	section := "run:\n  events: [{sqs: '" + server.URL + "/" + sqssim.Account + "/q'}, {webhook: s3}]\n  reverse_events: [{pubsub: " + runSubscription + "}]\n"
	// A loaded machine is no matter here: who asks has time, and so have the events.
	text := strings.NewReplacer(worldTimeout.String(), "4s", "max_lag: 3s", "max_lag: 1m").Replace(string(file)) + section
	if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.ends[control.Source].bucket.Subscribe(func(c cloudsim.Change) {
		if doc, ok := cloudsim.S3Notification(c); ok {
			w.queue.Send("q", string(doc))
		}
	})
	w.ends[control.Target].bucket.Subscribe(func(c cloudsim.Change) {
		for _, e := range cloudsim.GCSEvents(c) {
			var push struct {
				Message struct {
					Attributes map[string]string `json:"attributes"`
					Data       []byte            `json:"data"`
				} `json:"message"`
			}
			if err := json.Unmarshal(e.PubSub(runSubscription).Body, &push); err != nil {
				t.Error(err)
			}
			w.topic.Publish(runTopic, push.Message.Data, push.Message.Attributes)
		}
	})
	return w
}

// start starts a process for one direction, and returns it and its address.
func (w *runners) start(direction string) (*functest.Process, string) {
	w.t.Helper()
	addr := "127.0.0.1:" + functest.FreePort(w.t)
	p := functest.Start(w.t, append(w.environ, "CROSSFADE_RUN_LISTEN="+addr), "run", "-f", w.file, "--direction", direction)
	if err := p.Listening(w.t.Context(), addr); err != nil {
		w.t.Fatalf("%v\n%s", err, p.Stderr())
	}
	return p, "http://" + addr
}

// settled waits until every event was acknowledged.
func (w *runners) settled(ctx context.Context) {
	w.t.Helper()
	for quiet := 0; quiet < 3; quiet++ { // what one direction wrote is an event of the other
		if err := w.queue.Wait(ctx, "q"); err != nil {
			w.t.Fatalf("the queue: %v, %d messages", err, len(w.queue.Messages("q")))
		}
		for _, m := range w.topic.Messages() {
			for m.Acks == 0 {
				if ctx.Err() != nil {
					w.t.Fatalf("the topic: %v, %+v", ctx.Err(), m)
				}
				time.Sleep(5 * time.Millisecond)
				m = w.topic.Message(m.ID)
				quiet = 0
			}
		}
	}
}

func get(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := loopback.Client().Do(req)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer res.Body.Close()
	return res.StatusCode
}

// A migration without any function: two processes follow, one of them is killed
// at its work, the application moves while it writes, and nothing is lost.
func TestRunThereAndBack(t *testing.T) {
	w := newRunners(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w.want(exitDone, "init", "-f", w.file)
	stop := w.write()
	there, url := w.start("forward")
	back, _ := w.start("reverse")
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		if status := get(t, url+path); status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
	}
	w.want(exitDone, "backfill", "-f", w.file, "-q")
	for w.queue.Calls("DeleteMessageBatch") == 0 {
		time.Sleep(5 * time.Millisecond)
		if ctx.Err() != nil {
			t.Fatal("nothing is done")
		}
	}
	there.Kill()
	there, _ = w.start("forward")
	w.queue.Expire("q")

	w.want(exitDone, "cutover", "-f", w.file, "--yes", "--report", w.dir)
	if side, held := w.sides.At(); held || side != demoapp.Target || w.phase() != control.Reversed {
		t.Fatalf("the application is at the %s (held: %v), and the migration is %s", side, held, w.phase())
	}
	time.Sleep(200 * time.Millisecond) // the application writes there
	stop()
	w.settled(ctx)
	findings := w.app.Checked()
	for side, e := range w.ends {
		f, err := w.app.Compare(ctx, e.client, func(key string) bool { return strings.HasPrefix(key, store.ControlPrefix) })
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range f.Sorted() {
			t.Errorf("%s: %q is %v: %s", side, x.Key, x.Verdict, x.Why)
		}
	}
	for _, x := range findings.Sorted() {
		t.Errorf("read by the application: %q is %v: %s", x.Key, x.Verdict, x.Why)
	}
	for direction, p := range map[string]*functest.Process{"forward": there, "reverse": back} {
		p.Terminate(t)
		if code := p.Exit(ctx, t); code != exitDone {
			t.Errorf("%s: exit %d", direction, code)
		}
		w.says(strings.Join(p.Stdout(), "\n"), `"msg":"running"`, `"msg":"stopped"`)
	}
}

// What is wrong with the use of the verb is said before anything is opened.
func TestRunRefusals(t *testing.T) {
	t.Parallel()
	const stores = "name: shop\nsource: s3://source\ntarget: gs://target\n"
	for _, c := range []struct {
		file string
		args []string
		want string
	}{
		{stores, nil, "the file has no section run: say there where events come from"},
		{stores + "run: {events: [{webhook: s3}]}\n", []string{"--direction", "reverse"}, "run.reverse_events is not set: say where events of gs://target/ come from"},
		{stores + "run: {events: [{webhook: s3}]}\n", []string{"--direction", "back"}, `--direction "back": write forward or reverse`},
		{stores + "run: {events: [{webhook: s3}]}\n", []string{"--log-format", "text"}, `--log-format "text": write json or gcp`},
		{stores + "run: {events: [{webhook: s4}]}\n", nil, `run.events[0].webhook: "s4" is no kind of webhook`},
	} {
		w := newCLI(t)
		file := filepath.Join(t.TempDir(), "crossfade.yaml")
		if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		_, stderr := w.want(exitUsage, append([]string{"run", "-f", file}, c.args...)...)
		w.says(stderr, c.want)
	}
}
