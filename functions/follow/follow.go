// Package follow is one direction of a declared migration: it carries changes
// while the side that it reads is the authority, and sorts out what still
// arrives there when it is not any more.
package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// Options configure a Follower. All but Tool are required.
type Options struct {
	From store.Store // the side whose events it gets
	To   store.Store // the other one, decorated by Guard.Guarded

	// Replicate is as for a Replicator from From to To. Its Policy is that before
	// any change of the authority; Inherited, Born and Kept are the Follower's to
	// set.
	Replicate replicate.Options

	Documents *control.Documents
	Guard     *control.Guard // of the direction from From to To
	Now       func() time.Time
	Tool      string // its version, for signals
}

// Follower syncs keys in one direction of a migration, as far as its state
// permits. It may be used by any number of goroutines.
//
// Requests beyond those of a Replicator: while the migration is steady, one GET
// of the control object a Lease; while a cutover or rollback is announced, for
// each invocation a GET and the PUT of its journal, and a GET for each write.
type Follower struct {
	opts      Options
	direction control.Direction
	ends      replicate.Ends
	base      *replicate.Replicator
	log       *slog.Logger

	mu       sync.Mutex
	verified control.Verified // of the turn that was last asked for
}

var (
	_ functions.Syncer    = (*Follower)(nil)
	_ functions.Migration = (*Follower)(nil)
)

