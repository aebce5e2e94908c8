package cutover

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
)

// comparer compares the authority with the other side, and makes that equal where
// it is not. Its Syncs are guarded as those of a function are.
type comparer struct {
	*Engine
	*pairing
	epoch  int64
	since  control.State // as it was when the comparer was made
	filter backfill.Filter

	// onlyLook compares and changes nothing.
	onlyLook bool

	// handOver reports whether a key is known to change just now, and is looked
	// at in the freeze for certain; nil where no journal is read.
	handOver func(key string) bool
}

const (
	// compareRanges is how many ranges of keys are listed at once.
	compareRanges = 16

	// comparePasses bounds the comparisons of everything, where one finds more
	// keys than it can name.
	comparePasses = 3

	maxExamples = 20
)

func newComparer(e *Engine, d control.Direction, s control.State) (*comparer, error) {
	p, err := e.newPairing(d, s)
	if err != nil {
		return nil, err
	}
	filter, err := backfill.NewFilter(e.m.Include, e.m.Exclude)
	return &comparer{Engine: e, pairing: p, epoch: s.Epoch, since: s, filter: filter}, err
}

// Full compares everything, by the listings as far as they tell, and syncs what
// is not equal, until it is or does not become it.
func (c *comparer) Full(ctx context.Context) (report.Comparison, error) {
	r, _, err := c.all(ctx, report.CompareFull)
	return r, err
}

// Strict is Full within the freeze. It also returns the versions of the keys that
// it had to sync; those of the journal are known from its tail.
func (c *comparer) Strict(ctx context.Context) (control.Verified, report.Comparison, error) {
	r, mended, err := c.all(ctx, report.CompareStrict)
	v := control.Verified{Keys: map[string]control.EndPair{}}
	if c.since.Run != nil {
		v.Run = c.since.Run.ID
	}
	for key, l := range mended {
		v.Keys[key] = l.pair(c.direction)
	}
	return v, r, err
}

func (c *comparer) all(ctx context.Context, kind string) (report.Comparison, map[string]looked, error) {
	start := c.o.Now()
	equal := map[string]looked{} // those that were not, and are
	var repaired int64
	for pass := 1; ; pass++ {
		r, err := backfill.Verify(ctx, c.from, c.to, c, backfill.VerifyOptions{
			Options: backfill.Options{
				Concurrency: c.m.Concurrency, Filter: c.filter, Ranges: compareRanges,
				Log: c.log, Now: c.o.Now, Sleep: c.o.Sleep,
			},
			Listed: true,
		})
		if err != nil {
			return report.Comparison{}, nil, err
		}
		if !c.m.Deletes {
			// What is gone from the authority is to stay on the other side.
			r.Extra, r.Keys[backfill.Extra] = 0, nil
		}
		out := report.Comparison{Kind: kind, Start: start.UTC().Round(0), Bytes: r.Bytes, Equal: r.Equal, Repaired: repaired}
		unnamed := addUnnamed(&out, r)
		if err := c.mendAll(ctx, named(r), &out, equal); err != nil {
			return report.Comparison{}, nil, err
		}
		repaired = out.Repaired
		if unnamed == 0 || pass == comparePasses || c.onlyLook {
			out.Keys = out.Equal + wrong(out)
			out.Seconds = c.o.Now().Sub(start).Seconds()
			return out, equal, nil
		}
	}
}

// named returns the keys that r names as not equal, sorted.
func named(r backfill.Report) []string {
	var keys []string
	for _, of := range r.Keys {
		keys = append(keys, of...)
	}
	slices.Sort(keys)
	return keys
}

// addUnnamed counts the keys that r found wrong and does not name.
func addUnnamed(out *report.Comparison, r backfill.Report) (unnamed int64) {
	for _, of := range []struct {
		class backfill.Class
		n     int64
		to    *int64
	}{
		{backfill.Missing, r.Missing, &out.Missing},
		{backfill.Different, r.Different, &out.Different},
		{backfill.Extra, r.Extra, &out.Extra},
		{backfill.Foreign, r.Foreign, &out.Foreign},
		{backfill.Unread, r.Failed, &out.Failed},
	} {
		more := of.n - int64(len(r.Keys[of.class]))
		*of.to += more
		unnamed += more
	}
	return unnamed
}

// mendAll mends keys and counts them in out by what they are then.
func (c *comparer) mendAll(ctx context.Context, keys []string, out *report.Comparison, equal map[string]looked) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(c.m.Concurrency, 1))
	for _, key := range keys {
		g.Go(func() error {
			l := c.mend(ctx, key)
			if err := ctx.Err(); err != nil {
				return err
			}
			if l.class != backfill.Equal && out.Kind == report.CompareFull && c.handOver != nil && c.handOver(key) {
				return nil // a busy key is never equal for long; the freeze says what it is
			}
			mu.Lock()
			defer mu.Unlock()
			count(out, key, l.class, l.mended)
			if l.class == backfill.Equal {
				equal[key] = l
			}
			return nil
		})
	}
	return g.Wait()
}

// count adds a key to a comparison. Its examples come as they were found.
func count(out *report.Comparison, key string, class backfill.Class, mended bool) {
	switch class {
	case backfill.Equal:
		out.Equal++
		if mended {
			out.Repaired++
		}
		return
	case backfill.Missing:
		out.Missing++
	case backfill.Different:
		out.Different++
	case backfill.Extra:
		out.Extra++
	case backfill.Foreign:
		out.Foreign++
	default:
		out.Failed++
	}
	if len(out.Examples) < maxExamples {
		out.Examples = append(out.Examples, key)
	}
}
