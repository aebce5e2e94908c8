package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// running is a migration whose events come by every way that its stores have.
const running = least + `run:
  listen: 0.0.0.0:9000
  concurrency: 8
  grace: 40s
  events:
    - sqs: https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade
      dead_letter: https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade-dead
    - webhook: s3
      token: hunter2-hunter2-hunter2
  reverse_events:
    - pubsub: projects/shop/subscriptions/crossfade
      dead_letter: projects/shop/topics/crossfade-dead
    - webhook: gcs
      token: ${WEBHOOK:-hunter2-hunter2-hunter2}
`

func TestLoadRun(t *testing.T) {
	t.Parallel()
	m, err := load(running)
	if err != nil {
		t.Fatal(err)
	}
	const queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade"
	want := runView{
		Listen: "0.0.0.0:9000", Concurrency: 8, Grace: "40s",
		Events: []eventsView{{SQS: queue, DeadLetter: queue + "-dead"}, {Webhook: WebhookS3, Token: "[redacted]"}},
		ReverseEvents: []eventsView{
			{PubSub: "projects/shop/subscriptions/crossfade", DeadLetter: "projects/shop/topics/crossfade-dead"}, {Webhook: WebhookGCS, Token: "[redacted]"},
		},
	}
	if got := *m.Run.view(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant\n%+v", got, want)
	}
	if m.Run.Events[1].Token.Reveal() != "hunter2-hunter2-hunter2" || m.Run.ReverseEvents[1].Token.Reveal() != "hunter2-hunter2-hunter2" {
		t.Error("a token is lost")
	}
	for form, text := range printed(t, m) {
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s: %s", form, text)
		}
	}
	for form, text := range printed(t, *m.Run) {
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s: %s", form, text)
		}
	}
	if text, err := m.Text(); err != nil || !strings.Contains(text, "  events:\n    - sqs: "+queue+"\n      dead_letter: ") {
		t.Errorf("%v\n%s", err, text)
	}
	for _, other := range [][2]string{{"concurrency: 8", "concurrency: 9"}, {"crossfade-dead", "crossfade-lost"}, {"webhook: gcs", "webhook: gcs #"}} {
		o, err := load(strings.Replace(running, other[0], other[1], 1))
		if err != nil || (o.Digest() == m.Digest()) != strings.Contains(other[1], "#") {
			t.Errorf("%q: %v", other[1], err)
		}
	}
}

func TestLoadRunLeast(t *testing.T) {
	t.Parallel()
	m, err := load("{name: shop, source: 'file:///srv/uploads', target: 'az://shop', run: {events: [{watch: {}}], reverse_events: [{webhook: eventgrid}]}}")
	if err != nil {
		t.Fatal(err)
	}
	if r := m.Run; r.Listen != "127.0.0.1:8080" || r.Concurrency != 16 || r.Grace != 25*time.Second || r.Events[0].Watch.Rescan != 15*time.Minute || r.ReverseEvents[0].Watch != nil {
		t.Errorf("%+v", r)
	}
	if m, err := load(least); err != nil || m.Run != nil {
		t.Errorf("%+v, %v", m.Run, err)
	}
	// The environment alone makes no list of events.
	m, err = load(least+"run: {events: [{sqs: '${Q}'}]}\n", "Q=http://localhost:9324/000000000000/q", "CROSSFADE_RUN_LISTEN=:80", "CROSSFADE_RUN_GRACE=1m")
	if err != nil || m.Run.Listen != ":80" || m.Run.Grace != time.Minute || m.Run.Events[0].SQS != "http://localhost:9324/000000000000/q" {
		t.Errorf("%+v, %v", m.Run, err)
	}
	if _, err := load(least, "CROSSFADE_RUN_LISTEN=:80"); err == nil || !strings.Contains(err.Error(), "run.events: is not set") {
		t.Error(err)
	}
}

// What an Events is, by what it has.
func TestEvents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		e            Events
		scheme, name string
	}{
		{Events{SQS: "https://h/1/q"}, "s3", "sqs https://h/1/q"},
		{Events{PubSub: "projects/p/subscriptions/s"}, "gs", "pubsub projects/p/subscriptions/s"},
		{Events{Webhook: WebhookS3}, "s3", "webhook s3"},
		{Events{Webhook: WebhookGCS}, "gs", "webhook gcs"},
		{Events{Webhook: WebhookEventGrid}, "az", "webhook eventgrid"},
		{Events{Watch: &Watch{}}, "file", "watch"},
	} {
		if c.e.Scheme() != c.scheme || c.e.Name() != c.name {
			t.Errorf("%+v: %s, %s", c.e, c.e.Scheme(), c.e.Name())
		}
	}
	for _, listen := range []string{"127.0.0.1:80", "[::1]:80", "localhost:80"} {
		if !loopback(listen) {
			t.Errorf("%s is on loopback", listen)
		}
	}
	for _, listen := range []string{":80", "0.0.0.0:80", "[::]:80", "10.0.0.1:80", "example.com:80"} {
		if loopback(listen) {
			t.Errorf("%s is not on loopback", listen)
		}
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	const connection = "AZURE_STORAGE_CONNECTION_STRING=DefaultEndpointsProtocol=https; accountname = Two;AccountKey=hunter2=="
	for _, c := range []struct {
		url, want string
		environ   []string
	}{
		{"https://One.blob.core.windows.net/shop", "one", []string{connection}},
		{"az://shop", "two", []string{connection, "AZURE_STORAGE_ACCOUNT=three"}},
		{"az://shop", "three", []string{"AZURE_STORAGE_ACCOUNT=Three"}},
		{"az://shop", "", nil},
		{"s3://shop", "", []string{connection}},
	} {
		l, err := ParseLocation(c.url)
		if got := l.Account(lookupIn(c.environ)); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.url, got, err, c.want)
		}
	}
}
