package pubsub_test

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cloudpubsub "cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/pull"
	"github.com/crossfade-io/crossfade/functions/pull/pubsub"
	"github.com/crossfade-io/crossfade/store"
)

const (
	topic = "projects/shop/topics/changes"
	dead  = "projects/shop/topics/dead"
	sub   = "projects/shop/subscriptions/crossfade"
	grave = "projects/shop/subscriptions/grave"
)

// world is the official fake of Pub/Sub, and what takes events from it.
type world struct {
	*pstest.Server
	t      *testing.T
	client *cloudpubsub.Client
	log    *lines
	stop   context.CancelFunc
	puller *pubsub.Puller
	end    chan error
}

type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Server: pstest.NewServer(), t: t, log: &lines{}, end: make(chan error, 1)}
	t.Cleanup(func() { w.Close() })
	conn, err := grpc.NewClient(w.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if w.client, err = cloudpubsub.NewClient(t.Context(), "shop", option.WithGRPCConn(conn)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.client.Close() })
	for topic, sub := range map[string]string{topic: sub, dead: grave} {
		if _, err := w.client.TopicAdminClient.CreateTopic(t.Context(), &pubsubpb.Topic{Name: topic}); err != nil {
			t.Fatal(err)
		}
		s := &pubsubpb.Subscription{Name: sub, Topic: topic, AckDeadlineSeconds: 10}
		if _, err := w.client.SubscriptionAdminClient.CreateSubscription(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// start takes events; do answers them.
func (w *world) start(do func(context.Context, functions.Event) functions.Verdict, opts pubsub.Options) {
	w.t.Helper()
	opts.Subscription, opts.Random, opts.Log = sub, func() float64 { return 0.99 }, slog.New(slog.NewTextHandler(w.log, nil))
	var err error
	if w.puller, err = pubsub.New(w.client, opts); err != nil {
		w.t.Fatal(err)
	}
	var ctx context.Context
	ctx, w.stop = context.WithCancel(w.t.Context())
	go func() { w.end <- w.puller.Run(ctx, sink(do)) }()
	w.t.Cleanup(w.stop)
}

// over stops taking events.
func (w *world) over() {
	w.t.Helper()
	w.stop()
	if err := <-w.end; err != nil {
		w.t.Error(err)
	}
}

type sink func(context.Context, functions.Event) functions.Verdict

func (s sink) Process(ctx context.Context, events []functions.Event) (verdicts []functions.Verdict) {
	for _, e := range events {
		v := functions.Verdict{}
		if e.Malformed != nil {
			v = functions.Verdict{Outcome: functions.DeadLetter, Kind: store.Invalid, Reason: "malformed"}
		} else if s != nil {
			v = s(ctx, e)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

func (w *world) notify(key string) string {
	return w.Publish(topic, nil, map[string]string{"eventType": "OBJECT_FINALIZE", "bucketId": "shop", "objectId": key, "payloadFormat": "NONE"})
}

// until waits for what other goroutines bring about.
func until(t *testing.T, what func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !what(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}

// What is done is acknowledged, and what is to come again is delivered again.
func TestAckAndRetry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	seen := map[string]int{}
	w.start(func(_ context.Context, e functions.Event) functions.Verdict {
		mu.Lock()
		defer mu.Unlock()
		seen[e.Key]++
		if e.Bucket != "shop" || !e.Created {
			t.Errorf("%+v", e)
		}
		if e.Key == "again" && seen[e.Key] == 1 {
			return functions.Verdict{Outcome: functions.Retry, Kind: store.Unknown}
		}
		return functions.Verdict{}
	}, pubsub.Options{})
	ids := []string{w.notify("a"), w.notify("again"), w.notify("b")}
	until(t, func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return w.Message(id).Acks == 0 })
	})
	w.over()
	if seen["again"] != 2 || seen["a"] != 1 || seen["b"] != 1 || w.puller.Err() != nil {
		t.Errorf("seen %v, %v", seen, w.puller.Err())
	}
}

// What no retry can help is published as it came, with the reason, or is
// delivered again.
func TestDeadLetter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(nil, pubsub.Options{DeadLetter: dead})
	id := w.Publish(topic, []byte("nonsense"), map[string]string{"a": "b"})
	until(t, func() bool { return w.Message(id).Acks == 1 })
	w.over()
	got := w.Messages()
	m := got[len(got)-1]
	if len(got) != 2 || string(m.Data) != "nonsense" || m.Attributes["a"] != "b" || m.Attributes[pull.AttributeFrom] != sub ||
		!strings.HasPrefix(m.Attributes[pull.AttributeReason], "malformed: not a notification of Cloud Storage") {
		t.Errorf("%d messages, %+v", len(got), m)
	}
}

// A dead letter that cannot be published, or has no topic, is not acknowledged.
func TestDeadLetterStays(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]pubsub.Options{"no topic": {}, "missing": {DeadLetter: "projects/shop/topics/missing"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.start(nil, opts)
			id := w.Publish(topic, []byte("nonsense"), nil)
			until(t, func() bool {
				return w.Message(id).Deliveries >= 1 && (opts.DeadLetter == "" || strings.Contains(w.log.String(), "could not be published"))
			})
			w.over()
			if m := w.Message(id); m.Acks != 0 {
				t.Errorf("acknowledged: %+v", m)
			}
		})
	}
}

