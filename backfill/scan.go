package backfill

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/store"
)

// Found is one key as the listings have it. At least one side is not nil, and
// either may be Partial.
type Found struct {
	Source, Target *store.Object

	// Unlisted says that a side which is nil was not listed, rather than listed
	// without the key.
	Unlisted bool
}

// Key is the key.
func (f Found) Key() string { return pair{f.Source, f.Target}.key() }

// Scan merges the listings of both stores, in opts.Ranges ranges at once, and
// calls visit for each key that opts.Filter chooses, from several goroutines. Of
// a store that does not list in byte order of keys each side is gone through by
// itself, and a key may be visited several times. It ends early, with
// ErrInterrupted, where visit returns false; any other error is a listing's, and
// what was visited until then is not the whole.
func Scan(ctx context.Context, src, dst store.Store, opts Options, visit func(Found) bool) error {
	opts = opts.withDefaults()
	err := opts.eachPair(ctx, src, dst, func(p pair) bool {
		return !opts.Filter.Match(p.key()) || visit(Found{Source: p.src, Target: p.dst})
	})
	if _, ok := unordered(err); !ok {
		return err
	}
	for _, of := range []struct {
		side  side
		store store.Store
	}{{sourceSide, src}, {targetSide, dst}} {
		for o, err := range opts.list(ctx, of.store, store.ListOptions{After: opts.After, Until: opts.Until, AnyOrder: true}) {
			if err != nil {
				return &listingError{of.side, err}
			}
			if !opts.Filter.Match(o.Key) {
				continue
			}
			f := Found{Source: o, Unlisted: true}
			if of.side == targetSide {
				f = Found{Target: o, Unlisted: true}
			}
			if opts.stopped(ctx) || !visit(f) {
				return ErrInterrupted
			}
		}
	}
	return nil
}

// eachPair merges both listings in o.Ranges ranges at once and calls visit for
// each key, the filtered ones too, from as many goroutines. It ends early, with
// ErrInterrupted, where visit returns false or nothing more is wanted.
func (o Options) eachPair(ctx context.Context, src, dst store.Store, visit func(pair) bool) error {
	listers := max(o.Ranges, 1)
	shared := newSpans(o.After, o.Until, listAhead, listers)
	var enough atomic.Bool
	group, ctx := errgroup.WithContext(ctx)
	for range listers {
		group.Go(func() error {
			for sp := shared.take(); sp != nil; sp = shared.take() {
				err := o.walk(ctx, src, dst, shared, sp, &enough, visit)
				shared.finished(sp)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (o Options) walk(ctx context.Context, src, dst store.Store, shared *spans, sp *span, enough *atomic.Bool, visit func(pair) bool) error {
	// The range may shrink meanwhile; what was listed beyond is another's.
	shared.mu.Lock()
	bounds := store.ListOptions{After: sp.after, Until: sp.until}
	shared.mu.Unlock()
	for p, err := range merge(o.list(ctx, src, bounds), o.list(ctx, dst, bounds)) {
		switch {
		case err != nil:
			return err
		case !shared.reached(sp, p.key()):
			return nil
		case enough.Load() || o.stopped(ctx) || !visit(p):
			enough.Store(true)
			return ErrInterrupted
		}
	}
	return nil
}
