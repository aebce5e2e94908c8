package redrive_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/redrive"
	"github.com/crossfade-io/crossfade/testutil/sqssim"
)

// queues are a dead-letter queue and the one that it belongs to.
type queues struct {
	*sqssim.Server
	t *testing.T
}

func newQueues(t *testing.T) queues {
	s := sqssim.New()
	s.Create("dead", 0, "")
	s.Create("main", 0, "")
	return queues{s, t}
}

func (q queues) queue(name string) *redrive.SQS {
	return redrive.NewSQS(q.Client(), sqssim.URL(name), 3*time.Second)
}

// put sends a message with attributes.
func (q queues) put(body string, attributes map[string]string) {
	q.t.Helper()
	in := &sqs.SendMessageInput{QueueUrl: aws.String(sqssim.URL("dead")), MessageBody: &body, MessageAttributes: map[string]types.MessageAttributeValue{}}
	for name, value := range attributes {
		in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	if _, err := q.Client().SendMessage(q.t.Context(), in); err != nil {
		q.t.Fatal(err)
	}
}

// left are the bodies in the dead-letter queue, and how many of them cannot be
// received.
func (q queues) left() (bodies []string, hidden int) {
	for _, m := range q.Messages("dead") {
		bodies = append(bodies, m.Body)
		if m.VisibleAt.After(time.Now()) {
			hidden++
		}
	}
	return bodies, hidden
}

// notification is what S3 sends of a key.
func notification(key string) string {
	return fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-11-20T10:00:00.000Z","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":%q}}}]}`, key)
}

// procFunc answers each event by itself.
type procFunc func(e functions.Event) functions.Verdict

func (f procFunc) Process(_ context.Context, events []functions.Event) (verdicts []functions.Verdict) {
	for _, e := range events {
		verdicts = append(verdicts, f(e))
	}
	return verdicts
}
