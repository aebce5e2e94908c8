package cutover

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// looked is a key as both sides have it, and what that is worth.
type looked struct {
	from, to *store.Object
	class    backfill.Class
	reason   string
	mended   bool // a Sync has changed the other side
}

// pair is the versions of both.
func (l looked) pair(d control.Direction) control.EndPair {
	var p control.EndPair
	set := func(side control.Side, o *store.Object) {
		switch {
		case o == nil:
		case side == control.Target:
			p.Target, p.TargetAt = o.Version, o.ModTime.Unix()
		default:
			p.Source, p.SourceAt = o.Version, o.ModTime.Unix()
		}
	}
	set(d.From(), l.from)
	set(d.To(), l.to)
	return p
}

// look reads a key on both sides at once and compares.
func (p *pairing) look(ctx context.Context, key string) (l looked) {
	g, gctx := errgroup.WithContext(ctx)
	for _, side := range []struct {
		what  string
		store store.Store
		to    **store.Object
	}{{"authority", p.from, &l.from}, {"other side", p.to, &l.to}} {
		g.Go(func() (err error) {
			if *side.to, err = definite(gctx, side.store, key); err != nil {
				return fmt.Errorf("%s: %w", side.what, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return looked{class: backfill.Unread, reason: err.Error()}
	}
	l.class, l.reason = backfill.Compare(l.from, l.to, p)
	return l
}

// look does not take a key for equal as long as a Sync would replace what is on
// the other side by its like: an invocation that is about to do that could still
// do it after the switch, for its condition would hold.
func (c *comparer) look(ctx context.Context, key string) looked {
	l := c.pairing.look(ctx, key)
	if l.class == backfill.Equal && l.from != nil && !c.onlyLook {
		if d := replicate.Plan(l.from, l.to, replicate.Ends{Source: c.fromID, Target: c.toID}, c.policy); d.Action != replicate.Skip {
			l.class, l.reason = backfill.Different, d.Reason
		}
	}
	return l
}

const (
	// mendTries is how often a key is synced until it counts as not equal, and
	// mendPause the time after the first that did not help; it doubles.
	mendTries = 4
	mendPause = 100 * time.Millisecond
)

// mend makes a key equal, and returns the last look at it. What is on the other
// side and was never compared is kept before it is replaced.
func (c *comparer) mend(ctx context.Context, key string) looked {
	var failed error
	l := c.look(ctx, key)
	for n, mended := 1, false; ; n++ {
		if l.mended = mended; l.class == backfill.Equal || c.onlyLook || ctx.Err() != nil {
			return l
		}
		if n > mendTries {
			if failed != nil {
				l.reason = failed.Error()
			}
			return l
		}
		if n > 1 && c.o.Sleep(ctx, mendPause<<(n-2)) != nil {
			return l
		}
		var res replicate.Result
		if res, failed = c.Sync(ctx, key, replicate.HintNone); failed == nil && res.Action == replicate.Conflict && c.turn != nil {
			res, failed = c.replaceLate(ctx, key)
		}
		mended = mended || failed == nil && res.Action != replicate.Skip && res.Action != replicate.Conflict
		l = c.look(ctx, key)
	}
}

// replaceLate keeps what stands on the other side against the authority, and
// replaces just that.
func (c *comparer) replaceLate(ctx context.Context, key string) (replicate.Result, error) {
	to, err := definite(ctx, c.to, key)
	if err != nil {
		return replicate.Result{}, err
	}
	from, err := definite(ctx, c.from, key)
	if err != nil {
		return replicate.Result{}, err
	}
	ends := replicate.Ends{Source: c.fromID, Target: c.toID}
	if replicate.Plan(from, to, ends, c.policy).Action != replicate.Conflict {
		return c.Sync(ctx, key, replicate.HintNone) // a function was there meanwhile
	}
	// Of the second of the cut, only the list of what was compared then says
	// which side of it an object is on. Without the list more is kept than need be.
	compared, err := c.docs.Verified(ctx, c.turn.Run)
	if kind := store.KindOf(err); err != nil && kind != store.NotFound && kind != store.Invalid {
		return replicate.Result{}, err
	}
	if to == nil || !compared.Is(c.direction.To(), to) {
		if err := c.keepLate(ctx, c.epoch, c.direction.To(), c.to, key, to, "found by the comparison"); err != nil {
			return replicate.Result{}, err
		}
	}
	return c.replace(ctx, key, to)
}

// replace makes a key on the other side equal to the authority, whatever is
// there, if that still is what was seen: kept elsewhere, or of no more use.
func (p *pairing) replace(ctx context.Context, key string, seen *store.Object) (replicate.Result, error) {
	policy := p.policy
	policy.Kept = store.IfAbsent()
	if seen != nil {
		policy.Kept = store.IfMatch(seen.Version)
	}
	return p.sync.With(policy).Sync(ctx, key, replicate.HintNone)
}

// keepLate keeps an object that was written late on a side, or that it was
// deleted late.
func (e *Engine) keepLate(ctx context.Context, epoch int64, side control.Side, st store.Store, key string, o *store.Object, why string) error {
	l := control.Late{Key: key, Side: side, Epoch: epoch, Kept: e.o.Now().UTC().Round(0), Why: why}
	if o == nil {
		l.Removed = true
		return e.docs.Keep(ctx, l, nil)
	}
	l.Version, l.Size, l.ModTime, l.Attrs, l.Checksums = o.Version, o.Size, o.ModTime, o.Attrs, o.Checksums
	return e.docs.Keep(ctx, l, store.NewObjectContent(st, o))
}
