package sqs

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/pull"
	"github.com/crossfade-io/crossfade/functions/s3"
	"github.com/crossfade-io/crossfade/store"
)

// message is one that is held.
type message struct {
	id         string
	receipt    *string
	body       string
	attributes map[string]types.MessageAttributeValue
	deliveries int
	events     []functions.Event
}

func read(m types.Message) *message {
	held := &message{id: aws.ToString(m.MessageId), receipt: m.ReceiptHandle, body: aws.ToString(m.Body), attributes: m.MessageAttributes}
	name := string(types.MessageSystemAttributeNameApproximateReceiveCount)
	if n, err := strconv.Atoi(m.Attributes[name]); err == nil {
		held.deliveries = n
	}
	held.events = s3.Decode([]byte(held.body))
	for i := range held.events {
		held.events[i].ID, held.events[i].Deliveries = held.id, held.deliveries
	}
	return held
}

// grouped puts messages of one key together, for one Sync to do them all. Each
// other one is alone, so that a large object does not hold up small ones.
func grouped(all []*message) (groups [][]*message) {
	byKey := map[[2]string]int{}
	for _, m := range all {
		e := m.events[0] // there is one at least
		key := [2]string{e.Bucket, e.Key}
		i, known := byKey[key]
		switch {
		case e.Malformed != nil || e.Ignored != "":
			groups = append(groups, []*message{m})
		case known:
			groups[i] = append(groups[i], m)
		default:
			byKey[key] = len(groups)
			groups = append(groups, []*message{m})
		}
	}
	return groups
}

// handle processes the messages of a group, and answers each.
func (p *Puller) handle(ctx context.Context, proc pull.Processor, group []*message, done *deleter) {
	work := context.WithoutCancel(ctx)
	if ctx.Err() != nil { // they came when it was over
		for _, m := range group {
			p.again(work, m, 0)
		}
		return
	}
	var events []functions.Event
	for _, m := range group {
		events = append(events, m.events...)
	}
	end := p.hold(work, group)
	verdicts := proc.Process(work, events)
	end()
	for _, m := range group {
		own := verdicts[:len(m.events)]
		verdicts = verdicts[len(m.events):]
		p.answer(ctx, work, m, own, done)
	}
}

// answer does with a message what the verdicts on its events ask for. stop is
// done when the Puller is to end.
func (p *Puller) answer(stop, work context.Context, m *message, verdicts []functions.Verdict, done *deleter) {
	worst := functions.Worst(verdicts...)
	switch {
	case worst.Outcome == functions.Ack:
		done.add(m)
	case worst.Outcome == functions.DeadLetter && p.opts.DeadLetter != "":
		if err := p.bury(work, m, reason(m, verdicts)); err != nil {
			p.warn(work, "a message could not be sent to the dead-letter queue, and comes again", m, err)
			p.again(work, m, pull.Delay(worst, m.deliveries, p.opts.Random()))
			return
		}
		done.add(m)
	case worst.Outcome == functions.Retry && worst.After == 0 && stop.Err() != nil:
		p.again(work, m, 0) // most likely it was cut short
	default:
		p.again(work, m, pull.Delay(worst, m.deliveries, p.opts.Random()))
	}
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

// again lets a message come again after d. If that cannot be said it comes when
// its visibility ends.
func (p *Puller) again(ctx context.Context, m *message, d time.Duration) {
	if err := p.hide(ctx, m, d); err != nil {
		p.warn(ctx, "when a message is to come again could not be told to the queue", m, err)
	}
}

// hold keeps messages hidden until the returned function is called.
func (p *Puller) hold(ctx context.Context, group []*message) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for store.Sleep(ctx, p.opts.Visibility/3) == nil {
			for _, m := range group {
				if err := p.hide(ctx, m, p.opts.Visibility); err != nil && ctx.Err() == nil {
					p.warn(ctx, "a message in work could not be kept hidden, and may be delivered a second time", m, err)
				}
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

func (p *Puller) warn(ctx context.Context, what string, m *message, err error) {
	p.opts.Log.LogAttrs(ctx, slog.LevelWarn, what, slog.String("event", m.id), slog.String("error", functions.LogText(err.Error())))
}
