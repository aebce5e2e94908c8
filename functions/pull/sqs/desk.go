package sqs

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/pull"
)

// Answerer is what is asked of SQS to answer for a message; *sqs.Client has it.
type Answerer interface {
	ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error)
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// desk answers for the messages of one queue.
type desk struct {
	client     Answerer
	queue      string // its URL
	deadLetter string // as of Options
	log        *slog.Logger
	random     func() float64
}

// settle does with a message what the verdicts on its events ask for. It reports
// whether the message is done with, and can be deleted.
func (d *desk) settle(ctx context.Context, m *message, verdicts []functions.Verdict) (done bool) {
	worst := functions.Worst(verdicts...)
	switch {
	case worst.Outcome == functions.Ack:
		return true
	case worst.Outcome == functions.DeadLetter && d.deadLetter != "":
		err := d.bury(ctx, m, reason(m, verdicts))
		if err == nil {
			return true
		}
		d.warn(ctx, "a message could not be sent to the dead-letter queue, and comes again", m, err)
	}
	d.again(ctx, m, pull.Delay(worst, m.deliveries, d.random()))
	return false
}

// reason is that of the first event that is a dead letter.
func reason(m *message, verdicts []functions.Verdict) string {
	for i, v := range verdicts {
		if v.Outcome == functions.DeadLetter {
			return pull.Reason(v, m.events[i])
		}
	}
	return ""
}

// again lets a message come again after a time. If that cannot be said it comes
// when its visibility ends.
func (d *desk) again(ctx context.Context, m *message, after time.Duration) {
	if err := d.hide(ctx, m, after); err != nil {
		d.warn(ctx, "when a message is to come again could not be told to the queue", m, err)
	}
}

// hide makes a message visible again after a time, rounded up to a second.
func (d *desk) hide(ctx context.Context, m *message, after time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	seconds := (min(after, visibilityTop) + time.Second - 1) / time.Second
	_, err := d.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &d.queue, ReceiptHandle: m.receipt, VisibilityTimeout: int32(seconds),
	})
	return err
}

// bury sends a message to the dead-letter queue as it came, with the reason.
func (d *desk) bury(ctx context.Context, m *message, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	attributes := map[string]types.MessageAttributeValue{
		pull.AttributeReason: {DataType: aws.String("String"), StringValue: &reason},
		pull.AttributeFrom:   {DataType: aws.String("String"), StringValue: &d.queue},
	}
	for name, value := range m.attributes {
		if _, ours := attributes[name]; !ours && len(attributes) < attributesMost {
			attributes[name] = value
		}
	}
	_, err := d.client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &d.deadLetter, MessageBody: &m.body, MessageAttributes: attributes,
	})
	return err
}

// attributesMost is how many a message of SQS can have.
const attributesMost = 10

func (d *desk) warn(ctx context.Context, what string, m *message, err error) {
	d.log.LogAttrs(ctx, slog.LevelWarn, what, slog.String("event", m.id), slog.String("error", functions.LogText(err.Error())))
}
