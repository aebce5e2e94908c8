package cutover

import (
	"context"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// pairing is the authority and the other side, as the direction from the one to
// the other sees them.
type pairing struct {
	direction    control.Direction
	from, to     store.Store // not guarded
	fromID, toID string
	turn         *control.Turn // the one that made this the direction, if any
	policy       replicate.Policy

	// sync writes through a Guard, and decides by policy.
	sync *replicate.Replicator
}

func (e *Engine) newPairing(d control.Direction, s control.State) (*pairing, error) {
	p := &pairing{
		direction: d, from: e.end(d.From()), to: e.end(d.To()), fromID: e.id(d.From()), toID: e.id(d.To()),
		turn: s.Turned(d), policy: replicate.Policy{Deletes: e.m.Deletes, Foreign: e.m.Foreign},
	}
	if t := p.turn; t != nil {
		// What is foreign there was written late, or is known from the turn.
		p.policy.Foreign, p.policy.Inherited, p.policy.Born = replicate.KeepForeign, t.Cut.UTC(), t.Born.UTC()
		if !sweepDue(s) {
			// The stragglers' copies are gone: all that came from the other side
			// is the authority's own.
			p.policy.Born = time.Unix(1<<40, 0).UTC()
		}
	}
	var err error
	p.sync, err = replicate.New(p.from, e.guard(d).Guarded(p.to), replicate.Options{
		SourceID: p.fromID, TargetID: p.toID, Policy: p.policy, Log: e.log, Sleep: e.o.Sleep,
	})
	return p, err
}

// Comparer returns what judges and syncs single keys for a comparison of the
// authority, which it names, with the other side: whichever way they were copied.
func (e *Engine) Comparer(ctx context.Context) (backfill.Syncer, control.Side, error) {
	held, err := e.load(ctx)
	if err != nil {
		return nil, "", err
	}
	p, err := e.newPairing(control.Away(held.Authority), held.State)
	return p, held.Authority, err
}

// pairing is what a comparison needs of a Replicator, but knows copies that were
// made either way: after a turn each side has originals and copies.
var _ backfill.Syncer = (*pairing)(nil)

// Sync makes key on the other side equal to the authority.
func (p *pairing) Sync(ctx context.Context, key string, hint replicate.Hint) (replicate.Result, error) {
	return p.sync.Sync(ctx, key, hint)
}

// InSync reports whether one of the two is an unchanged copy of just this state of
// the other. One that is Partial may be the original, never the copy.
func (p *pairing) InSync(from, to *store.Object) bool {
	return isCopy(to, from, p.fromID) || isCopy(from, to, p.toID)
}

// Ours reports whether an object on the other side was copied there by this
// direction, or was compared with the authority at the turn.
func (p *pairing) Ours(to *store.Object) bool {
	return p.sync.Ours(to) || p.turn != nil && to.ModTime.Unix() < p.turn.Cut.Unix()
}

// isCopy reports whether o was copied from original, at the end with this ID, as
// that is now.
func isCopy(o, original *store.Object, id string) bool {
	if o.Partial {
		return false
	}
	stamp, ok := replicate.CopiedFrom(o, id)
	return ok && stamp.Version.Covers(original.Version) && stamp.ModTime.Unix() == original.ModTime.Unix() && stamp.Size == original.Size &&
		(original.Partial || replicate.SameAttrs(o.Attrs, original.Attrs))
}

// definite returns nil where the store said for sure that there is nothing: a
// HEAD is not believed that, for S3 answers it alike for a missing bucket.
func definite(ctx context.Context, st store.Store, key string) (*store.Object, error) {
	o, err := st.Head(ctx, key)
	if store.KindOf(err) != store.NotFound {
		return o, err
	}
	r, err := st.Open(ctx, key, store.ReadOptions{})
	if store.KindOf(err) == store.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &r.Object, r.Body.Close()
}
