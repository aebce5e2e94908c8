package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// Lease is how long a writer relies on a steady State before it reads it again.
const Lease = 5 * time.Second

// FencedError says that the migration does not permit a write now.
type FencedError struct {
	Direction Direction
	Phase     Phase
	Epoch     int64
	Authority Side
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("the migration is %s (epoch %d) and the %s is the authority: nothing is written %s", e.Phase, e.Epoch, e.Authority, e.Direction)
}

// IsFenced reports whether err says that the migration does not permit a write.
func IsFenced(err error) bool {
	_, ok := errors.AsType[*FencedError](err)
	return ok
}

// Guard answers whether one direction may write. One Guard serves a process.
//
// Requests: while the migration is steady, one GET of the control object a
// Lease (one for each caller that finds it run out at the same moment);
// otherwise one before each write, and one for each call of State.
type Guard struct {
	docs      *Documents
	direction Direction
	now       func() time.Time // only differences count
	lease     time.Duration

	mu    sync.Mutex
	state State
	asked time.Time // before the state was read; zero before the first time
	ticks int64     // counts the beginnings and ends of reads
	read  int64     // when the read of state ended, by ticks
}

// NewGuard returns a Guard of the writers of direction d. lease is for tests
// and demonstrations, where the one who announces knows it; 0 is Lease.
func NewGuard(docs *Documents, d Direction, now func() time.Time, lease time.Duration) *Guard {
	return &Guard{docs: docs, direction: d, now: now, lease: cmp.Or(lease, Lease)}
}

// Direction is the one whose writers it guards.
func (g *Guard) Direction() Direction { return g.direction }

// State returns where the migration stands: as read just now, or within the
// last Lease if it was steady then. It is shared: do not change what it points
// to.
func (g *Guard) State(ctx context.Context) (State, error) {
	return g.within(ctx, State.Steady)
}

// Recent returns the state as read within the last Lease, whatever it was. It
// is enough to plan by; whether a write is permitted is for Check to say.
func (g *Guard) Recent(ctx context.Context) (State, error) {
	return g.within(ctx, func(State) bool { return true })
}

// within returns the state that is known, if it is fresh and good enough, else
// reads it.
func (g *Guard) within(ctx context.Context, enough func(State) bool) (State, error) {
	g.mu.Lock()
	s, fresh := g.state, g.fresh() && enough(g.state)
	g.ticks++
	begun := g.ticks
	g.mu.Unlock()
	if fresh {
		return s, nil
	}
	asked := g.now()
	held, err := g.docs.Load(ctx)
	if err != nil {
		return State{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	// Of reads that overlap the one of the later revision counts. One that began
	// after the other's end counts in any case: somebody may have begun anew.
	if g.asked.IsZero() || held.Revision >= g.state.Revision || begun > g.read {
		g.ticks++
		g.state, g.asked, g.read = held.State, asked, g.ticks
	}
	return g.state, nil
}

// fresh reports whether the state was read within the last Lease, by both of a
// machine's clocks: where functions are put to sleep between two invocations the
// monotonic one may stand still, and the other may be set back.
func (g *Guard) fresh() bool {
	if g.asked.IsZero() {
		return false
	}
	now := g.now()
	steady, wall := now.Sub(g.asked), now.Round(0).Sub(g.asked.Round(0))
	return steady < g.lease && wall < g.lease && wall >= 0
}

// Check returns nil if its direction may write now, else an error that IsFenced
// tells from the failures to find out. Either way nothing may be written, and
// the same may be tried again later.
func (g *Guard) Check(ctx context.Context, op, key string) error {
	s, err := g.State(ctx)
	if err != nil {
		return Withheld(op, key, err)
	}
	if s.MayWrite(g.direction) {
		return nil
	}
	return &store.Error{Op: op, Key: key, Kind: store.Denied, Err: &FencedError{g.direction, s.Phase, s.Epoch, s.Authority}}
}

// Withheld is the error of what is not done because the documents of the
// migration could not be read or written: kind Unavailable where that may pass,
// else Denied, until somebody mends it. The kind of err itself would mislead:
// that the control object is missing says nothing of key.
func Withheld(op, key string, err error) error {
	e := &store.Error{Op: op, Key: key, Kind: store.Denied, Err: err}
	if cause, ok := errors.AsType[*store.Error](err); !ok || cause.Kind.Retryable() && cause.Kind != store.Corrupt {
		e.Kind = store.Unavailable
		if ok {
			e.RetryAfter = cause.RetryAfter
		}
	}
	return e
}

// Guarded decorates the store that the Guard's direction writes to: each write
// is checked just before it. Large bodies are checked again with each part.
func (g *Guard) Guarded(s store.Store) store.Store { return &guarded{Store: s, guard: g} }

type guarded struct {
	store.Store
	guard *Guard
}

var _ store.Coverer = (*guarded)(nil)

// Unwrap returns the store behind.
func (g *guarded) Unwrap() store.Store { return g.Store }

// Cover stands before what writes.
func (g *guarded) Cover(capability any) any {
	if u, ok := capability.(store.MetadataUpdater); ok {
		return &guardedUpdater{u, g.guard}
	}
	return capability
}

// Put checks and puts.
func (g *guarded) Put(ctx context.Context, key string, content store.Content, opts store.PutOptions) (*store.Object, error) {
	if err := g.guard.Check(ctx, "put", key); err != nil {
		return nil, err
	}
	if _, small := content.(store.Bytes); !small {
		content = &guardedContent{content, g.guard, key}
	}
	return g.Store.Put(ctx, key, content, opts)
}

// Delete checks and deletes.
func (g *guarded) Delete(ctx context.Context, key string, cond store.Condition) error {
	if err := g.guard.Check(ctx, "delete", key); err != nil {
		return err
	}
	return g.Store.Delete(ctx, key, cond)
}

type guardedUpdater struct {
	store.MetadataUpdater
	guard *Guard
}

func (g *guardedUpdater) UpdateMetadata(ctx context.Context, key string, attrs store.Attrs, cond store.Condition) (*store.Object, error) {
	if err := g.guard.Check(ctx, "update", key); err != nil {
		return nil, err
	}
	return g.MetadataUpdater.UpdateMetadata(ctx, key, attrs, cond)
}

// guardedContent checks before each part is read, so that a long upload ends
// when it has lost its right.
type guardedContent struct {
	store.Content
	guard *Guard
	key   string
}

func (c *guardedContent) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if err := c.guard.Check(ctx, "put", c.key); err != nil {
		return nil, err
	}
	return c.Content.Open(ctx, offset, length)
}
