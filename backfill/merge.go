package backfill

import (
	"fmt"
	"iter"

	"github.com/crossfade-io/crossfade/store"
)

// objects is a listing.
type objects = iter.Seq2[*store.Object, error]

// pair is one key as the two listings have it; one of them may be nil.
type pair struct {
	src, dst *store.Object
}

func (p pair) key() string {
	if p.src != nil {
		return p.src.Key
	}
	return p.dst.Key
}

// side says which listing an error came from.
type side string

const (
	sourceSide side = "source"
	targetSide side = "target"
)

// listingError is a listing that did not come to its end.
type listingError struct {
	side side
	err  error
}

func (e *listingError) Error() string { return fmt.Sprintf("listing the %s: %v", e.side, e.err) }
func (e *listingError) Unwrap() error { return e.err }

// merge joins two listings in ascending byte order of keys. It holds one object
// of each. The first error of either, a *listingError, ends it, and nothing is
// yielded about a key before both listings are known to have come past it: a
// listing that fails never makes keys look missing or extra.
func merge(src, dst objects) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		s, stopSource := newCursor(sourceSide, src)
		defer stopSource()
		d, stopTarget := newCursor(targetSide, dst)
		defer stopTarget()
		for {
			if err := s.fill(); err != nil {
				yield(pair{}, err)
				return
			}
			if err := d.fill(); err != nil {
				yield(pair{}, err)
				return
			}
			var p pair
			switch {
			case s.head == nil && d.head == nil:
				return
			case d.head == nil || s.head != nil && s.head.Key < d.head.Key:
				p.src = s.take()
			case s.head == nil || d.head.Key < s.head.Key:
				p.dst = d.take()
			default:
				p.src, p.dst = s.take(), d.take()
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// cursor is one listing with one object looked ahead.
type cursor struct {
	side side
	next func() (*store.Object, error, bool)
	head *store.Object // nil at the end
	last string        // the key taken last
	done bool
}

func newCursor(of side, seq objects) (c *cursor, stop func()) {
	next, stop := iter.Pull2(seq)
	return &cursor{side: of, next: next}, stop
}

// fill makes sure that head is the next object, or that the listing has ended.
// A key that comes twice in a row counts once.
func (c *cursor) fill() error {
	for c.head == nil && !c.done {
		o, err, ok := c.next()
		switch {
		case !ok:
			c.done = true
		case err != nil:
			return &listingError{c.side, err}
		case o.Key < c.last:
			return &listingError{c.side, &store.Error{
				Op: "list", Store: string(c.side), Key: o.Key, Kind: store.Invalid,
				Err: fmt.Errorf("not in byte order: it comes after %q", c.last),
			}}
		case o.Key != c.last:
			c.head = o
		}
	}
	return nil
}

func (c *cursor) take() *store.Object {
	o := c.head
	c.head, c.last = nil, o.Key
	return o
}
