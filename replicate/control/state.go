// Package control holds what the processes of one migration agree on: where it
// stands, which direction may write, and what was noted on the way. It is kept
// in small JSON documents below a reserved prefix of a store, and changed by
// compare-and-swap. There is no other database.
package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// Phase is where a migration stands.
type Phase string

// The phases, in the order in which a migration goes through them. A rollback
// goes from Reversed through Announced, Frozen, Switching and Switched back to
// Following.
const (
	Seeding   Phase = "seeding"   // the backfill is not complete
	Following Phase = "following" // the source is the authority, changes flow to the target
	Announced Phase = "announced" // a cutover or rollback is at hand: writers ask before each write
	Frozen    Phase = "frozen"    // the application holds
	Switching Phase = "switching" // the application is being turned round: nobody writes
	Switched  Phase = "switched"  // the other side is the authority, its changes are not yet seen to flow
	Reversed  Phase = "reversed"  // the target is the authority, changes flow to the source
	Done      Phase = "done"      // finished: nothing flows any more
)

// Side is one end of a migration.
type Side string

// The sides.
const (
	Source Side = "source"
	Target Side = "target"
)

// Other is the opposite side.
func (s Side) Other() Side {
	if s == Source {
		return Target
	}
	return Source
}

// State is the control object.
type State struct {
	Format    int    `json:"format"`
	Migration string `json:"migration"`
	Source    string `json:"source"` // IDs, as in stamps
	Target    string `json:"target"`

	Revision  int64  `json:"revision"` // grows by one with each write
	Writer    string `json:"writer"`   // a random text, so that a writer knows its own write
	Epoch     int64  `json:"epoch"`    // grows when the authority may change: a write of an older one is late
	Phase     Phase  `json:"phase"`
	Authority Side   `json:"authority"` // the side that the application writes to

	Run        *Run        `json:"run,omitempty"`  // the cutover or rollback under way
	Turn       *Turn       `json:"turn,omitempty"` // the last change of the authority
	Seeded     *Seeded     `json:"seeded,omitempty"`
	Comparison *Comparison `json:"comparison,omitempty"` // the last one of everything
	Sweep      *Sweep      `json:"sweep,omitempty"`      // the last one after a change of the authority
	History    []Entry     `json:"history"`              // the last MaxHistory, oldest first
}

// Format is the one of control objects that this program reads and writes.
const Format = 1

// MaxHistory bounds State.History.
const MaxHistory = 200

// Run is a cutover or a rollback under way, and who is at it. All times are of
// the operator's clock unless they say otherwise.
type Run struct {
	ID        string    `json:"id"`        // random; names the journal and the report
	Operation string    `json:"operation"` // cutover or rollback
	Operator  string    `json:"operator"`  // user@host
	Host      string    `json:"host"`
	PID       int       `json:"pid"`
	Beat      int64     `json:"beat"` // grows while the operator lives
	Strict    bool      `json:"strict,omitempty"`
	Started   time.Time `json:"started"`
	Announced time.Time `json:"announced"`

	// FreezeBegan is set before the application is told to hold, Thawed when it
	// is surely not held any more. Between the two a crash leaves it frozen.
	FreezeBegan time.Time `json:"freeze_began,omitzero"`
	Thawed      time.Time `json:"thawed,omitzero"`

	// Step is the last one that was completed within the phase, so that a run
	// that is taken up need not guess.
	Step string `json:"step,omitempty"`

	// Turn is what State.Turn becomes once the other side is the authority, as
	// far as it is known yet: an abort has nothing to take back.
	Turn Turn `json:"turn,omitzero"`
}

// Turn is a change of the authority. What was last written on the old side
// before Cut (by that store's clock) was compared, and is on the new side.
type Turn struct {
	Run   string    `json:"run"`
	Epoch int64     `json:"epoch"`
	To    Side      `json:"to"`
	At    time.Time `json:"at"` // by the operator's clock

	// Since is when the last comparison of everything began, and Cut when the
	// application was seen to hold, by the clock of the old side's store. Born
	// is a moment before the application was told to go on, by the clock of the
	// new side's: a copy that was written there later is a straggler's.
	Since time.Time `json:"since"`
	Cut   time.Time `json:"cut"`
	Born  time.Time `json:"born"`
}

// Seeded says when the backfill was complete.
type Seeded struct {
	At      time.Time `json:"at"`
	Objects int64     `json:"objects"`
	Failed  int64     `json:"failed"`
}

