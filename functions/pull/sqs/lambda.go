package sqs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/s3"
)

// Batches answers for the messages that Lambda takes from queues: a function's
// s3.Queue. Which queue it is each message says.
type Batches struct{ desk desk }

var _ s3.Queue = (*Batches)(nil)

// NewBatches returns what answers by the client, which remains the caller's.
// Queue, Concurrency and Visibility of opts do not count.
func NewBatches(client Answerer, opts Options) *Batches {
	opts = opts.withDefaults()
	return &Batches{desk{client: client, deadLetter: opts.DeadLetter, log: opts.Log, random: opts.Random}}
}

// Settle is as of s3.Queue.
func (b *Batches) Settle(ctx context.Context, m s3.Message, verdicts []functions.Verdict) (done bool) {
	d := b.desk
	held := &message{id: m.ID, receipt: &m.Receipt, body: m.Body, deliveries: m.Deliveries, events: m.Events, attributes: attributesOf(m.Attributes)}
	var err error
	if d.queue, err = queueURL(m.Queue); err != nil {
		d.warn(ctx, "the queue of a message is not known, and it comes again when its visibility ends", held, err)
		return false
	}
	if sameQueue(d.queue, d.deadLetter) {
		d.warn(ctx, "the queue of the dead letters is that of the events, and gets none", held, errOwnQueue)
		d.deadLetter = ""
	}
	return d.settle(ctx, held, verdicts)
}

var errOwnQueue = errors.New("set CROSSFADE_DEAD_LETTER to another queue: a dead letter would come back for ever")

// sameQueue compares two URLs by account and name: endpoints have several hosts.
func sameQueue(a, b string) bool {
	path := func(s string) string {
		u, err := url.Parse(s)
		if err != nil {
			return s
		}
		return u.Path
	}
	return path(a) == path(b)
}

// attributesOf are those that can be sent on.
func attributesOf(all map[string]events.SQSMessageAttribute) map[string]types.MessageAttributeValue {
	kept := make(map[string]types.MessageAttributeValue, len(all))
	for name, a := range all {
		if a.StringValue != nil || len(a.BinaryValue) > 0 {
			kept[name] = types.MessageAttributeValue{DataType: aws.String(a.DataType), StringValue: a.StringValue, BinaryValue: a.BinaryValue}
		}
	}
	return kept
}

// queueURL is the URL by which SQS knows the queue of an ARN: Amazon SQS developer
// guide, "Queue and message identifiers". Requests go to the client's endpoint,
// whatever its host.
func queueURL(name string) (string, error) {
	a, err := arn.Parse(name)
	switch {
	case err != nil:
		return "", fmt.Errorf("%q: %w", name, err)
	case a.Service != "sqs" || a.Region == "" || a.AccountID == "" || a.Resource == "" || strings.Contains(a.Resource, "/"):
		return "", errors.New(name + " is not the ARN of a queue")
	}
	suffix := "amazonaws.com"
	if a.Partition == "aws-cn" {
		suffix += ".cn"
	}
	return fmt.Sprintf("https://sqs.%s.%s/%s/%s", a.Region, suffix, a.AccountID, a.Resource), nil
}
