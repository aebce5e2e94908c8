package replicate

import "sync"

// recent remembers a bounded number of keys that were lately on the target, so
// that the next event for one of them does not try to create it first. It is a
// guess that saves requests; nothing relies on it.
type recent struct {
	mu   sync.Mutex
	at   map[string]int
	ring []string // grows up to max
	next int
	max  int
}

func newRecent(n int) *recent { return &recent{at: make(map[string]int), max: n} }

func (r *recent) has(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.at[key]
	return ok
}

func (r *recent) add(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.at[key]; ok {
		return
	}
	if r.next == len(r.ring) {
		r.ring = append(r.ring, "")
	} else if old := r.ring[r.next]; old != "" {
		delete(r.at, old)
	}
	r.ring[r.next], r.at[key] = key, r.next
	r.next = (r.next + 1) % r.max
}

func (r *recent) remove(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, ok := r.at[key]; ok {
		r.ring[i] = ""
		delete(r.at, key)
	}
}
