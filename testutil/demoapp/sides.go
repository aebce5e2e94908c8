package demoapp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Side is one of the two buckets between which the application is moved.
type Side string

// The sides, in the words of crossfade's hooks.
const (
	Source Side = "source"
	Target Side = "target"
)

// Refused says why the application does not follow a hook. Nothing has changed.
type Refused struct{ Why string }

func (e *Refused) Error() string { return e.Why }

// Pause is a time in which the application could not write, as it saw it itself:
// from the last write that was accepted before to the first one after.
type Pause struct {
	Run      string // of crossfade, as its hooks name it
	From, To Side
	Length   time.Duration
	Expired  bool // it went on by itself
}

// Sides is where the application writes to, and whether it does.
//
// While it holds it begins nothing, and what it had begun has ended. A hold ends
// when it is told to go on, or by itself at the side where it is: when the time
// passes that it was told is the longest, and it was not moved meanwhile.
type Sides struct {
	clients map[Side]Client
	after   func(time.Duration, func()) (stop func() bool)

	mu       sync.Mutex
	at       Side
	moves    int   // how often it went to the other side
	done     []int // operations that were accepted, by the moves before
	epoch    int64 // the highest that a hook had
	inFlight int
	idle     chan struct{} // closed when nothing is in flight; nil where nobody waits
	hold     *hold
	expired  string // the run whose hold ended by itself

	stretch int // grows when it goes on, or moves
	last    time.Time
	open    *Pause // ends with the first write of this stretch
	pauses  []Pause
}

type hold struct {
	run   string
	from  Side
	ended chan struct{}
	stop  func() bool // of the timer; nil where there is none, or no longer
}

// NewSides returns an application's sides; it begins at the source. after runs
// a function later, and is for tests; nil is time.AfterFunc.
func NewSides(source, target Client, after func(time.Duration, func()) (stop func() bool)) *Sides {
	if after == nil {
		after = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	return &Sides{clients: map[Side]Client{Source: source, Target: target}, after: after, at: Source}
}

// ticket is the permission for one operation.
type ticket struct {
	client  Client
	moves   int
	stretch int
}

// begin waits while the application holds. Each success is followed by end.
func (s *Sides) begin(ctx context.Context) (ticket, error) {
	for {
		s.mu.Lock()
		h := s.hold
		if h == nil {
			s.inFlight++
			t := ticket{s.clients[s.at], s.moves, s.stretch}
			s.mu.Unlock()
			return t, nil
		}
		s.mu.Unlock()
		select {
		case <-h.ended:
		case <-ctx.Done():
			return ticket{}, ctx.Err()
		}
	}
}

func (s *Sides) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inFlight--; s.inFlight == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// accepted notes a success. The first one of a stretch ends a pause.
func (s *Sides) accepted(t ticket, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil && t.stretch == s.stretch {
		s.open.Length = at.Sub(s.last)
		s.pauses = append(s.pauses, *s.open)
		s.open = nil
	}
	if at.After(s.last) {
		s.last = at
	}
	for len(s.done) <= t.moves {
		s.done = append(s.done, 0)
	}
	s.done[t.moves]++
}

// Accepted is how many operations succeeded after so many moves.
func (s *Sides) Accepted(moves int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if moves >= len(s.done) {
		return 0
	}
	return s.done[moves]
}

// At is the side that it writes to, and whether it holds.
func (s *Sides) At() (at Side, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at, s.hold != nil
}

// Pauses are those that are over, in order.
func (s *Sides) Pauses() []Pause {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Pause(nil), s.pauses...)
}

// admit refuses what comes too late, or does not fit where the application is.
// A rehearsal is told only the former. It is called with the lock held.
func (s *Sides) admit(c Call) error {
	refuse := func(format string, args ...any) error { return &Refused{fmt.Sprintf(format, args...)} }
	switch {
	case c.Epoch < s.epoch:
		return refuse("epoch %d is over: the application has seen %d", c.Epoch, s.epoch)
	case c.DryRun:
		return nil
	case c.Step == "freeze" && c.Authority != s.at:
		return refuse("the application writes to the %s, not to the %s", s.at, c.Authority)
	case c.Step == "freeze":
		return nil
	case s.hold != nil && s.hold.run != c.Run:
		return refuse("the application holds for run %s, not for %s", s.hold.run, c.Run)
	case s.hold != nil || c.Authority == s.at:
		return nil
	case c.Step == "unfreeze":
		return refuse("the application does not hold, and writes to the %s", s.at)
	case s.expired == c.Run:
		return refuse("the freeze of run %s has expired, and the application writes to the %s again", c.Run, s.at)
	}
	return nil
}

// freeze makes the application hold, and returns when nothing is in flight. If
// ctx ends sooner it holds nevertheless.
func (s *Sides) freeze(ctx context.Context, c Call) error {
	s.mu.Lock()
	if err := s.admit(c); err != nil {
		s.mu.Unlock()
		return err
	}
	s.epoch = c.Epoch
	if s.expired == c.Run {
		s.expired = "" // this is a new hold of the same run
	}
	if s.hold == nil || s.hold.run != c.Run {
		s.newHold(c)
	}
	if s.inFlight > 0 && s.idle == nil {
		s.idle = make(chan struct{})
	}
	idle := s.idle
	s.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return errors.New("operations are still in flight")
	}
}

// newHold takes the place of another run's, if there is one.
func (s *Sides) newHold(c Call) {
	h := &hold{run: c.Run, from: s.at, ended: make(chan struct{})}
	if old := s.hold; old != nil {
		old.disarm()
		h.from, h.ended = old.from, old.ended
	}
	s.hold = h
	if c.MaxFreeze > 0 {
		h.stop = s.after(time.Duration(c.MaxFreeze*float64(time.Second)), func() { s.expire(h) })
	}
}

func (h *hold) disarm() {
	if h.stop != nil {
		h.stop()
		h.stop = nil
	}
}

// move makes the application use a side from now on. If it holds, it still does,
// and no longer goes on by itself: where to is not for it to say.
func (s *Sides) move(c Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.admit(c); err != nil {
		return err
	}
	s.epoch = c.Epoch
	if s.hold != nil {
		s.hold.disarm()
	}
	s.use(c.Run, c.Authority)
	return nil
}

// unfreeze makes it go on, at the side that the hook names.
func (s *Sides) unfreeze(c Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.admit(c); err != nil {
		return err
	}
	s.epoch = c.Epoch
	s.use(c.Run, c.Authority)
	s.goOn(false)
	return nil
}

func (s *Sides) use(run string, side Side) {
	if side == s.at {
		return
	}
	from := s.at
	s.at = side
	s.moves++
	if s.hold == nil {
		s.begun(&Pause{Run: run, From: from, To: side})
	}
}

func (s *Sides) expire(h *hold) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold == h && h.stop != nil { // neither ended nor moved meanwhile
		s.expired = h.run
		s.goOn(true)
	}
}

// goOn ends the hold, if there is one.
func (s *Sides) goOn(expired bool) {
	h := s.hold
	if h == nil {
		return
	}
	h.disarm()
	s.hold = nil
	s.begun(&Pause{Run: h.run, From: h.from, To: s.at, Expired: expired})
	close(h.ended)
}

func (s *Sides) begun(p *Pause) {
	s.stretch++
	s.open = p
}
