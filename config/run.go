package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Run says how crossfade run gets its events, where there are no functions.
type Run struct {
	Listen      string        // address of webhooks, health and metrics; default 127.0.0.1:8080
	Concurrency int           // events in work at once; default 16
	Grace       time.Duration // for what is in work when the process is to end; default 25s

	// Events are of the source, ReverseEvents of the target: for the way back.
	Events, ReverseEvents []Events
}

// Events is one place that events come from: exactly one of SQS, PubSub, Webhook
// and Watch is set.
type Events struct {
	SQS     string // URL of a queue
	PubSub  string // a subscription, projects/P/subscriptions/S
	Webhook WebhookKind
	Watch   *Watch

	// DeadLetter is where events go that no retry can help: with SQS the URL of a
	// queue, with PubSub a topic, projects/P/topics/T. "" leaves them to the
	// service's own rule.
	DeadLetter string

	Token Secret // of a webhook: what its requests must carry; zero where it may be none
}

// WebhookKind is whose events a webhook takes.
type WebhookKind string

// The kinds. A webhook listens at /events/ and its kind.
const (
	WebhookS3        WebhookKind = "s3"        // S3 notifications, as MinIO sends them
	WebhookGCS       WebhookKind = "gcs"       // Eventarc or Pub/Sub push
	WebhookEventGrid WebhookKind = "eventgrid" // Event Grid
)

// Watch looks after a local directory.
type Watch struct {
	Rescan time.Duration // between looks at all of it, for what the watcher missed; default 15m
}

// Scheme is of the stores whose events these are.
func (e Events) Scheme() string {
	switch {
	case e.SQS != "", e.Webhook == WebhookS3:
		return "s3"
	case e.PubSub != "", e.Webhook == WebhookGCS:
		return "gs"
	case e.Webhook == WebhookEventGrid:
		return "az"
	default:
		return "file"
	}
}

// Name tells one from the others in logs.
func (e Events) Name() string {
	switch {
	case e.SQS != "":
		return "sqs " + e.SQS
	case e.PubSub != "":
		return "pubsub " + e.PubSub
	case e.Webhook != "":
		return "webhook " + string(e.Webhook)
	default:
		return "watch"
	}
}

// runDraft is a Run on its way.
type runDraft struct {
	Run
	events, reverse []*Events
}

func newRunDraft() runDraft {
	return runDraft{Run: Run{Listen: "127.0.0.1:8080", Concurrency: 16, Grace: 25 * time.Second}}
}

const (
	minToken   = 16
	wantEvents = "- sqs: https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade"
	wantListen = "write host:port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for every interface"
	wantSub    = "write projects/PROJECT/subscriptions/NAME"
	wantTopic  = "write projects/PROJECT/topics/NAME"
	wantHook   = "write s3, gcs or eventgrid"
)

func (d *runDraft) fields() []*field {
	return []*field{
		{path: "run.listen", want: wantListen, set: of(address(&d.Listen))},
		whole("run.concurrency", &d.Concurrency, 1, maxConcurrency),
		span("run.grace", &d.Grace),
		events("run.events", &d.events),
		events("run.reverse_events", &d.reverse),
	}
}

// events is a list of places that events come from.
func events(path string, to *[]*Events) *field {
	return &field{path: path, kind: sections, want: wantEvents, element: func(path string) []*field {
		e, watch := &Events{}, &Watch{Rescan: 15 * time.Minute}
		*to = append(*to, e)
		e.Watch = watch // unless it turns out that another is meant
		return []*field{
			{path: path + ".sqs", want: wantQueue, set: of(queue(&e.SQS))},
			{path: path + ".pubsub", want: wantSub, set: of(resource(&e.PubSub, "subscriptions", wantSub))},
			{path: path + ".dead_letter", want: wantQueue + ", or " + wantTopic, set: of(func(s string) error { e.DeadLetter = s; return nil })},
			{path: path + ".webhook", want: wantHook, set: of(webhookKind(&e.Webhook))},
			{path: path + ".token", secret: true, want: fmt.Sprintf("write at least %d letters, digits or signs without spaces, such as ${WEBHOOK_TOKEN}", minToken), set: of(token(&e.Token))},
			span(path+".watch.rescan", &watch.Rescan),
		}
	}}
}

