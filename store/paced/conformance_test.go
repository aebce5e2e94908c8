package paced_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/limit"
	"github.com/crossfade-io/crossfade/store/paced"
	"github.com/crossfade-io/crossfade/store/retry"
	"github.com/crossfade-io/crossfade/testutil/memstore"
	"github.com/crossfade-io/crossfade/testutil/storetest"
)

func harness(fresh func() store.Store) storetest.Harness {
	return storetest.Harness{
		New:           func(*testing.T) store.Store { return fresh() },
		MultipartSize: 1<<20 + 1,
		ListKeys:      250, // in pages of 100
		BigSize:       4 << 20,
	}
}

// TestConformance: what decorates a store keeps its promises.
func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, harness(func() store.Store {
		return paced.New("mem://b", memstore.Fresh(), paced.Options{Now: time.Now})
	}))
}

// TestConformanceUnderThrottling: a fifth of all calls is refused, and of the
// reads another fifth is not answered. Nobody above notices.
func TestConformanceUnderThrottling(t *testing.T) {
	t.Parallel()
	atOnce := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	storetest.Run(t, harness(func() store.Store {
		inner := memstore.Fresh()
		inner.SetIntercept(func(ctx context.Context, op memstore.Op) error {
			switch n := rand.IntN(5); {
			case op.Name == "read":
			case ctx.Err() != nil: // no client sends a request then, so nobody refuses it
				return ctx.Err()
			case op.Stage == memstore.Before && n == 0:
				return &store.Error{Kind: store.Throttled, Err: errors.New("slow down")}
			case op.Stage == memstore.After && n == 0 && (op.Name == "head" || op.Name == "open" || op.Name == "list"):
				return &store.Error{Kind: store.Unavailable, Err: errors.New("reset")}
			}
			return nil
		})
		return retry.New(limit.New(inner, time.Now, limit.Options{Sleep: atOnce}), time.Now, retry.Options{Attempts: 40, Burst: 1e9, Sleep: atOnce})
	}))
}
