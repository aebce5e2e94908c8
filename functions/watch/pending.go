package watch

import (
	"container/heap"
	"time"
)

// id is what waits: a key, or all keys below a prefix that the target has.
type id struct {
	key   string
	below bool
}

// item is one id and when its turn is.
type item struct {
	id
	op       op
	first    time.Time // of the changes not yet handed on
	due      time.Time
	attempts int   // that were to be retried
	refused  error // why the name is no key

	at    int  // in the heap; -1 while in work
	again bool // it changed while in work
}

// pending holds what waits, in the order in which it is due. It is bounded, and
// not safe for concurrent use.
type pending struct {
	settle, maxWait time.Duration
	most            int

	items map[id]*item // those in work as well
	heap  byDue
}

func newPending(settle, maxWait time.Duration, most int) *pending {
	return &pending{settle: settle, maxWait: maxWait, most: most, items: map[id]*item{}}
}

func (p *pending) len() int { return len(p.items) }

// add notes a change. It returns false where there is no room for it.
func (p *pending) add(what id, o op, refused error, now time.Time) bool {
	it := p.items[what]
	switch {
	case it == nil && len(p.items) >= p.most:
		return false
	case it == nil:
		it = &item{id: what, op: o, first: now, due: now.Add(p.settle), refused: refused}
		p.items[what] = it
		heap.Push(&p.heap, it)
	case it.at < 0: // in work: what it sees may be the old state
		if !it.again {
			it.again, it.first, it.op = true, now, 0
		}
		it.op = it.op.then(o)
	case it.attempts > 0: // its time is that of the retry
		it.op = it.op.then(o)
	default:
		it.op = it.op.then(o)
		it.due = now.Add(p.settle)
		if last := it.first.Add(p.maxWait); it.due.After(last) {
			it.due = last
		}
		heap.Fix(&p.heap, it.at)
	}
	return true
}

// take returns up to n items that are due, now in work.
func (p *pending) take(n int, now time.Time) []item {
	var batch []item
	for len(batch) < n && len(p.heap) > 0 && !p.heap[0].due.After(now) {
		it := heap.Pop(&p.heap).(*item)
		it.at = -1
		batch = append(batch, *it)
	}
	return batch
}

// next tells when something will be due; false where nothing waits.
func (p *pending) next() (time.Time, bool) {
	if len(p.heap) == 0 {
		return time.Time{}, false
	}
	return p.heap[0].due, true
}

// done ends the work on an item, unless it changed meanwhile.
func (p *pending) done(what id, now time.Time) {
	it := p.items[what]
	if !it.again {
		delete(p.items, what)
		return
	}
	it.again, it.attempts = false, 0
	it.due = now.Add(p.settle)
	heap.Push(&p.heap, it)
}

// retry lets an item in work wait until due.
func (p *pending) retry(what id, due time.Time) {
	it := p.items[what]
	it.again = false
	it.attempts++
	it.due = due
	heap.Push(&p.heap, it)
}

// byDue is a heap.Interface.
type byDue []*item

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

func (h byDue) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *byDue) Push(x any) {
	it := x.(*item)
	it.at = len(*h)
	*h = append(*h, it)
}

func (h *byDue) Pop() any {
	old := *h
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return it
}
