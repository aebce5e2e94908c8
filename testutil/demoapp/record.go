package demoapp

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Verdict is what became of a key.
type Verdict uint8

// The verdicts. All but Fine are faults.
const (
	Fine        Verdict = iota
	Lost                // recorded as stored, and absent
	Stale               // holds what was stored under the key before
	Resurrected         // recorded as deleted, and present
	Corrupt             // holds what was never stored under the key
	Foreign             // present, and nobody stored anything under the key
)

func (v Verdict) String() string {
	return [...]string{"fine", "lost", "stale", "resurrected", "corrupt", "foreign"}[v]
}

// Counts are what the application was told succeeded.
type Counts struct {
	Creates    int
	Overwrites int
	Deletes    int
	Errors     int // operations that failed
}

// Writes are creations and overwrites.
func (c Counts) Writes() int { return c.Creates + c.Overwrites }

// Record is the application's own record of what it was told succeeded.
type Record struct {
	mu       sync.Mutex
	keys     map[string]*state
	counts   Counts
	firstErr error
}

// state is what is known of one key.
type state struct {
	deleted bool    // the last acknowledged operation was a delete
	content Content // else this was stored by it
	history map[Print]bool

	// unknown are outcomes of failed operations since: any may have happened.
	// A nil one is a delete.
	unknown []*Content
}

// NewRecord returns an empty record.
func NewRecord() *Record { return &Record{keys: map[string]*state{}} }

func (r *Record) state(key string) *state {
	s := r.keys[key]
	if s == nil {
		s = &state{deleted: true, history: map[Print]bool{}}
		r.keys[key] = s
	}
	return s
}

// Stored notes that c was stored under key.
func (r *Record) Stored(kind Kind, key string, c Content) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state(key)
	s.deleted, s.content, s.unknown = false, c, nil
	s.history[c.Print()] = true
	if kind == Create {
		r.counts.Creates++
	} else {
		r.counts.Overwrites++
	}
}

// Deleted notes that key was deleted.
func (r *Record) Deleted(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state(key)
	s.deleted, s.content, s.unknown = true, Content{}, nil
	r.counts.Deletes++
}

// Failed notes that storing c under key, or deleting key where c is nil,
// failed with err: it may have happened nevertheless.
func (r *Record) Failed(key string, c *Content, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state(key)
	s.unknown = append(s.unknown, c)
	if c != nil {
		s.history[c.Print()] = true
	}
	r.counts.Errors++
	if r.firstErr == nil {
		r.firstErr = err
	}
}

// Judge says what became of key. got is what is there now, nil where nothing
// is; the words are for people.
func (r *Record) Judge(key string, got *Content) (Verdict, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.keys[key]
	if s == nil {
		if got == nil {
			return Fine, ""
		}
		return Foreign, "nobody stored it"
	}
	for _, u := range s.unknown {
		if u == nil && got == nil || u != nil && got != nil && u.Print() == got.Print() {
			return Fine, ""
		}
	}
	switch {
	case s.deleted && got == nil:
		return Fine, ""
	case s.deleted:
		return Resurrected, fmt.Sprintf("deleted, and there with %d bytes", got.Size)
	case got == nil:
		return Lost, fmt.Sprintf("stored with %d bytes, and not there", s.content.Size)
	case s.content.Print() == got.Print():
		return Fine, ""
	case s.history[got.Print()]:
		return Stale, "as it was before: " + s.content.Difference(*got)
	default:
		return Corrupt, s.content.Difference(*got)
	}
}

// Keys returns every key that was ever written, in order.
func (r *Record) Keys() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.keys))
}

// Counts returns the counts so far.
func (r *Record) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// FirstError is the error of the first operation that failed, or nil.
func (r *Record) FirstError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.firstErr
}
