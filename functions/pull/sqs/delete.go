package sqs

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/crossfade-io/crossfade/functions"
)

// gather is how long a done message waits for others to be deleted with it. It
// is hidden for long after.
const gather = 100 * time.Millisecond

// deleter deletes the messages that are done, several in a request.
type deleter struct {
	p     *Puller
	done  chan *message
	ended sync.WaitGroup
}

func newDeleter(p *Puller) *deleter {
	d := &deleter{p: p, done: make(chan *message)}
	d.ended.Go(d.run)
	return d
}

// add takes a message to be deleted soon.
func (d *deleter) add(m *message) { d.done <- m }

// close returns when all are deleted.
func (d *deleter) close() {
	close(d.done)
	d.ended.Wait()
}

func (d *deleter) run() {
	for first := range d.done {
		batch, open := []*message{first}, true
		full := time.NewTimer(gather)
	more:
		for open && len(batch) < batchMost {
			var m *message
			select {
			case m, open = <-d.done:
				if open {
					batch = append(batch, m)
				}
			case <-full.C:
				break more
			}
		}
		full.Stop()
		d.delete(batch)
	}
}

// delete deletes a batch. What cannot be deleted comes again, which costs a
// comparison.
func (d *deleter) delete(batch []*message) {
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	entries := make([]types.DeleteMessageBatchRequestEntry, len(batch))
	for i, m := range batch {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.receipt}
	}
	out, err := d.p.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &d.p.opts.Queue, Entries: entries})
	failed := 0
	switch {
	case err != nil:
		failed = len(batch)
	case len(out.Failed) > 0:
		failed, err = len(out.Failed), errors.New(aws.ToString(out.Failed[0].Code))
	default:
		return
	}
	d.p.opts.Log.LogAttrs(ctx, slog.LevelWarn, "messages that are done could not be deleted, and come again",
		slog.Int("messages", failed), slog.String("error", functions.LogText(err.Error())))
}