// When it is to end, what is in work is finished, what is not done is given back
// at once, and the message of a process that is gone comes to the next.
func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	began, proceed := make(chan struct{}, 2), make(chan struct{})
	w.start(func(ctx context.Context, e functions.Event) functions.Verdict {
		began <- struct{}{}
		<-proceed
		if ctx.Err() != nil {
			t.Error("the work was cancelled")
		}
		if e.Key == "cut" {
			return functions.Verdict{Outcome: functions.Retry, After: time.Hour, Reason: "ran out of time"}
		}
		return functions.Verdict{}
	}, pubsub.Options{})
	done, cut := w.notify("done"), w.notify("cut")
	<-began
	<-began
	w.stop()
	late := w.notify("late")
	close(proceed)
	w.over()
	until(t, func() bool { return w.Message(done).Acks == 1 })
	if w.Message(cut).Acks != 0 || w.Message(late).Acks != 0 {
		t.Errorf("cut %+v, late %+v", w.Message(cut), w.Message(late))
	}
	w.start(nil, pubsub.Options{})
	until(t, func() bool { return w.Message(cut).Acks == 1 && w.Message(late).Acks == 1 })
	w.over()
	if w.Message(done).Deliveries != 1 {
		t.Errorf("delivered again: %+v", w.Message(done))
	}
}

// A subscription that is not there is asked for seldom, and that is told once.
func TestReceiveFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.client.SubscriptionAdminClient.DeleteSubscription(t.Context(), &pubsubpb.DeleteSubscriptionRequest{Subscription: sub}); err != nil {
		t.Fatal(err)
	}
	w.start(nil, pubsub.Options{})
	time.Sleep(1500 * time.Millisecond) // in which there are two more tries
	w.over()
	if n := strings.Count(w.log.String(), "level=ERROR"); n != 1 || w.puller.Err() == nil {
		t.Errorf("told %d times, %v:\n%s", n, w.puller.Err(), w.log.String())
	}
}

// Nothing of ours is left running; the library's own keep-alive takes ten seconds
// to notice.
func TestNoLeaks(t *testing.T) { // not parallel: it looks at all goroutines
	t.Run("world", func(t *testing.T) {
		w := newWorld(t)
		w.start(nil, pubsub.Options{DeadLetter: dead})
		done, buried := w.notify("a"), w.Publish(topic, []byte("nonsense"), nil)
		until(t, func() bool { return w.Message(done).Acks == 1 && w.Message(buried).Acks == 1 })
		w.over()
	})
	until(t, func() bool {
		stacks := make([]byte, 1<<20)
		return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("pubsub.(*Puller)"))
	})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for want, opts := range map[string]pubsub.Options{
		"no subscription": {},
		"concurrency -1":  {Subscription: sub, Concurrency: -1},
		"extension -1s":   {Subscription: sub, Extension: -time.Second},
	} {
		if _, err := pubsub.New(w.client, opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := pubsub.New(nil, pubsub.Options{Subscription: sub}); err == nil {
		t.Error("no client is accepted")
	}
}
