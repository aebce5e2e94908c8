package s3

import (
	"context"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/functions"
)

// Queue does with a message of a batch what a partial batch response cannot say:
// when it is to come again, and why no retry can help. It may be used
// concurrently.
type Queue interface {
	// Settle gets a message that is not done, and the verdicts on its events. It
	// reports whether the message is done with now, so that Lambda deletes it.
	Settle(ctx context.Context, m Message, verdicts []functions.Verdict) (done bool)
}

// Message is a message of an SQS batch: AWS Lambda developer guide, "Using Lambda
// with Amazon SQS".
type Message struct {
	ID         string
	Receipt    string // handle of this delivery
	Queue      string // its ARN
	Body       string
	Attributes map[string]events.SQSMessageAttribute
	Deliveries int // 0 where it is not told
	Events     []functions.Event
}

// settleWithin bounds what the queue is told, and half of the time that is left
// does: the answer is worth more, and without it the whole batch comes again.
const (
	settleWithin = 2 * time.Second
	settleAtOnce = 32 // messages
)

// settle hands what is not done to the queue, and reports what is done with then.
func (h *Handler) settle(ctx context.Context, batch []message, all []functions.Event, verdicts []functions.Verdict) []bool {
	done := make([]bool, len(batch))
	if left, ok := h.proc.Left(ctx); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, min(settleWithin, left/2))
		defer cancel()
	}
	var g errgroup.Group
	g.SetLimit(settleAtOnce)
	for i, m := range batch {
		own := verdicts[m.from:m.to]
		done[i] = functions.Worst(own...).Outcome == functions.Ack
		if done[i] || h.queue == nil {
			continue
		}
		g.Go(func() error {
			done[i] = h.queue.Settle(ctx, Message{
				ID: m.ID, Receipt: m.Receipt, Queue: m.Queue, Body: m.Body, Attributes: m.MessageAttributes,
				Deliveries: m.deliveries(), Events: all[m.from:m.to],
			}, own)
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return done
}
