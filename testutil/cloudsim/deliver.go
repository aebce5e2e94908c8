package cloudsim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Encoder turns a change into the events that the cloud sends for it: none for
// some changes, more than one for others.
type Encoder func(Change) []Document

// Sender hands a batch to a function. It returns one error a message: nil where
// the function acknowledged it, else why it is to be delivered again.
type Sender func(ctx context.Context, batch []Message) []error

// DeliveryOptions configure a Delivery. Encode and Send are required; other
// zero values choose the defaults.
type DeliveryOptions struct {
	Encode Encoder
	Send   Sender

	Workers    int           // batches sent at once: default 8
	Batch      int           // most messages in one: default 1
	Attempts   int           // deliveries before a message is a dead letter: default 30
	Visibility time.Duration // after which an unanswered one is delivered again: default 30 s
	Backoff    time.Duration // before the second delivery, doubling after: default 20 ms
	MaxBackoff time.Duration // default 2 s

	// Duplicate is the share of messages that are sent twice, and Window the
	// longest random delay of a message, which puts them out of order. Both are
	// drawn from Seed: the same for the same order of changes.
	Seed      uint64
	Duplicate float64
	Window    time.Duration

	// Late is the share of messages that Replay sends once more.
	Late float64

	// Acked, if not nil, is called once for each acknowledged message.
	Acked func(m Message, at time.Time)

	Now func() time.Time // default time.Now
}

// Delivery sends a bucket's events to a function, at least once each.
type Delivery struct {
	opts  DeliveryOptions
	queue *Queue

	mu      sync.Mutex
	inbox   []Change
	pending int           // changes taken in, and not yet in the queue
	settled chan struct{} // closed and replaced when pending falls to 0
	wake    chan struct{}
	rng     *rand.Rand // of the backoffs
	closed  bool
	late    []Message

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Deliver starts to deliver the changes that b makes from now on, until Stop is
// called or ctx ends.
func Deliver(ctx context.Context, b *Bucket, opts DeliveryOptions) *Delivery {
	deliveryDefault(&opts.Workers, 8)
	deliveryDefault(&opts.Batch, 1)
	deliveryDefault(&opts.Attempts, 30)
	deliveryDefault(&opts.Backoff, 20*time.Millisecond)
	deliveryDefault(&opts.MaxBackoff, 2*time.Second)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	ctx, cancel := context.WithCancel(ctx)
	d := &Delivery{
		opts:    opts,
		queue:   NewQueue(QueueOptions{Visibility: opts.Visibility, MaxReceives: opts.Attempts, Now: opts.Now}),
		settled: make(chan struct{}),
		wake:    make(chan struct{}, 1),
		rng:     rand.New(rand.NewPCG(opts.Seed, 2)),
		cancel:  cancel,
	}
	d.wg.Go(func() { d.encode(ctx) })
	for range opts.Workers {
		d.wg.Go(func() { d.work(ctx) })
	}
	b.Subscribe(d.take)
	return d
}

func deliveryDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// take runs while the bucket is locked.
func (d *Delivery) take(c Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.inbox = append(d.inbox, c)
	d.pending++
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// encode moves changes into the queue, which holds the encoded events and not
// the bodies of the objects. Being alone, it draws the same for the same order.
func (d *Delivery) encode(ctx context.Context) {
	rng := rand.New(rand.NewPCG(d.opts.Seed, 1))
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		}
		d.mu.Lock()
		changes := d.inbox
		d.inbox = nil
		d.mu.Unlock()
		for _, c := range changes {
			d.enqueue(c, rng)
		}
		d.mu.Lock()
		d.pending -= len(changes)
		if d.pending == 0 {
			close(d.settled)
			d.settled = make(chan struct{})
		}
		d.mu.Unlock()
	}
}

func (d *Delivery) enqueue(c Change, rng *rand.Rand) {
	for i, doc := range d.opts.Encode(c) {
		m := Message{
			ID:       fmt.Sprintf("%s-%d-%d", c.Bucket, c.Sequence, i),
			Document: doc,
			Kind:     c.Kind, Key: c.Object.Name, Sequence: c.Sequence, Committed: c.Time,
		}
		d.queue.Send(m, d.delay(rng))
		if d.opts.Duplicate > 0 && rng.Float64() < d.opts.Duplicate {
			m.Copy, m.ID = 1, m.ID+"-again"
			d.queue.Send(m, d.delay(rng))
		}
		if d.opts.Late > 0 && rng.Float64() < d.opts.Late {
			d.mu.Lock()
			d.late = append(d.late, m)
			d.mu.Unlock()
		}
	}
}

// Replay delivers again, long after, what Late chose so far, and returns how
// many messages that is.
func (d *Delivery) Replay() int {
	d.mu.Lock()
	late := d.late
	d.late = nil
	d.mu.Unlock()
	for _, m := range late {
		m.Copy, m.ID = 2, m.ID+"-late"
		d.queue.Send(m, 0)
	}
	return len(late)
}

func (d *Delivery) delay(rng *rand.Rand) time.Duration {
	if d.opts.Window <= 0 {
		return 0
	}
	return time.Duration(rng.Int64N(int64(d.opts.Window)))
}

func (d *Delivery) work(ctx context.Context) {
	for {
		batch, err := d.queue.Receive(ctx, d.opts.Batch)
		if err != nil {
			return
		}
		errs := d.opts.Send(ctx, batch)
		for i, m := range batch {
			if i < len(errs) && errs[i] == nil {
				if d.queue.Ack(m) && d.opts.Acked != nil {
					d.opts.Acked(m, d.opts.Now())
				}
				continue
			}
			d.queue.Nack(m, d.backoff(m.Receives))
		}
	}
}

// backoff doubles with each delivery, less a random part of up to a half.
func (d *Delivery) backoff(receives int) time.Duration {
	b := d.opts.MaxBackoff
	if shift := receives - 1; shift < 30 {
		b = min(b, d.opts.Backoff<<shift)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return b - time.Duration(d.rng.Int64N(int64(b)/2+1))
}

// Wait returns when the events of every change made before the call were
// acknowledged or became dead letters. It does not return while changes go on
// being made faster than they are delivered.
func (d *Delivery) Wait(ctx context.Context) error {
	for {
		d.mu.Lock()
		pending, settled := d.pending, d.settled
		d.mu.Unlock()
		if pending == 0 {
			return d.queue.Wait(ctx)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-settled:
		}
	}
}

// Stop ends the delivery: what is in flight is cancelled, what is queued stays
// there, and further changes are ignored.
func (d *Delivery) Stop() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	d.wg.Wait()
}

// Stats returns the counts of now; changes that are not encoded yet count as
// waiting.
func (d *Delivery) Stats() QueueStats {
	d.mu.Lock()
	pending := d.pending
	d.mu.Unlock()
	s := d.queue.Stats()
	s.Waiting += pending
	return s
}

// DeadLetters returns the messages that were given up.
func (d *Delivery) DeadLetters() []Message { return d.queue.DeadLetters() }
