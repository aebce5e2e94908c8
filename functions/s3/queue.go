package s3

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/store"
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

	// outOfTimeMost deliveries say that an object takes longer than the function
	// has: each has carried a part of it for nothing, and a backfill is for it.
	outOfTimeMost = 20
)

var tooSlow = functions.Verdict{Outcome: functions.DeadLetter, Kind: store.Unavailable, Reason: fmt.Sprintf("ran out of time %d times: a backfill has more", outOfTimeMost)}

func outOfTime(v functions.Verdict) bool { return v.Reason == functions.ReasonOutOfTime }

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
		if slices.ContainsFunc(own, outOfTime) {
			// The next delivery comes when the visibility ends, which is longer than
			// the function's time: what was cut off is not on its way any more.
			if m.deliveries() < outOfTimeMost {
				continue
			}
			own = slices.Repeat([]functions.Verdict{tooSlow}, len(own))
		}
		g.Go(func() error {
			// Past the time, the rest comes when its visibility ends.
			done[i] = ctx.Err() == nil && h.queue.Settle(ctx, Message{
				ID: m.ID, Receipt: m.Receipt, Queue: m.Queue, Body: m.Body, Attributes: m.MessageAttributes,
				Deliveries: m.deliveries(), Events: all[m.from:m.to],
			}, own)
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return done
}
