//go:build servers

package servertest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/crossfade-io/crossfade/functions/pull"
	"github.com/crossfade-io/crossfade/testutil/lambdaapi"
	"github.com/crossfade-io/crossfade/testutil/sqssim"
)

// queue is one of SQS with its dead-letter queue.
type queue struct{ url, arn, dead string }

// newQueue hides what it hands out for visibility, and gives a message up after
// it was received receives times.
func newQueue(t *testing.T, name string, visibility time.Duration, receives int) queue {
	t.Helper()
	create := func(name string, attributes map[string]string) (url, arn string) {
		out, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		if err != nil {
			t.Fatal(err)
		}
		a := attributesOf(t, *out.QueueUrl)
		return *out.QueueUrl, a["QueueArn"]
	}
	dead, deadARN := create(name+"-dead", nil)
	url, arn := create(name, map[string]string{
		"VisibilityTimeout": strconv.Itoa(int(visibility.Seconds())),
		"RedrivePolicy":     fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, deadARN, receives),
	})
	return queue{url, arn, dead}
}

func attributesOf(t *testing.T, queueURL string) map[string]string {
	t.Helper()
	out, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &queueURL, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes
}

func (q queue) send(t *testing.T, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if _, err := queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
}

// empty waits until the queue holds nothing, seen or hidden.
func (q queue) empty(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		a := attributesOf(t, q.url)
		if a["ApproximateNumberOfMessages"] == "0" && a["ApproximateNumberOfMessagesNotVisible"] == "0" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s messages wait, %s are hidden", a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesNotVisible"])
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// buried returns the bodies of the dead letters, and the reasons that came with
// them.
func (q queue) buried(t *testing.T) (bodies, reasons []string) {
	t.Helper()
	for {
		out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.dead, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return bodies, reasons
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
			if a, ok := m.MessageAttributes[pull.AttributeReason]; ok {
				reasons = append(reasons, *a.StringValue)
			}
		}
	}
}

// notification is what S3 sends of an object, key as yet unescaped.
func notification(event, bucket, key string) string {
	return fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-11-03T10:15:30.000Z",`+
		`"eventName":%q,"s3":{"s3SchemaVersion":"1.0","bucket":{"name":%q,"arn":"arn:aws:s3:::%s"},"object":{"key":%q,"sequencer":"0055AED6DCD90281E5"}}}]}`,
		event, bucket, bucket, url.QueryEscape(key))
}

// mapping is Lambda's event source mapping of a queue: it receives in batches,
// invokes the function, and deletes what did not fail. What did, it leaves to the
// queue. (AWS Lambda developer guide, "Using Lambda with Amazon SQS".)
type mapping struct {
	queue    queue
	function *lambdaapi.Function
}

// run polls until ctx is done.
func (m mapping) run(ctx context.Context) error {
	for ctx.Err() == nil {
		out, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &m.queue.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		if err == nil && len(out.Messages) > 0 {
			err = m.batch(ctx, out.Messages)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// batch is one invocation. A function that failed, or an answer that is not
// understood, leaves all of it in the queue.
func (m mapping) batch(ctx context.Context, messages []types.Message) error {
	payload, err := sqssim.Batch(m.queue.arn, messages)
	if err != nil {
		return err
	}
	answer, err := m.function.Invoke(ctx, payload)
	if err != nil || answer.Failed {
		return err
	}
	var said struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(answer.Payload, &said); err != nil {
		return nil //nolint:nilerr // as said above
	}
	failed := map[string]bool{}
	for _, f := range said.BatchItemFailures {
		failed[f.ItemIdentifier] = true
	}
	for _, x := range messages {
		if failed[*x.MessageId] {
			continue
		}
		if _, err := queues.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &m.queue.url, ReceiptHandle: x.ReceiptHandle}); err != nil {
			return err
		}
	}
	return nil
}