// New returns a Follower. The stores remain the caller's to close.
func New(opts Options) (*Follower, error) {
	if opts.Documents == nil || opts.Guard == nil || opts.Now == nil {
		return nil, errors.New("follow: documents, guard and clock are required")
	}
	base, err := replicate.New(opts.From, opts.To, opts.Replicate)
	if err != nil {
		return nil, err
	}
	f := &Follower{
		opts: opts, direction: opts.Guard.Direction(), base: base, log: opts.Replicate.Log,
		ends: replicate.Ends{Source: opts.Replicate.SourceID, Target: opts.Replicate.TargetID},
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	return f, nil
}

const (
	// maxLooks bounds how often a Sync begins anew because the state, or what
	// was to be kept, changed under it.
	maxLooks = 8

	// switchWait is when to come again while the authority changes.
	switchWait = 3 * time.Second
)

// Sync does what the state of the migration asks of key: it carries a change
// towards the side that is not the authority; keeps a late one; or fails with
// kind Unavailable while the authority changes. What is overwritten on the other
// side and was not compared at the turn has been kept before. Errors are as
// Replicator.Sync's; of kind Denied where the migration cannot be understood.
func (f *Follower) Sync(ctx context.Context, key string, hint replicate.Hint) (replicate.Result, error) {
	if key == "" || strings.HasPrefix(key, store.ControlPrefix) {
		return f.base.Sync(ctx, key, hint)
	}
	for look := 1; ; look++ {
		s, err := f.state(ctx, "sync", key, f.opts.Guard.Recent)
		if err == nil && !s.MayWrite(f.direction) {
			s, err = f.state(ctx, "sync", key, f.opts.Guard.State)
		}
		if err != nil {
			return replicate.Result{}, err
		}
		res, err := f.look(ctx, s, key, hint)
		if !errors.Is(err, errAgain) {
			return res, err
		}
		if look == maxLooks {
			return res, &store.Error{Op: "sync", Store: strings.TrimSuffix(f.ends.Target, "/"), Key: key, Kind: store.Precondition, Err: fmt.Errorf("still changing after %d looks: %w", look, err)}
		}
		hint = replicate.HintNone
	}
}

// errAgain says that the world has moved on.
var errAgain = errors.New("it changed meanwhile")

func (f *Follower) look(ctx context.Context, s control.State, key string, hint replicate.Hint) (replicate.Result, error) {
	switch {
	case s.Phase == control.Done:
		return replicate.Result{Reason: "the migration is done"}, nil
	case s.MayWrite(f.direction):
		return f.carry(ctx, s, key, hint)
	case s.Phase == control.Switching:
		return replicate.Result{}, &store.Error{
			Op: "sync", Store: strings.TrimSuffix(f.ends.Target, "/"), Key: key, Kind: store.Unavailable, RetryAfter: switchWait,
			Err: errors.New("the authority is being changed"),
		}
	default:
		return f.straggling(ctx, s, key)
	}
}

// carry is a Sync towards the side that is not the authority.
func (f *Follower) carry(ctx context.Context, s control.State, key string, hint replicate.Hint) (replicate.Result, error) {
	policy := f.policy(s)
	res, err := f.base.With(policy).Sync(ctx, key, hint)
	if control.IsFenced(err) {
		return res, errAgain
	}
	if err != nil || res.Action != replicate.Conflict {
		return res, err
	}
	// The event of a conflict is acknowledged, so it has to be one by the state
	// of now.
	now, err := f.state(ctx, "sync", key, f.opts.Guard.State)
	if err != nil {
		return res, err
	}
	if !now.MayWrite(f.direction) || f.policy(now) != policy {
		return res, errAgain
	}
	if now.Turned(f.direction) == nil {
		return res, nil
	}
	return f.replace(ctx, now, key, res.Source)
}

// policy is what the state makes of the user's. After a turn the other side was
// the authority before: there is nothing foreign but what was written late.
func (f *Follower) policy(s control.State) replicate.Policy {
	p := f.opts.Replicate.Policy
	p.Inherited, p.Born, p.Kept = time.Time{}, time.Time{}, store.Condition{}
	if t := s.Turned(f.direction); t != nil {
		p.Foreign, p.Inherited, p.Born = replicate.KeepForeign, t.Cut.UTC(), t.Born.UTC()
	}
	return p
}

// Begin notes keys in the journal where the state asks for it. It is called
// once an invocation, before the first Sync.
func (f *Follower) Begin(ctx context.Context, keys []string) error {
	s, err := f.state(ctx, "journal", "", f.opts.Guard.State)
	if err != nil {
		return err
	}
	if len(keys) == 0 || !s.Journals() || !s.MayWrite(f.direction) {
		return nil
	}
	if err := f.opts.Documents.Record(ctx, s.Run.ID, keys, f.opts.Now()); err != nil {
		return control.Withheld("journal", "", err)
	}
	return nil
}

// Signal carries a barrier or canary of this migration to the other side. Any
// other key it leaves alone.
func (f *Follower) Signal(ctx context.Context, key string) (handled bool, reason string, err error) {
	id, ok := control.SignalOf(f.opts.Documents.Migration, key)
	if !ok {
		return false, "", nil
	}
	s, err := f.state(ctx, "signal", key, f.opts.Guard.State)
	if err != nil {
		return true, "", err
	}
	if s.MayWrite(f.direction) {
		reason, err = control.Relay(ctx, f.opts.From, f.opts.To, id, s, f.opts.Tool)
		if !control.IsFenced(err) {
			return true, reason, err
		}
	}
	return true, "a signal against the direction", nil
}

// state asks the Guard, and makes sure that the migration is about these two
// ends in this direction.
func (f *Follower) state(ctx context.Context, op, key string, ask func(context.Context) (control.State, error)) (control.State, error) {
	s, err := ask(ctx)
	if err == nil {
		err = Matches(s, f.direction, f.ends)
	}
	if err != nil {
		return control.State{}, control.Withheld(op, key, err)
	}
	return s, nil
}

// Matches returns nil if s is of a migration in which direction d copies from
// ends.Source to ends.Target. Otherwise its error, of kind Denied, says what to
// correct.
func Matches(s control.State, d control.Direction, ends replicate.Ends) error {
	from, to := s.Ends(d)
	if from == ends.Source && to == ends.Target {
		return nil
	}
	return &store.Error{
		Op: "control", Key: control.StateKey(s.Migration), Kind: store.Denied,
		Err: fmt.Errorf("the migration %s copies %s from %s to %s, not from %s to %s: correct the name of the migration, the stores or the direction", s.Migration, d, from, to, ends.Source, ends.Target),
	}
}
