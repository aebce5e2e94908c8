package sqs

import (
	"context"
	"strconv"
	"sync"

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
	case worst.Outcome == functions.Retry && worst.After == 0 && stop.Err() != nil:
		p.again(work, m, 0) // most likely it was cut short
	case p.settle(work, m, verdicts):
		done.add(m)
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
