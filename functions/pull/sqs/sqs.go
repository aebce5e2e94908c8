// Package sqs takes S3 notifications from an SQS queue, for a process that is no
// function, and answers for what a function on Lambda is handed from one.
//
// A message is deleted when all its events are done. Until then its visibility
// is extended as long as the work lasts, and one that is to come again is hidden
// for as long as the verdict asks. One that no retry can help goes to the
// dead-letter queue that is named, with the reason as an attribute; where none
// is, the queue's redrive policy moves it after maxReceiveCount deliveries.
package sqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/crossfade-io/crossfade/functions/pull"
	"github.com/crossfade-io/crossfade/store"
)

// API is what is asked of SQS; *sqs.Client has it.
type API interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	Answerer
}

// Options configure a Puller.
type Options struct {
	Queue       string         // its URL; required
	DeadLetter  string         // URL of the queue for what no retry can help; "" leaves that to the redrive policy
	Concurrency int            // messages held at once: default 16
	Visibility  time.Duration  // for which a message is hidden at a time, whole seconds from 3: default 60 s
	Log         *slog.Logger   // default: discard
	Random      func() float64 // in [0, 1), for delays: default of math/rand
}

func (o Options) withDefaults() Options {
	if o.Concurrency == 0 {
		o.Concurrency = defaultConcurrency
	}
	if o.Visibility == 0 {
		o.Visibility = defaultVisibility
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	return o
}

// Bounds of SQS: Amazon SQS API reference, ReceiveMessage and
// ChangeMessageVisibility.
const (
	batchMost     = 10
	pollWait      = 20 * time.Second
	visibilityTop = 12 * time.Hour
)

const (
	defaultConcurrency = 16
	defaultVisibility  = time.Minute
	leastVisibility    = 3 * time.Second

	// answerWithin bounds a call that answers for a message, so that it ends when
	// the process does.
	answerWithin = 10 * time.Second
)

// Puller takes events from one queue.
type Puller struct {
	desk
	client API
	opts   Options
	health pull.Health
}

// New returns a Puller; client remains the caller's.
func New(client API, opts Options) (*Puller, error) {
	switch {
	case client == nil:
		return nil, errors.New("sqs: no client")
	case opts.Queue == "":
		return nil, errors.New("sqs: no queue to take events from")
	case opts.Concurrency < 0:
		return nil, fmt.Errorf("sqs: concurrency %d is negative", opts.Concurrency)
	case opts.Visibility != 0 && (opts.Visibility < leastVisibility || opts.Visibility > visibilityTop || opts.Visibility%time.Second != 0):
		return nil, fmt.Errorf("sqs: visibility %s is not a whole number of seconds from %s to %s", opts.Visibility, leastVisibility, visibilityTop)
	}
	opts = opts.withDefaults()
	opts.Log = opts.Log.With(slog.String("queue", opts.Queue))
	desk := desk{client: client, queue: opts.Queue, deadLetter: opts.DeadLetter, log: opts.Log, random: opts.Random}
	return &Puller{desk: desk, client: client, opts: opts, health: pull.Health{Log: opts.Log}}, nil
}

// Err is why the queue cannot be asked at present, nil if it can.
func (p *Puller) Err() error { return p.health.Err() }

// Run takes events until ctx is done, and returns nil when what was taken is
// answered: proc decides how long that may last. Messages that are not done then
// are let go, for others to have them at once.
func (p *Puller) Run(ctx context.Context, proc pull.Processor) error {
	slots := make(chan struct{}, p.opts.Concurrency)
	done := newDeleter(p)
	var wg sync.WaitGroup
	defer done.close() // after the last message is answered
	defer wg.Wait()
	for tries := 0; ; {
		n := take(ctx, slots)
		if n == 0 {
			return nil
		}
		got, err := p.receive(ctx, n)
		for range n - len(got) {
			<-slots
		}
		if ctx.Err() == nil {
			p.health.Note(ctx, err, code(err))
		}
		for _, group := range grouped(got) {
			wg.Go(func() {
				p.handle(ctx, proc, group, done)
				for range group {
					<-slots
				}
			})
		}
		if err == nil {
			tries = 0
			continue
		}
		tries++
		if store.Sleep(ctx, pull.Backoff(time.Second, 30*time.Second, tries, p.opts.Random())) != nil {
			return nil
		}
	}
}

// take waits for a free slot, and takes up to a batch of those that are free. It
// returns 0 when ctx is done.
func take(ctx context.Context, slots chan struct{}) (n int) {
	if ctx.Err() != nil {
		return 0
	}
	select {
	case <-ctx.Done():
		return 0
	case slots <- struct{}{}:
		n = 1
	}
	for n < batchMost {
		select {
		case slots <- struct{}{}:
			n++
		default:
			return n
		}
	}
	return n
}

// code is the service's own word for an error, "" where there was no answer.
func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// receive waits for messages, n at most.
func (p *Puller) receive(ctx context.Context, n int) ([]*message, error) {
	in := &sqs.ReceiveMessageInput{
		QueueUrl: &p.opts.Queue, MaxNumberOfMessages: int32(n),
		WaitTimeSeconds:             int32(pollWait / time.Second),
		VisibilityTimeout:           int32(p.opts.Visibility / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	}
	if p.opts.DeadLetter != "" {
		in.MessageAttributeNames = []string{"All"} // they go with it
	}
	out, err := p.client.ReceiveMessage(ctx, in)
	if err != nil {
		return nil, err
	}
	got := make([]*message, 0, len(out.Messages))
	for _, m := range out.Messages {
		got = append(got, read(m))
	}
	return got, nil
}
