package demo

import (
	"context"
	"errors"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/retry"
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
func (w *World) injected() map[string]int {
	var all map[string]int
	for _, e := range []*End{w.Source, w.Target} {
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
func (w *World) backfillAll(ctx context.Context, src, dst store.Store, rep *replicate.Replicator, concurrency int, progress *backfill.Progress) (sum backfill.Summary, err error) {
	var syncer backfill.Syncer = rep
	runs := 1
	if w.opts.Faults > 0 {
		syncer, runs = patient{rep}, patience
	}
	for range runs {
		sum, err = backfill.Run(ctx, src, dst, syncer, backfill.Options{
			Concurrency: concurrency, Progress: progress, Log: w.opts.Log, Now: w.opts.Now,
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

// forgiving is a store whose denials are no final answer: here they pass.
type forgiving struct{ store.Store }

// tireless tries again what fails, often and soon.
func tireless(st store.Store, now func() time.Time) store.Store {
	return retry.New(forgiving{st}, now, retry.Options{
		Attempts: 15, Base: 20 * time.Millisecond, Throttled: 50 * time.Millisecond, Max: time.Second, Burst: 1e6,
	})
}

func forgive(err error) error {
	if e, ok := errors.AsType[*store.Error](err); ok && e.Kind == store.Denied && !control.IsFenced(err) {
		passing := *e
		passing.Kind = store.Throttled
		return &passing
	}
	return err
}

// Unwrap returns the store behind.
func (f forgiving) Unwrap() store.Store { return f.Store }

// Head forgives.
func (f forgiving) Head(ctx context.Context, key string) (*store.Object, error) {
	o, err := f.Store.Head(ctx, key)
	return o, forgive(err)
}

// Open forgives.
func (f forgiving) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	r, err := f.Store.Open(ctx, key, opts)
	return r, forgive(err)
}

// Put forgives.
func (f forgiving) Put(ctx context.Context, key string, content store.Content, opts store.PutOptions) (*store.Object, error) {
	o, err := f.Store.Put(ctx, key, content, opts)
	return o, forgive(err)
}

// Delete forgives.
func (f forgiving) Delete(ctx context.Context, key string, cond store.Condition) error {
	return forgive(f.Store.Delete(ctx, key, cond))
}

// List forgives.
func (f forgiving) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		for o, err := range f.Store.List(ctx, opts) {
			if !yield(o, forgive(err)) {
				return
			}
		}
	}
}
