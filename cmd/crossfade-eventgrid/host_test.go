package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/azhost"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// world is a container on Azure, its copy on GCS, and the events of the first
// as Event Grid sends them to a queue: one a message, in both schemas by turns.
type world struct {
	clouds         *functest.Clouds
	source, target *cloudsim.Bucket
	events         [][]byte
}

func newWorld(t *testing.T) *world {
	t.Helper()
	clouds := functest.NewClouds(t)
	w := &world{clouds: clouds, source: clouds.Azure.CreateBucket("photos", false), target: clouds.GCS.CreateBucket("photos-copy", false)}
	topic := cloudsim.AzureTopic(cloudsim.AzureAccount)
	w.source.Subscribe(func(c cloudsim.Change) {
		if len(w.events)%2 == 1 {
			doc, _ := cloudsim.EventGridCloudEvent(c, topic)
			w.events = append(w.events, doc)
			return
		}
		doc, _ := cloudsim.EventGridEvents(c, topic)
		var one []json.RawMessage
		if err := json.Unmarshal(doc, &one); err != nil || len(one) != 1 {
			t.Errorf("%d events: %v", len(one), err)
		}
		w.events = append(w.events, one[0])
	})
	return w
}

func (w *world) env(t *testing.T) []string {
	return append(w.clouds.Env(t), "CROSSFADE_SOURCE=az://photos/in", "CROSSFADE_TARGET=gs://photos-copy")
}

func (w *world) put(t *testing.T, key, body string) {
	t.Helper()
	if _, err := w.source.Put(cloudsim.NewObject(key, []byte(body)), cloudsim.Origin{Operation: "PutBlob"}, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// The program, started and invoked by the host for the messages of a storage
// queue, follows a container, whatever form the host gives a message; what it
// cannot do ends in the poison queue, after five deliveries, with the reason in
// the log.
func TestQueueTrigger(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]azhost.Form{"text": azhost.Text, "object": azhost.Object, "base64": azhost.Base64, "quoted": azhost.Quoted} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w := newWorld(t)
			host := azhost.Start(ctx, t, w.env(t), azhost.Options{Form: form})
			keys := []string{"a b+c %#?", "é/ü//", "100%", `q"'&<>`, "plain"}
			for _, key := range keys {
				w.put(t, "in/"+key, "of "+key)
			}
			w.put(t, "in/plain", "again")
			w.put(t, "in/brief", "x")
			if _, _, err := w.source.Delete("in/brief", cloudsim.Origin{Operation: "DeleteBlob"}, false, nil); err != nil {
				t.Fatal(err)
			}
			for _, event := range w.events {
				host.Send(event)
			}
			foreign := strings.Replace(string(w.events[0]), "containers/photos/", "containers/other/", 1)
			host.Send([]byte(foreign))
			host.Send([]byte("the disk is full"))
			if err := host.Drain(ctx); err != nil {
				t.Fatal(err)
			}
			for _, key := range keys {
				want := "of " + key
				if key == "plain" {
					want = "again"
				}
				if o := w.target.Get(key); o == nil || string(o.Body) != want {
					t.Errorf("%q: on the target %+v", key, o)
				}
			}
			if n := w.target.Len(); n != len(keys) {
				t.Errorf("%d objects on the target, want %d", n, len(keys))
			}
			if poison := host.Poison(); len(poison) != 2 || len(host.Failures()) != 10 {
				t.Errorf("poison %q, failures %v", poison, host.Failures())
			}
			for _, line := range append(host.Process.Logged(ctx, t, "another bucket", 5), host.Process.Logged(ctx, t, "the trigger's message is", 5)...) {
				if !strings.Contains(line, `"level":"ERROR"`) {
					t.Errorf("logged %s", line)
				}
			}
			host.Process.Terminate(t)
			if code := host.Process.Exit(ctx, t); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// The host's own Event Grid trigger, and an HTTP trigger as a webhook with its
// handshake. Without forwarding the webhook cannot work, and says what to set.
func TestOtherTriggers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := newWorld(t)
	w.put(t, "in/a", "one")
	w.put(t, "in/b", "two")
	host := azhost.Start(ctx, t, w.env(t), azhost.Options{ForwardHTTP: true})
	if err := host.Event(ctx, w.events[0]); err != nil || w.target.Get("a") == nil {
		t.Errorf("%v; on the target %+v", err, w.target.Get("a"))
	}
	if err := host.Event(ctx, []byte(strings.Replace(string(w.events[0]), "containers/photos/", "containers/other/", 1))); err == nil {
		t.Error("an event of another container is taken")
	}
	post := func(h *azhost.Host, kind, body string) (int, string) {
		server := httptest.NewServer(h)
		defer server.Close()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/api/webhook", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Aeg-Event-Type", kind)
		res, err := loopback.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(answer)
	}
	handshake := `[{"id":"1","topic":"t","subject":"","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"c0de"}}]`
	if status, answer := post(host, "SubscriptionValidation", handshake); status != 200 || strings.TrimSpace(answer) != `{"validationResponse":"c0de"}` {
		t.Errorf("handshake: %d %s", status, answer)
	}
	if status, answer := post(host, "Notification", "["+string(w.events[0])+"]"); status != 200 {
		t.Errorf("webhook: %d %s", status, answer)
	}
	if status, _ := post(host, "Notification", string(w.events[1])); status != 200 || w.target.Get("b") == nil {
		t.Errorf("webhook: %d; on the target %+v", status, w.target.Get("b"))
	}
	closed := azhost.Start(ctx, t, w.env(t), azhost.Options{})
	if status, _ := post(closed, "Notification", "["+string(w.events[0])+"]"); status != 500 {
		t.Errorf("without forwarding: status %d", status)
	}
	closed.Process.Logged(ctx, t, "enableForwardingHttpRequest", 1)
}
