package demo

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// What happens to events where requests fail.
const (
	duplicated = 0.1                    // of them are sent twice
	shuffled   = 100 * time.Millisecond // is how far they get out of order
	late       = 0.1                    // of them come once more after all was done
	patience   = 100                    // tries of whatever may fail: deliveries, runs of the backfill and its keys
)

// newFaults are those of one cloud. What hangs is ended by the service, as load
// balancers do, because the plain SDKs wait without an end.
func newFaults(opts Options, cloud string) *cloudsim.Faults {
	if opts.Faults <= 0 {
		return nil
	}
	h := fnv.New64a()
	h.Write([]byte(cloud))
	return cloudsim.NewFaults(rand.New(rand.NewPCG(opts.Seed, h.Sum64())), cloudsim.FaultRule{
		Mix: cloudsim.PassingFaults(), Share: opts.Faults, Delay: 100 * time.Millisecond,
	})
}

// injected is how many faults of each kind took effect so far; nil without any.
func (d *Demo) injected() map[string]int {
	var all map[string]int
	for _, e := range []*end{d.source, d.target} {
		for kind, n := range e.faults.Counts() {
			if all == nil {
				all = map[string]int{}
			}
			all[string(kind)] += n
		}
	}
	return all
}

// backfillAll runs the backfill, again where a listing failed, and syncs keys
// that failed again, as its user would.
func (d *Demo) backfillAll(ctx context.Context, rep *replicate.Replicator) (sum backfill.Summary, err error) {
	var syncer backfill.Syncer = rep
	runs := 1
	if d.opts.Faults > 0 {
		syncer, runs = patient{rep}, patience
	}
	for range runs {
		sum, err = backfill.Run(ctx, d.source.store, d.target.store, syncer, backfill.Options{
			Concurrency: 16, Progress: &d.fill, Log: d.opts.Log, Now: d.opts.Now,
		})
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return sum, err
}

// patient syncs a key until it succeeds.
type patient struct{ *replicate.Replicator }

// Sync gives up after many tries.
func (p patient) Sync(ctx context.Context, key string, hint replicate.Hint) (res replicate.Result, err error) {
	for range patience {
		if res, err = p.Replicator.Sync(ctx, key, hint); err == nil || ctx.Err() != nil {
			break
		}
	}
	return res, err
}