// Comparison is the outcome of one.
type Comparison struct {
	At      time.Time `json:"at"` // its end
	Seconds float64   `json:"seconds"`
	Keys    int64     `json:"keys"`
	Wrong   int64     `json:"wrong"` // missing, different, extra, foreign or unread
	Kind    string    `json:"kind"`  // full, changed or strict
}

// Sweep is the outcome of the look at everything after a turn.
type Sweep struct {
	At         time.Time `json:"at"`
	Seconds    float64   `json:"seconds"`
	Keys       int64     `json:"keys"`
	Repaired   int64     `json:"repaired"`   // events that never came: their objects were put where nothing was
	Stragglers int64     `json:"stragglers"` // copies written after the turn, undone
	Kept       int64     `json:"kept"`       // put aside for resolve
	Failed     int64     `json:"failed"`
}

// Entry is one line of the history.
type Entry struct {
	At    time.Time `json:"at"`
	Who   string    `json:"who"`
	What  string    `json:"what"`
	Phase Phase     `json:"phase"` // after it
	Epoch int64     `json:"epoch"` // after it
	Note  string    `json:"note,omitempty"`
}

// maxState bounds a control object, in bytes.
const maxState = 1 << 20

// namePattern is what a migration may be called.
var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// ValidName reports whether name can be a migration's.
func ValidName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%q cannot name a migration: use 1 to 40 of a-z, 0-9 and -, the first a letter or digit", name)
	}
	return nil
}

// Note appends a line to the history.
func (s *State) Note(e Entry) {
	e.Phase, e.Epoch = s.Phase, s.Epoch
	s.History = append(s.History, e)
	if n := len(s.History) - MaxHistory; n > 0 {
		s.History = append([]Entry(nil), s.History[n:]...)
	}
}

// Clone returns a copy that shares nothing with s.
func (s State) Clone() State {
	clone := func(p any) { // of a pointer to a pointer
		switch p := p.(type) {
		case **Run:
			*p = copied(*p)
		case **Turn:
			*p = copied(*p)
		case **Seeded:
			*p = copied(*p)
		case **Comparison:
			*p = copied(*p)
		case **Sweep:
			*p = copied(*p)
		}
	}
	for _, p := range []any{&s.Run, &s.Turn, &s.Seeded, &s.Comparison, &s.Sweep} {
		clone(p)
	}
	s.History = append([]Entry(nil), s.History...)
	return s
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

func (s State) encode() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// ParseState reads a control object. What is from a newer crossfade, or is
// damaged, is an error that says so.
func ParseState(b []byte) (State, error) {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return State{}, fmt.Errorf("is damaged: %w", err)
	}
	if head.Format > Format {
		return State{}, fmt.Errorf("has format %d, and this crossfade knows formats up to %d: use the newer one", head.Format, Format)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // to write it again would drop them
	var s State
	if err := d.Decode(&s); err != nil {
		return State{}, fmt.Errorf("is damaged: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return State{}, errors.New("is damaged: something follows its end")
	}
	if err := s.check(); err != nil {
		return State{}, fmt.Errorf("is damaged: %w", err)
	}
	return s, nil
}

func (s State) check() error {
	switch {
	case s.Format != Format:
		return fmt.Errorf("format %d", s.Format)
	case ValidName(s.Migration) != nil:
		return ValidName(s.Migration)
	case s.Source == "" || s.Target == "" || s.Source == s.Target:
		return fmt.Errorf("ends %q and %q", s.Source, s.Target)
	case s.Authority != Source && s.Authority != Target:
		return fmt.Errorf("authority %q", s.Authority)
	case s.Revision < 0 || s.Epoch < 0:
		return fmt.Errorf("revision %d, epoch %d", s.Revision, s.Epoch)
	case s.Run != nil && !idPattern.MatchString(s.Run.ID):
		return fmt.Errorf("run %q", s.Run.ID)
	}
	switch s.Phase {
	case Seeding, Following, Reversed, Done:
		return nil
	case Announced, Frozen, Switching, Switched:
		if s.Run == nil {
			return fmt.Errorf("phase %s without a run", s.Phase)
		}
		return nil
	default:
		return fmt.Errorf("phase %q", s.Phase)
	}
}

// idPattern is what names runs, signals and entries in keys.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9-]{1,80}$`)

// Missing reports whether err says that there is no control object.
func Missing(err error) bool { return store.KindOf(err) == store.NotFound }
