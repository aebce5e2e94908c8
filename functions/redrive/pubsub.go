package redrive

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/gcs"

	"github.com/crossfade-io/crossfade/functions/pull"
)

// PubSub is a subscription of a dead-letter topic. It is a Queue.
type PubSub struct {
	client *pubsub.Client
	sub    string
	wait   time.Duration
}

var _ Queue = (*PubSub)(nil)

// Pub/Sub hides messages for ten minutes at most, and does not say when there are
// no more.
const (
	pubsubHidden = 10 * time.Minute
	pubsubWait   = 500 * time.Millisecond
	pubsubAnswer = 3 * time.Second
)

// NewPubSub returns the subscription projects/P/subscriptions/S. It counts as
// empty when nothing comes within wait, of half a second at least.
func NewPubSub(client *pubsub.Client, sub string, wait time.Duration) *PubSub {
	return &PubSub{client: client, sub: sub, wait: max(wait, pubsubWait)}
}

// Receive pulls what is there within a few seconds, and hides it for ten minutes.
func (q *PubSub) Receive(ctx context.Context, most int) ([]Message, error) {
	timed, cancel := context.WithTimeout(ctx, q.wait)
	defer cancel()
	out, err := q.client.SubscriptionAdminClient.Pull(timed, &pubsubpb.PullRequest{Subscription: q.sub, MaxMessages: int32(most)})
	if code := status.Code(err); ctx.Err() == nil && (code == codes.DeadlineExceeded || timed.Err() != nil) {
		return nil, q.answers(ctx)
	}
	if err != nil || len(out.GetReceivedMessages()) == 0 {
		return nil, err
	}
	messages := make([]Message, 0, len(out.GetReceivedMessages()))
	var receipts []string
	for _, m := range out.GetReceivedMessages() {
		messages = append(messages, fromPubSub(m))
		receipts = append(receipts, m.GetAckId())
	}
	err = q.client.SubscriptionAdminClient.ModifyAckDeadline(ctx, &pubsubpb.ModifyAckDeadlineRequest{
		Subscription: q.sub, AckIds: receipts, AckDeadlineSeconds: int32(pubsubHidden / time.Second),
	})
	return messages, err
}

// answers makes sure that nothing came because there is nothing: a service that
// cannot be reached looks the same. It asks for what changes nothing, which the
// service refuses at once.
func (q *PubSub) answers(ctx context.Context) error {
	timed, cancel := context.WithTimeout(ctx, max(pubsubAnswer, q.wait))
	defer cancel()
	err := q.client.SubscriptionAdminClient.ModifyAckDeadline(timed, &pubsubpb.ModifyAckDeadlineRequest{Subscription: q.sub, AckDeadlineSeconds: 10})
	if status.Code(err) == codes.InvalidArgument {
		return nil
	}
	return err
}

// What Pub/Sub notes of a message that it moves to a dead-letter topic: Pub/Sub
// documentation, "Dead-letter topics".
const (
	deadPrefix = "CloudPubSubDeadLetterSource"
	deadSource = deadPrefix + "Subscription"
	deadCount  = deadPrefix + "DeliveryCount"
)

func fromPubSub(in *pubsubpb.ReceivedMessage) Message {
	p := in.GetMessage()
	attr := p.GetAttributes()
	m := Message{
		ID: p.GetMessageId(), Body: p.GetData(), receipt: in.GetAckId(),
		Reason: attr[pull.AttributeReason], From: attr[pull.AttributeFrom],
	}
	if m.From == "" {
		m.From = attr[deadSource]
	}
	if n, err := strconv.Atoi(attr[deadCount]); err == nil {
		m.Received = n
	}
	if t := p.GetPublishTime(); t != nil {
		m.Sent = t.AsTime()
	}
	m.Attributes = maps.Clone(attr)
	maps.DeleteFunc(m.Attributes, func(name, _ string) bool {
		return name == pull.AttributeReason || name == pull.AttributeFrom || strings.HasPrefix(name, deadPrefix) || strings.HasPrefix(name, "googclient_")
	})
	m.Events = []functions.Event{gcs.DecodeMessage(gcs.Message{
		ID: m.ID, Attributes: m.Attributes, Data: m.Body, PublishTime: m.Sent, DeliveryAttempt: m.Received,
	})}
	return m
}

// Delete acknowledges m.
func (q *PubSub) Delete(ctx context.Context, m Message) error {
	return q.client.SubscriptionAdminClient.Acknowledge(ctx, &pubsubpb.AcknowledgeRequest{Subscription: q.sub, AckIds: []string{m.receipt}})
}

// Release lets m be delivered again.
func (q *PubSub) Release(ctx context.Context, m Message) error {
	return q.client.SubscriptionAdminClient.ModifyAckDeadline(ctx, &pubsubpb.ModifyAckDeadlineRequest{Subscription: q.sub, AckIds: []string{m.receipt}, AckDeadlineSeconds: 0})
}

// Topic is a topic of Pub/Sub. It is a Sender.
type Topic struct{ publisher *pubsub.Publisher }

var _ Sender = (*Topic)(nil)

// NewTopic returns the topic projects/P/topics/T. Stop it when all is sent.
func NewTopic(client *pubsub.Client, topic string) *Topic {
	return &Topic{client.Publisher(topic)}
}

// Send publishes the data and attributes of m.
func (t *Topic) Send(ctx context.Context, m Message) error {
	_, err := t.publisher.Publish(ctx, &pubsub.Message{Data: m.Body, Attributes: m.Attributes}).Get(ctx)
	return err
}

// Stop ends what the topic keeps running.
func (t *Topic) Stop() { t.publisher.Stop() }
