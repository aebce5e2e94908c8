package redrive_test

import (
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/redrive"
)

const (
	deadTopic = "projects/shop/topics/dead"
	mainTopic = "projects/shop/topics/main"
	deadSub   = "projects/shop/subscriptions/dead"
	mainSub   = "projects/shop/subscriptions/main"
)

// newPubSub is the official fake of Pub/Sub, with both topics.
func newPubSub(t *testing.T) (*pstest.Server, *pubsub.Client) {
	t.Helper()
	server := pstest.NewServer()
	t.Cleanup(func() { server.Close() })
	conn, err := grpc.NewClient(server.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	client, err := pubsub.NewClient(t.Context(), "shop", option.WithGRPCConn(conn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	for topic, sub := range map[string]string{deadTopic: deadSub, mainTopic: mainSub} {
		if _, err := client.TopicAdminClient.CreateTopic(t.Context(), &pubsubpb.Topic{Name: topic}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.SubscriptionAdminClient.CreateSubscription(t.Context(), &pubsubpb.Subscription{Name: sub, Topic: topic, AckDeadlineSeconds: 10}); err != nil {
			t.Fatal(err)
		}
	}
	return server, client
}

// attributes are those of a notification, as it comes out of a dead-letter topic.
func attributes(key string) map[string]string {
	return map[string]string{
		"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": key, "objectGeneration": "7", "payloadFormat": "NONE",
		"CloudPubSubDeadLetterSourceSubscription": "main-sub", "CloudPubSubDeadLetterSourceDeliveryCount": "5",
	}
}

func TestPubSub(t *testing.T) {
	t.Parallel()
	server, client := newPubSub(t)
	good := server.Publish(deadTopic, nil, attributes("good"))
	denied := server.Publish(deadTopic, nil, attributes("denied"))
	bad := server.Publish(deadTopic, []byte("x"), nil)
	queue := redrive.NewPubSub(client, deadSub, 3*time.Second) // on a busy machine too

	var listed []redrive.Outcome
	sum, err := redrive.Run(t.Context(), t.Context(), redrive.Options{From: queue, Each: func(o redrive.Outcome) { listed = append(listed, o) }})
	if err != nil || sum != (redrive.Summary{Listed: 3}) {
		t.Fatalf("%+v, %v", sum, err)
	}
	for _, o := range listed {
		if o.ID == good && (o.From != "main-sub" || o.Received != 5 || time.Since(o.Sent) > time.Hour || o.Events[0].Key != "good" || o.Undecodable() != nil) {
			t.Errorf("listed %+v", o)
		}
	}

	sum, err = redrive.Run(t.Context(), t.Context(), redrive.Options{From: queue, Discard: true, Proc: procFunc(func(e functions.Event) functions.Verdict {
		if e.Key == "denied" {
			return functions.Verdict{Outcome: functions.Retry, Reason: "denied"}
		}
		return functions.Verdict{}
	})})
	if err != nil || sum != (redrive.Summary{Synced: 1, Kept: 1, Discarded: 1}) {
		t.Fatalf("%+v, %v", sum, err)
	}
	for id, want := range map[string]bool{good: true, denied: false, bad: true} {
		if got := server.Message(id).Acks > 0; got != want {
			t.Errorf("message %s is acknowledged: %v, want %v", id, got, want)
		}
	}

	topic := redrive.NewTopic(client, mainTopic)
	defer topic.Stop()
	if sum, err = redrive.Run(t.Context(), t.Context(), redrive.Options{From: queue, To: topic}); err != nil || sum != (redrive.Summary{Sent: 1}) {
		t.Fatalf("%+v, %v", sum, err)
	}
	if server.Message(denied).Acks == 0 {
		t.Error("what was sent on is not acknowledged")
	}
	sent := server.Messages()[len(server.Messages())-1]
	if sent.Topic != mainTopic || len(sent.Attributes) != 5 || sent.Attributes["objectId"] != "denied" {
		t.Errorf("sent %+v", sent)
	}
}

// That nothing came may also mean that nobody was there.
func TestPubSubUnreachable(t *testing.T) {
	t.Parallel()
	_, client := newPubSub(t)
	if messages, err := redrive.NewPubSub(client, deadSub, 0).Receive(t.Context(), 10); err != nil || len(messages) != 0 {
		t.Errorf("an empty subscription: %v, %v", messages, err)
	}
	conn, err := grpc.NewClient("127.0.0.1:1", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	nobody, err := pubsub.NewClient(t.Context(), "shop", option.WithGRPCConn(conn))
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	if _, err := redrive.NewPubSub(nobody, deadSub, 0).Receive(t.Context(), 10); err == nil {
		t.Error("a service that is not there counts as an empty subscription")
	}
}
