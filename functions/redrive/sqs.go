package redrive

import (
	"context"
	"maps"
	"math"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/crossfade-io/crossfade/functions/s3"

	"github.com/crossfade-io/crossfade/functions/pull"
)

// SQSAPI is what is asked of SQS; *sqs.Client has it.
type SQSAPI interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessage(context.Context, *sqs.DeleteMessageInput, ...func(*sqs.Options)) (*sqs.DeleteMessageOutput, error)
	ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error)
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// SQS is a queue of Amazon SQS, or of a server that speaks it. It is a Queue and
// a Sender.
type SQS struct {
	client SQSAPI
	url    string
	wait   int32 // seconds for which a receive waits
}

var (
	_ Queue  = (*SQS)(nil)
	_ Sender = (*SQS)(nil)
)

// sqsHidden is how long messages are hidden from others.
const sqsHidden = 30 * time.Minute

// NewSQS returns the queue with that URL. It counts as empty when nothing comes
// within wait, in whole seconds up to 20. With 0 not all servers of a queue of
// AWS are asked, and some messages may be missed.
func NewSQS(client SQSAPI, url string, wait time.Duration) *SQS {
	return &SQS{client: client, url: url, wait: int32(math.Ceil(wait.Seconds()))}
}

// Receive hides what it returns for half an hour. Each receive counts in the
// queue's receive count.
func (q *SQS) Receive(ctx context.Context, most int) ([]Message, error) {
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: int32(most), WaitTimeSeconds: q.wait, VisibilityTimeout: int32(sqsHidden / time.Second),
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		return nil, err
	}
	messages := make([]Message, 0, len(out.Messages))
	for _, m := range out.Messages {
		messages = append(messages, fromSQS(m))
	}
	return messages, nil
}

func fromSQS(in types.Message) Message {
	system := func(name types.MessageSystemAttributeName) string { return in.Attributes[string(name)] }
	text := func(name string) string { return aws.ToString(in.MessageAttributes[name].StringValue) }
	m := Message{
		ID: aws.ToString(in.MessageId), Body: []byte(aws.ToString(in.Body)), receipt: aws.ToString(in.ReceiptHandle),
		Reason: text(pull.AttributeReason), From: text(pull.AttributeFrom),
	}
	if m.From == "" {
		m.From = system(types.MessageSystemAttributeNameDeadLetterQueueSourceArn)
	}
	if n, err := strconv.Atoi(system(types.MessageSystemAttributeNameApproximateReceiveCount)); err == nil {
		m.Received = n
	}
	if ms, err := strconv.ParseInt(system(types.MessageSystemAttributeNameSentTimestamp), 10, 64); err == nil {
		m.Sent = time.UnixMilli(ms).UTC()
	}
	attributes := maps.Clone(in.MessageAttributes)
	delete(attributes, pull.AttributeReason)
	delete(attributes, pull.AttributeFrom)
	m.raw = attributes
	m.Events = s3.Decode(m.Body)
	for i := range m.Events {
		m.Events[i].ID, m.Events[i].Deliveries = m.ID, m.Received
	}
	return m
}

// Delete removes m for good.
func (q *SQS) Delete(ctx context.Context, m Message) error {
	_, err := q.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: &m.receipt})
	return err
}

// Release makes m visible again.
func (q *SQS) Release(ctx context.Context, m Message) error {
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &q.url, ReceiptHandle: &m.receipt, VisibilityTimeout: 0})
	return err
}

// Send puts the body of m, which may come from another queue, into this one.
func (q *SQS) Send(ctx context.Context, m Message) error {
	body := string(m.Body)
	_, err := q.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body, MessageAttributes: m.raw})
	return err
}