func address(to *string) func(string) error {
	return func(s string) error {
		host, port, err := net.SplitHostPort(s)
		odd := strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r >= 0x7f })
		if n, perr := strconv.Atoi(port); err != nil || perr != nil || odd || n < 0 || n > 65535 {
			return fmt.Errorf("%q is no address to listen at: %s", s, wantListen)
		}
		*to = s
		return nil
	}
}

// resource reads the name of something of Pub/Sub.
func resource(to *string, collection, want string) func(string) error {
	// Pub/Sub: "Guidelines to name a topic or a subscription". Projects may have a
	// domain before their name.
	form := regexp.MustCompile(`^projects/[a-z0-9.:-]{1,100}/` + collection + `/[A-Za-z][A-Za-z0-9._~%+-]{2,254}$`)
	return func(s string) error {
		if !form.MatchString(s) {
			return fmt.Errorf("%s is not of Pub/Sub: %s", quoted(s), want)
		}
		*to = s
		return nil
	}
}

func webhookKind(to *WebhookKind) func(string) error {
	return func(s string) error {
		k := WebhookKind(s)
		if k != WebhookS3 && k != WebhookGCS && k != WebhookEventGrid {
			return fmt.Errorf("%q is no kind of webhook: %s", s, wantHook)
		}
		*to = k
		return nil
	}
}

func token(to *Secret) func(string) error {
	return func(s string) error {
		plain := !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
		if len(s) < minToken || !plain {
			return fmt.Errorf("is no token: write at least %d letters, digits or signs without spaces, such as ${WEBHOOK_TOKEN}", minToken)
		}
		*to = NewSecret(s)
		return nil
	}
}

// finishRun checks what is said of crossfade run.
func (l *loading) finishRun() {
	if !l.any("run") || l.wrong["run"] {
		return
	}
	d := l.draft
	run := &d.run
	d.Run = &run.Run
	if !l.has("run.events") && !l.has("run.reverse_events") {
		l.add(l.at("run"), "run.events", "is not set: say where the source's events come from, such as %s", wantEvents)
	}
	run.Events = l.finishEvents("run.events", run.events, "source", d.Source)
	run.ReverseEvents = l.finishEvents("run.reverse_events", run.reverse, "target", d.Target)
}

// finishEvents checks one list of places that events of a store come from.
func (l *loading) finishEvents(path string, drafts []*Events, side string, end Location) (all []Events) {
	if l.right(path) && len(drafts) == 0 {
		l.add(l.at(path), path, "is empty: write one, such as %s, or remove the list", wantEvents)
	}
	seen := map[string]string{}
	for i, e := range drafts {
		at := element(path, i)
		if l.wrong[at] || !l.oneOfEvents(at) {
			continue
		}
		if !l.any(at + ".watch") {
			e.Watch = nil
		}
		l.finishDeadLetter(at, e)
		l.finishWebhook(at, e)
		kind := l.kindOf(at)
		switch first := seen[e.Name()]; {
		case l.wrong[at+"."+kind]:
			continue
		case first != "":
			l.add(l.at(at), at, "is the same as %s: keep one", first)
		case l.right(side) && end.Scheme != e.Scheme():
			l.add(l.at(at), at+"."+kind, "has the events of %s:// stores, and the %s is %s: %s", e.Scheme(), side, l.told(side, end), eventsFrom[end.Scheme])
		}
		seen[e.Name()] = at
		all = append(all, *e)
	}
	return all
}

// eventsFrom is where the events of a store can come from.
var eventsFrom = map[string]string{
	"s3": "use sqs, or webhook: s3", "gs": "use pubsub, or webhook: gcs", "az": "use webhook: eventgrid", "file": "use watch",
}

// ways are the fields of Events of which there must be one.
var ways = []string{"sqs", "pubsub", "webhook", "watch"}

// kindOf is the way that is given at a path.
func (l *loading) kindOf(path string) string {
	return ways[slices.IndexFunc(ways, func(w string) bool { return l.any(path + "." + w) })]
}

