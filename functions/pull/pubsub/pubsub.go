// Package pubsub takes notifications of Cloud Storage from a Pub/Sub
// subscription, for a process that is no function.
//
// A message is acknowledged when its event is done; until then its deadline is
// extended. Pub/Sub delivers what is not acknowledged again at once, unless the
// subscription has a retry policy: give it one, of exponential backoff. In any
// case a message waits here for some seconds before it is given back. One that no
// retry can help is published to the dead-letter topic that is named, with the
// reason as an attribute; where none is, the subscription's dead-letter policy
// moves it after its delivery attempts.
package pubsub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/grpc/status"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/gcs"
	"github.com/crossfade-io/crossfade/functions/pull"
	"github.com/crossfade-io/crossfade/store"
)

// Options configure a Puller.
type Options struct {
	Subscription string         // projects/P/subscriptions/S; required
	DeadLetter   string         // projects/P/topics/T, for what no retry can help; "" leaves that to the subscription's policy
	Concurrency  int            // messages in work at once: default 16
	Extension    time.Duration  // for how long a message can be held, default 1 h: more than its work can last
	Log          *slog.Logger   // default: discard
	Random       func() float64 // in [0, 1), for delays: default of math/rand
}

const (
	defaultConcurrency = 16
	defaultExtension   = time.Hour

	// longestHold is how long a message waits here at most before it is given back.
	longestHold = 10 * time.Second

	// waiting is how many messages are held for each that is in work, so that
	// those that are to come again later do not keep others from their turn.
	waiting = 8

	// maxAttribute is the longest value of an attribute, in bytes: Pub/Sub
	// documentation, "Quotas and limits".
	maxAttribute = 1024

	// publishWithin bounds the publishing of a dead letter.
	publishWithin = 10 * time.Second

	// steady is when a subscription that was in trouble counts as in order again,
	// where no message tells sooner.
	steady = 10 * time.Second
)

// Puller takes events from one subscription.
type Puller struct {
	client *pubsub.Client
	opts   Options
	health pull.Health
	slots  chan struct{} // for what is in work
}

// New returns a Puller; client remains the caller's to close.
func New(client *pubsub.Client, opts Options) (*Puller, error) {
	switch {
	case client == nil:
		return nil, errors.New("pubsub: no client")
	case opts.Subscription == "":
		return nil, errors.New("pubsub: no subscription to take events from")
	case opts.Concurrency < 0 || opts.Extension < 0:
		return nil, fmt.Errorf("pubsub: negative option (concurrency %d, extension %s)", opts.Concurrency, opts.Extension)
	}
	if opts.Concurrency == 0 {
		opts.Concurrency = defaultConcurrency
	}
	if opts.Extension == 0 {
		opts.Extension = defaultExtension
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Random == nil {
		opts.Random = rand.Float64
	}
	opts.Log = opts.Log.With(slog.String("subscription", opts.Subscription))
	return &Puller{client: client, opts: opts, health: pull.Health{Log: opts.Log}, slots: make(chan struct{}, opts.Concurrency)}, nil
}

// Err is why the subscription cannot be asked at present, nil if it can.
func (p *Puller) Err() error { return p.health.Err() }

// Run takes events until ctx is done, and returns nil when what was taken is
// answered: proc decides how long that may last.
func (p *Puller) Run(ctx context.Context, proc pull.Processor) error {
	var dead *pubsub.Publisher
	if p.opts.DeadLetter != "" {
		dead = p.client.Publisher(p.opts.DeadLetter)
		defer dead.Stop()
	}
	sub := p.client.Subscriber(p.opts.Subscription)
	sub.ReceiveSettings.MaxOutstandingMessages = waiting * p.opts.Concurrency
	sub.ReceiveSettings.MaxExtension = p.opts.Extension
	sub.ReceiveSettings.NumGoroutines = 1
	for tries := 1; ; tries++ {
		fine := time.AfterFunc(steady, func() { p.health.Note(ctx, nil, "") })
		err := sub.Receive(ctx, func(_ context.Context, m *pubsub.Message) {
			p.health.Note(ctx, nil, "")
			p.handle(ctx, proc, m, dead)
		})
		if ran := !fine.Stop(); ran {
			tries = 1
		}
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = errors.New("the service ended the stream")
		}
		p.health.Note(ctx, err, status.Code(err).String())
		if store.Sleep(ctx, pull.Backoff(time.Second, 30*time.Second, tries, p.opts.Random())) != nil {
			return nil
		}
	}
}

// handle processes a message, and answers it. ctx is done when the Puller is to
// end, and does not end the work.
func (p *Puller) handle(ctx context.Context, proc pull.Processor, m *pubsub.Message, dead *pubsub.Publisher) {
	work := context.WithoutCancel(ctx)
	e := gcs.DecodeMessage(gcs.Message{ID: m.ID, Attributes: m.Attributes, Data: m.Data, PublishTime: m.PublishTime, DeliveryAttempt: attempt(m)})
	p.slots <- struct{}{}
	v := proc.Process(work, []functions.Event{e})[0]
	<-p.slots
	if v.Outcome == functions.DeadLetter && dead != nil {
		err := p.bury(work, dead, m, pull.Reason(v, e))
		if err == nil {
			m.Ack()
			return
		}
		p.opts.Log.LogAttrs(work, slog.LevelWarn, "a message could not be published to the dead-letter topic, and comes again",
			slog.String("event", m.ID), slog.String("error", functions.LogText(err.Error())))
	}
	if v.Outcome == functions.Ack {
		m.Ack()
		return
	}
	// An error means that the Puller is to end: others can have it at once.
	_ = store.Sleep(ctx, min(longestHold, pull.Delay(v, attempt(m), p.opts.Random())))
	m.Nack()
}

// attempt counts the deliveries of a message, 0 where Pub/Sub does not.
func attempt(m *pubsub.Message) int {
	if m.DeliveryAttempt == nil {
		return 0
	}
	return *m.DeliveryAttempt
}

// bury publishes a message to the dead-letter topic as it came, with the reason.
func (p *Puller) bury(ctx context.Context, dead *pubsub.Publisher, m *pubsub.Message, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, publishWithin)
	defer cancel()
	attributes := map[string]string{}
	maps.Copy(attributes, m.Attributes)
	attributes[pull.AttributeReason], attributes[pull.AttributeFrom] = strings.ToValidUTF8(reason[:min(len(reason), maxAttribute)], ""), p.opts.Subscription
	_, err := dead.Publish(ctx, &pubsub.Message{Data: m.Data, Attributes: attributes}).Get(ctx)
	return err
}
