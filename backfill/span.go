package backfill

import (
	"math"
	"strings"
	"sync"
	"unicode/utf8"
)

// worthwhile is how many pages have to be ahead of a lister, as far as can be
// told, for another to take half of them: every half costs a page or two that are
// listed twice, for a page does not end where a range does.
const worthwhile = 8

// span is a range of keys (after, until] that one lister walks through; until ""
// is unbounded. Others take halves of what it has not reached.
type span struct {
	after string

	// Of the spans' mutex.
	until  string
	first  string // the key that it began with; "" before that
	last   string // the key that it came to
	seen   int    // keys
	robbed int    // how often a half was taken
	spare  int    // how many halves may be taken of an unknown rest
}

// spans hands out ranges of one key space, each key in just one of them. Nobody
// knows beforehand where keys lie, so the first lister begins with everything,
// and whoever has nothing to do takes half of what another has still ahead.
type spans struct {
	page    int // keys
	listers int

	mu      sync.Mutex
	changed sync.Cond
	fresh   *span // not yet handed out
	live    []*span
	seen    int // keys, by all
	halves  int // taken
}

func newSpans(after, until string, page, listers int) *spans {
	// Nothing is known of the keys at first, and most halves turn out empty.
	s := &spans{page: page, listers: listers, fresh: &span{after: after, until: until, spare: listers}}
	s.changed.L = &s.mu
	return s
}

// take returns a range to walk through, and nil once all is walked through. It
// waits while there is nothing to take.
func (s *spans) take() *span {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.fresh != nil:
			sp := s.fresh
			s.fresh, s.live = nil, append(s.live, sp)
			return sp
		case len(s.live) == 0:
			return nil
		}
		if sp := s.rob(); sp != nil {
			s.live = append(s.live, sp)
			return sp
		}
		s.changed.Wait()
	}
}

// rob takes half of what is ahead of the lister who has most of it.
func (s *spans) rob() *span {
	if s.halves >= s.listers+s.seen/(worthwhile*s.page) {
		return nil // a guess can be wrong, but not for ever
	}
	var victim *span
	most, mid := float64(worthwhile*s.page), ""
	for _, sp := range s.live {
		if sp.seen < 2*s.page {
			continue
		}
		if n := sp.ahead(s.page); n > most {
			if m, ok := sp.half(); ok {
				victim, most, mid = sp, n, m
			}
		}
	}
	if victim == nil {
		return nil
	}
	half := &span{after: mid, until: victim.until}
	victim.until = mid
	victim.robbed++
	s.halves++
	return half
}

// ahead guesses how many keys are ahead in sp, as though they lay as densely as
// those that were seen. Where that says nothing, since all have begun alike, many
// are, as long as there are halves to spare, and one for so many pages.
func (sp *span) ahead(page int) float64 {
	from := common(sp.first, sp.until)
	first, last, end := position(sp.first[from:]), position(sp.last[from:]), 1.0
	if sp.until != "" {
		end = position(sp.until[from:])
	}
	if last-first > leastStretch {
		return float64(sp.seen) * (end - last) / (last - first)
	}
	if sp.robbed < sp.spare+sp.seen/(worthwhile*page) {
		return math.MaxFloat64
	}
	return 0
}

// leastStretch is the least difference of two positions that says something.
const leastStretch = 1e-12

// position maps texts to [0, 1), in their order, by their first few characters.
func position(s string) float64 {
	p, scale := 0.0, 1.0
	for _, r := range s {
		if scale < leastStretch {
			break
		}
		scale /= float64(asciiEnd-lowest) + 1
		p += float64(min(max(r, lowest), asciiEnd)-lowest) * scale
	}
	return p
}

// reached notes that the lister of sp has come to key, and reports whether key
// is still its own.
func (s *spans) reached(sp *span, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sp.until != "" && key > sp.until {
		return false
	}
	if sp.last = key; sp.seen == 0 {
		sp.first = key
	}
	s.seen++
	if sp.seen++; sp.seen%s.page == 0 {
		s.changed.Broadcast()
	}
	return true
}

// finished ends a range.
func (s *spans) finished(sp *span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.live {
		if s.live[i] == sp {
			s.live = append(s.live[:i], s.live[i+1:]...)
			break
		}
	}
	s.changed.Broadcast()
}

// maxBoundary bounds a boundary that is made up, in bytes: keys have 1024, of
// which a store's prefix takes some.
const maxBoundary = 512

// The characters that boundaries are made of: printable, so that every service
// takes them. Most keys are of ASCII, so without an upper bound that is tried
// first.
const (
	lowest   = rune(' ')
	asciiEnd = rune(0x7f)
	highest  = rune(0x1fffd)
)

// half returns where to divide what is ahead in sp. Every other time that is
// between its last key and its end; in between it is behind the keys that begin as
// these do, since where all share a long prefix nothing lies half way to the end.
// How much of the beginning to go by is found by halving as well.
func (sp *span) half() (mid string, ok bool) {
	least := 0
	if sp.robbed%2 == 1 {
		least = prefixEnd(sp.last, (common(sp.last, sp.until)+common(sp.first, sp.last))/2)
	}
	return between(sp.last, sp.until, least)
}

// prefixEnd is the last place from n downwards where a character of s begins.
func prefixEnd(s string, n int) int {
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}

// between returns a text between low and high that begins as low does for at
// least so many bytes, or false where there is none worth the effort. high "" is
// unbounded.
func between(low, high string, least int) (mid string, ok bool) {
	if !utf8.ValidString(low) || !utf8.ValidString(high) {
		return "", false
	}
	shared := common(low, high)
	if shared < least {
		shared, high = least, ""
		mid, ok = above(low[shared:], "")
	} else {
		mid, ok = above(low[shared:], high[shared:])
	}
	mid = low[:shared] + mid
	return mid, ok && low < mid && (high == "" || mid < high) && len(mid) <= maxBoundary
}

// common is the length in bytes of what a and b, which are UTF-8, begin with both.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && (n < len(a) && !utf8.RuneStart(a[n]) || n < len(b) && !utf8.RuneStart(b[n])) {
		n--
	}
	return n
}

// above is between for texts whose first characters differ.
func above(low, high string) (mid string, ok bool) {
	var b strings.Builder
	for {
		l, size := lowest-1, 0
		if low != "" {
			l, size = utf8.DecodeRuneInString(low)
		}
		h, _ := utf8.DecodeRuneInString(high)
		switch {
		case high != "":
		case l < asciiEnd-1:
			h = asciiEnd
		default:
			h = highest
		}
		if m := l + (h-l)/2; m > l && m < h && m >= lowest {
			b.WriteRune(plain(m, l))
			return b.String(), true
		}
		if low == "" {
			return "", false
		}
		// Neighbours: half of what begins as low does.
		b.WriteString(low[:size])
		low, high = low[size:], ""
	}
}

// plain returns m, or near it a character above l that is one and can be sent.
func plain(m, l rune) rune {
	switch {
	case m >= 0xd800 && m <= 0xdfff && l < 0xd7ff:
		return 0xd7ff
	case m >= 0xd800 && m <= 0xdfff:
		return 0xe000
	case m&0xfffe == 0xfffe:
		return m - 2
	default:
		return m
	}
}
