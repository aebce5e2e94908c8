package cloudsim

import (
	"container/heap"
	"context"
	"net/http"
	"sync"
	"time"
)

// Document is one encoded event: the body, and the headers that go with it
// where it is sent by HTTP.
type Document struct {
	Header http.Header
	Body   []byte
}

// Message is one event on its way to a function, with what its change was.
type Message struct {
	ID string // the same at every delivery
	Document

	Kind      ChangeKind
	Key       string
	Sequence  int64     // of the change
	Committed time.Time // when the change was made
	Copy      int       // 0 for the message itself, above for duplicates of it
	Receives  int       // deliveries so far, this one included

	receipt uint64
}

// QueueOptions configure a Queue. Zero values choose the defaults.
type QueueOptions struct {
	// Visibility is how long a received message stays hidden before it is
	// delivered again: default 30 s.
	Visibility time.Duration

	// MaxReceives is the number of deliveries after which a message that was
	// never acknowledged becomes a dead letter: 0 means never.
	MaxReceives int

	Now func() time.Time // default time.Now
}

// QueueStats count messages.
type QueueStats struct {
	Sent        int // by Send
	Deliveries  int // by Receive, redeliveries included
	Acked       int
	Redelivered int // deliveries beyond the first of a message
	Waiting     int // visible, or delayed
	InFlight    int // received, and neither acknowledged nor visible again
	Dead        int
}

// Queue is an at-least-once queue in the manner of SQS: a received message is
// hidden for a time and comes back unless it was acknowledged. It has no bound.
// All methods may be called concurrently.
type Queue struct {
	opts QueueOptions

	mu       sync.Mutex
	entries  messageHeap
	byID     map[string]*queued
	dead     []Message
	stats    QueueStats
	order    uint64
	receipts uint64
	changed  chan struct{} // closed and replaced at every change
}

type queued struct {
	Message
	visibleAt time.Time
	order     uint64
	inFlight  bool
	index     int
}

// NewQueue returns an empty queue.
func NewQueue(opts QueueOptions) *Queue {
	if opts.Visibility == 0 {
		opts.Visibility = 30 * time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Queue{opts: opts, byID: map[string]*queued{}, changed: make(chan struct{})}
}

// Send adds a message, to be visible after delay. A message whose ID is queued
// already is dropped.
func (q *Queue) Send(m Message, delay time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.byID[m.ID] != nil {
		return
	}
	q.order++
	m.Receives = 0
	e := &queued{Message: m, visibleAt: q.opts.Now().Add(delay), order: q.order}
	q.byID[m.ID] = e
	heap.Push(&q.entries, e)
	q.stats.Sent++
	q.broadcast()
}

// Receive waits for visible messages and returns up to limit of them, which are
// then hidden.
func (q *Queue) Receive(ctx context.Context, limit int) ([]Message, error) {
	for {
		got, wait, changed := q.take(limit)
		if len(got) > 0 {
			return got, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take returns the messages that are visible now, or how long it is until the
// next one is and what will tell of a change before that.
func (q *Queue) take(limit int) (got []Message, wait time.Duration, changed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.opts.Now()
	wait = time.Minute
	for len(got) < limit && len(q.entries) > 0 {
		e := q.entries[0]
		if d := e.visibleAt.Sub(now); d > 0 {
			wait = min(d, wait)
			break
		}
		if q.spent(e) {
			q.bury(e)
			continue
		}
		q.receipts++
		e.Receives, e.receipt = e.Receives+1, q.receipts
		e.inFlight, e.visibleAt = true, now.Add(q.opts.Visibility)
		heap.Fix(&q.entries, 0)
		q.stats.Deliveries++
		if e.Receives > 1 {
			q.stats.Redelivered++
		}
		got = append(got, e.Message)
	}
	return got, wait, q.changed
}

// Ack removes a message for good. It reports false where the receipt is stale:
// the message became visible again and was delivered to another.
func (q *Queue) Ack(m Message) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.byID[m.ID]
	if e == nil || e.receipt != m.receipt {
		return false
	}
	q.remove(e)
	q.stats.Acked++
	q.broadcast()
	return true
}

// Nack makes a message visible again after delay, or a dead letter when it was
// delivered often enough. It reports false where the receipt is stale.
func (q *Queue) Nack(m Message, delay time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.byID[m.ID]
	if e == nil || e.receipt != m.receipt {
		return false
	}
	if q.spent(e) {
		q.bury(e)
		return true
	}
	e.inFlight, e.receipt, e.visibleAt = false, 0, q.opts.Now().Add(delay)
	heap.Fix(&q.entries, e.index)
	q.broadcast()
	return true
}

// Wait returns when every message was acknowledged or became a dead letter.
func (q *Queue) Wait(ctx context.Context) error {
	for {
		q.mu.Lock()
		n, changed := len(q.entries), q.changed
		q.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Stats returns the counts of now.
func (q *Queue) Stats() QueueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Dead = len(q.dead)
	now := q.opts.Now()
	for _, e := range q.entries {
		if e.inFlight && e.visibleAt.After(now) {
			s.InFlight++
		} else {
			s.Waiting++
		}
	}
	return s
}

// DeadLetters returns the messages that were given up.
func (q *Queue) DeadLetters() []Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]Message(nil), q.dead...)
}

func (q *Queue) spent(e *queued) bool {
	return q.opts.MaxReceives > 0 && e.Receives >= q.opts.MaxReceives
}

func (q *Queue) bury(e *queued) {
	q.remove(e)
	q.dead = append(q.dead, e.Message)
	q.broadcast()
}

func (q *Queue) remove(e *queued) {
	heap.Remove(&q.entries, e.index)
	delete(q.byID, e.ID)
}

func (q *Queue) broadcast() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// messageHeap has the entry that is visible first on top; of equals, the one that
// was sent first.
type messageHeap []*queued

func (h messageHeap) Len() int { return len(h) }

func (h messageHeap) Less(i, j int) bool {
	if !h[i].visibleAt.Equal(h[j].visibleAt) {
		return h[i].visibleAt.Before(h[j].visibleAt)
	}
	return h[i].order < h[j].order
}

func (h messageHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *messageHeap) Push(x any) {
	e := x.(*queued) // only Send pushes
	e.index = len(*h)
	*h = append(*h, e)
}

func (h *messageHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
