package follow_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// event is one change of a side.
type event struct {
	side control.Side
	key  string
}

// Many events at once, of both sides and of each twice, while the application
// writes and the authority changes between two of its bursts: both sides are
// equal, no change goes round in circles, and nothing counts as late.
func TestConcurrently(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carrying).begin()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))

	var under sync.WaitGroup // events not yet answered
	events := make(chan event, 1<<14)
	for side, st := range map[control.Side]*cloudsim.Bucket{control.Source: w.src.Bucket(), control.Target: w.dst.Bucket()} {
		st.Subscribe(func(c cloudsim.Change) {
			for range 2 {
				under.Add(1)
				events <- event{side, c.Object.Name}
			}
		})
	}
	for range 8 {
		go func() {
			for e := range events {
				if _, err := w.away(e.side).Sync(t.Context(), e.key, replicate.HintNone); err != nil {
					t.Error(err)
				}
				under.Done()
			}
		}()
	}
	defer close(events)

	authority := control.Source
	var keys []string
	for i := range 10 {
		keys = append(keys, fmt.Sprint("k", i))
	}
	for range 4 {
		st := w.side(authority)
		for i := range 60 {
			key := keys[rng.IntN(len(keys))]
			if rng.IntN(4) == 0 {
				w.remove(st, key)
			} else {
				w.put(st, key, fmt.Sprint(authority, i))
			}
		}
		under.Wait()
		for _, key := range keys {
			if src, dst := w.body(w.src, key), w.body(w.dst, key); src != dst {
				t.Errorf("%s: source %q, target %q", key, src, dst)
			}
		}
		authority = authority.Other()
		w.turn(authority, keys...)
		under.Wait() // of the signals
	}
	if got := w.kept(); len(got) > 0 {
		t.Errorf("kept %q", slices.Compact(got))
	}
}
