// Package s3 is the function on AWS Lambda, and the decoder of what tells of a
// changed object in S3 and its like. One function takes all of these, told
// apart by their shape:
//
//   - S3 notifications, from the bucket itself, by SNS, or by EventBridge;
//   - SQS batches whose messages hold any of them: as S3 or EventBridge put it
//     there, in SNS's envelope or, with raw message delivery, without, or as
//     Lambda's on-failure destination;
//   - invocations by S3 Batch Operations, of schema 1.0 and 2.0.
//
// A test event is acknowledged. Events of creation, removal, expiry by a
// lifecycle rule, tagging and completed restores are followed; of the others
// nothing is replicated, so that they are acknowledged too.
//
// Through SQS the answer is a partial batch response, so the event source
// mapping needs ReportBatchItemFailures. What is not done is handed to a Queue
// first, which tells SQS when it is to come again, and sends what no retry can
// help to the dead-letter queue. Without one, or where that fails, a message comes
// again when its visibility ends, and the queue's redrive policy moves it to the
// dead-letter queue after maxReceiveCount deliveries. Without a redrive policy it
// comes back until its retention ends.
//
// Directly, by SNS and by EventBridge, any event that is not done fails the
// invocation: Lambda tries it twice more, then sends it to the function's
// on-failure destination.
//
// To S3 Batch Operations each task is answered for itself: Succeeded, also for
// an object that is gone; TemporaryFailure, to be tried again; or
// PermanentFailure, with the reason in the job's report.
package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/crossfade-io/crossfade/functions"
)

// Handler answers Lambda's invocations; it is a lambda.Handler.
type Handler struct {
	proc  *functions.Processor
	queue Queue
}

// New returns the handler that hands events to proc, and messages of SQS that are
// not done to queue, which may be nil.
func New(proc *functions.Processor, queue Queue) *Handler { return &Handler{proc: proc, queue: queue} }

// message is one message of an SQS batch.
type message struct {
	ID          string            `json:"messageId"`
	Body        string            `json:"body"`
	EventSource string            `json:"eventSource"`
	Attributes  map[string]string `json:"attributes"`
	Receipt     string            `json:"receiptHandle"`
	Queue       string            `json:"eventSourceARN"`

	MessageAttributes map[string]events.SQSMessageAttribute `json:"messageAttributes"`

	from, to int // its events among those of the batch
}

// deliveries is how often SQS has handed the message out, 0 when it is not
// told.
func (m message) deliveries() int {
	n, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil {
		return 0
	}
	return n
}

// Invoke handles one invocation, told apart by the shape of its payload: a
// batch of SQS messages yields an events.SQSEventResponse, tasks of S3 Batch
// Operations an events.S3BatchJobResponse, everything else null.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	// The decoder replaces what is not UTF-8, which would name another object.
	if !utf8.Valid(payload) {
		return []byte("null"), h.direct(ctx, payload)
	}
	switch {
	case isBatch(payload):
		batch, err := decodeBatch(payload)
		if err != nil {
			return nil, err
		}
		return json.Marshal(h.batch(ctx, batch))
	case isTasks(payload):
		res, err := h.tasks(ctx, payload)
		if err != nil {
			return nil, err
		}
		return json.Marshal(res)
	default:
		return []byte("null"), h.direct(ctx, payload)
	}
}

// isBatch reports whether payload is from an SQS event source mapping. What
// cannot be read is not; the decoder of notifications will say what is wrong.
func isBatch(payload []byte) bool {
	var d struct {
		Records []struct {
			EventSource string `json:"eventSource"`
		} `json:"Records"`
	}
	return json.Unmarshal(payload, &d) == nil && len(d.Records) > 0 && d.Records[0].EventSource == "aws:sqs"
}

// decodeBatch returns the messages of an SQS batch. An error fails the whole of
// it: a message without its id cannot be answered singly.
func decodeBatch(payload []byte) ([]message, error) {
	var b struct {
		Records []message `json:"Records"`
	}
	if err := json.Unmarshal(payload, &b); err != nil {
		return nil, fmt.Errorf("the SQS batch cannot be read: %w", err)
	}
	for _, m := range b.Records {
		if m.ID == "" || m.EventSource != "aws:sqs" {
			return nil, errors.New("the SQS batch has a record without messageId or of another source")
		}
	}
	return b.Records, nil
}

// batch processes the events of all messages together, so that a key is synced
// once however many messages name it.
func (h *Handler) batch(ctx context.Context, batch []message) events.SQSEventResponse {
	var all []functions.Event
	for i := range batch {
		m := &batch[i]
		m.from = len(all)
		for _, e := range Decode([]byte(m.Body)) {
			e.ID, e.Deliveries = m.ID, m.deliveries()
			all = append(all, e)
		}
		m.to = len(all)
	}
	res := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i, done := range h.settle(ctx, batch, all, h.proc.Process(ctx, all)) {
		if !done {
			res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: batch[i].ID})
		}
	}
	return res
}

// direct processes what is answered as a whole: a notification that Lambda got
// from S3 itself, by SNS or by EventBridge.
func (h *Handler) direct(ctx context.Context, doc []byte) error {
	verdicts := h.proc.Process(ctx, Decode(doc))
	worst := functions.Worst(verdicts...)
	if worst.Outcome == functions.Ack {
		return nil
	}
	failed := 0
	for _, v := range verdicts {
		if v.Outcome != functions.Ack {
			failed++
		}
	}
	return fmt.Errorf("%d of %d events not done: %s: %s", failed, len(verdicts), worst.Outcome, worst.Reason)
}