// oneOfEvents reports whether there is exactly one way.
func (l *loading) oneOfEvents(path string) bool {
	var given []string
	for _, w := range ways {
		if l.any(path + "." + w) {
			given = append(given, w)
		}
	}
	switch len(given) {
	case 1:
		return true
	case 0:
		l.add(l.at(path), path, "has none of %s: write one", strings.Join(ways, ", "))
	default:
		l.add(l.at(path), path, "has %s: write one of them, and another item for the other", strings.Join(given, " and "))
	}
	return false
}

// finishDeadLetter checks it against what it belongs to.
func (l *loading) finishDeadLetter(path string, e *Events) {
	at := path + ".dead_letter"
	if !l.right(at) {
		return
	}
	var err error
	switch {
	case l.has(path + ".sqs"):
		err = queue(new(string))(e.DeadLetter)
		if err == nil && e.DeadLetter == e.SQS {
			err = errors.New("is the queue itself: name another")
		}
	case l.has(path + ".pubsub"):
		err = resource(new(string), "topics", wantTopic)(e.DeadLetter)
	default:
		err = errors.New("belongs to sqs or pubsub: remove it")
	}
	it := l.doc.items[at][0]
	switch {
	case err == nil:
	case it.expanded:
		l.add(it.at, at, "%s with the environment filled in does not do: name the queue of sqs, or the topic of pubsub", quoted(it.raw))
	default:
		l.add(it.at, at, "%v", err)
	}
}

// finishWebhook asks for a token where others can reach the webhook.
func (l *loading) finishWebhook(path string, e *Events) {
	given, webhook := l.has(path+".token"), l.has(path+".webhook")
	switch {
	case given && !webhook:
		l.add(l.at(path+".token"), path+".token", "belongs to a webhook: remove it")
	case webhook && !given && !l.wrong["run.listen"] && !loopback(l.draft.run.Listen):
		l.add(l.at(path), path+".token", "is not set, and others can reach run.listen: write one, such as ${WEBHOOK_TOKEN}, or listen at 127.0.0.1")
	}
}

// loopback reports whether only this machine reaches an address.
func loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// runView is what may be shown of a Run.
type runView struct {
	Listen        string       `json:"listen" yaml:"listen"`
	Concurrency   int          `json:"concurrency" yaml:"concurrency"`
	Grace         string       `json:"grace" yaml:"grace"`
	Events        []eventsView `json:"events,omitempty" yaml:"events,omitempty"`
	ReverseEvents []eventsView `json:"reverse_events,omitempty" yaml:"reverse_events,omitempty"`
}

type eventsView struct {
	SQS        string      `json:"sqs,omitempty" yaml:"sqs,omitempty"`
	PubSub     string      `json:"pubsub,omitempty" yaml:"pubsub,omitempty"`
	DeadLetter string      `json:"dead_letter,omitempty" yaml:"dead_letter,omitempty"`
	Webhook    WebhookKind `json:"webhook,omitempty" yaml:"webhook,omitempty"`
	Token      string      `json:"token,omitempty" yaml:"token,omitempty"`
	Watch      *watchView  `json:"watch,omitempty" yaml:"watch,omitempty"`
}

type watchView struct {
	Rescan string `json:"rescan" yaml:"rescan"`
}

func (r *Run) view() *runView {
	if r == nil {
		return nil
	}
	list := func(all []Events) (views []eventsView) {
		for _, e := range all {
			v := eventsView{SQS: e.SQS, PubSub: e.PubSub, DeadLetter: e.DeadLetter, Webhook: e.Webhook}
			if !e.Token.IsZero() {
				v.Token = e.Token.String()
			}
			if e.Watch != nil {
				v.Watch = &watchView{Rescan: e.Watch.Rescan.String()}
			}
			views = append(views, v)
		}
		return views
	}
	return &runView{Listen: r.Listen, Concurrency: r.Concurrency, Grace: r.Grace.String(), Events: list(r.Events), ReverseEvents: list(r.ReverseEvents)}
}
