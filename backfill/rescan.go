package backfill

import (
	"context"
	"fmt"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// Comparer tells by two descriptions of an object what a Sync has left to do;
// *replicate.Replicator is one.
type Comparer interface {
	InSync(src, dst *store.Object) bool
	Ours(dst *store.Object) bool
}

// Rescan returns a function that runs once a call: it compares the two listings
// and hands the keys that differ to sync, which decides by itself what to do. It
// returns an error of Run, or one that names a key when some are not in order.
func Rescan(src, dst store.Store, c Comparer, opts Options) func(ctx context.Context, sync func(context.Context, string, replicate.Hint) (replicate.Result, error)) error {
	return func(ctx context.Context, sync func(context.Context, string, replicate.Hint) (replicate.Result, error)) error {
		sum, err := Run(ctx, src, dst, rescan{c, sync}, opts)
		if err == nil && sum.Failed > 0 {
			err = fmt.Errorf("%d of %d objects are not in order, such as %q: %s", sum.Failed, sum.Listed, sum.Failures[0].Key, sum.Failures[0].Reason)
		}
		return err
	}
}

// rescan is a Syncer.
type rescan struct {
	Comparer
	sync func(context.Context, string, replicate.Hint) (replicate.Result, error)
}

func (r rescan) Sync(ctx context.Context, key string, hint replicate.Hint) (replicate.Result, error) {
	return r.sync(ctx, key, hint)
}
