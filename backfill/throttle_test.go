package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/limit"
	"github.com/crossfade-io/crossfade/store/retry"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// meteredTarget answers each request after latency, and refuses those beyond so
// many a second, with a burst of a tenth of that. For a synctest bubble.
type meteredTarget struct {
	latency time.Duration

	mu       sync.Mutex
	rate     float64
	tokens   float64
	at       time.Time
	served   int
	refused  int
	onServed func(n int)
}

func (m *meteredTarget) intercept(_ context.Context, op memstore.Op) error {
	if op.Stage == memstore.After || op.Name == "list" || op.Name == "read" {
		return nil
	}
	time.Sleep(m.latency)
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.tokens = min(m.tokens+m.rate*now.Sub(m.at).Seconds(), max(m.rate/10, 1))
	m.at = now
	if m.tokens < 1 {
		m.refused++
		return &store.Error{Kind: store.Throttled, Err: errors.New("slow down")}
	}
	m.tokens--
	m.served++
	if m.onServed != nil {
		m.onServed(m.served)
	}
	return nil
}

// throttled is a backfill of n keys to a target that bears rate requests a
// second, of which each takes 50 ms: so rate/20 at once are just enough.
type throttled struct {
	n        int
	rate     float64
	onServed func(n int, l *limit.Store, m *meteredTarget)
	unpaced  bool
}

func (x throttled) run(t *testing.T) (m *meteredTarget, l *limit.Store, r *retry.Store, took time.Duration) {
	t.Helper()
	w := newWorld(t)
	for i := range x.n {
		w.put(w.src, fmt.Sprintf("k%05d", i), "x")
	}
	m = &meteredTarget{latency: 50 * time.Millisecond, rate: x.rate, at: time.Now()}
	w.dst.SetIntercept(m.intercept)
	l = limit.New(w.dst, time.Now, limit.Options{Max: 64})
	r = retry.New(l, time.Now, retry.Options{})
	if x.unpaced {
		r = retry.New(w.dst, time.Now, retry.Options{})
	}
	if x.onServed != nil {
		m.onServed = func(n int) { x.onServed(n, l, m) }
	}
	began := time.Now()
	sum, err := backfill.Run(t.Context(), w.src, r, w.replicator(w.src, r, replicate.Policy{}), backfill.Options{Concurrency: 64})
	took = time.Since(began)
	if err != nil {
		t.Fatal(err)
	}
	if !x.unpaced && (sum.Failed != 0 || sum.Copied != int64(x.n)) {
		t.Errorf("%+v", sum)
	}
	t.Logf("%d keys at %v/s: %v, %.0f/s; %d refused; %d failed; limit %+v; retries %+v",
		x.n, x.rate, took, float64(m.served)/took.Seconds(), m.refused, sum.Failed, l.Stats(), r.Stats())
	return m, l, r, took
}

// TestThrottledTarget: the limit comes down to what the target bears, stays near
// it, and not a key fails; without a limit most requests are refused.
func TestThrottledTarget(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{5, 40, 200} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				x := throttled{n: max(int(rate*15), 500), rate: rate}
				atOnce, samples := 0, 0
				x.onServed = func(n int, l *limit.Store, _ *meteredTarget) {
					if n > x.n/2 {
						samples++
						atOnce += l.Stats().Limit
					}
				}
				m, l, _, took := x.run(t)
				if share := float64(m.refused) / float64(m.refused+m.served); share > 0.2 {
					t.Errorf("%.0f %% of the requests were refused", 100*share)
				}
				if got := float64(m.served) / took.Seconds(); got < 0.6*rate {
					t.Errorf("%.0f requests a second of %v that were to be had", got, rate)
				}
				enough := max(rate/20, 1)
				if mean := float64(atOnce) / float64(samples); mean > 2*enough+1 {
					t.Errorf("the limit was %.1f, with %.1f at once just enough", mean, enough)
				}
				if l.Stats().Throttled == 0 {
					t.Error("nothing was throttled")
				}
			})
		})
	}
}

// TestThrottlingWithoutLimit is what the limit is for: the same target, with
// retries alone.
func TestThrottlingWithoutLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, _, _, _ := throttled{n: 500, rate: 40, unpaced: true}.run(t)
		if share := float64(m.refused) / float64(m.refused+m.served); share < 0.3 {
			t.Errorf("only %.0f %% of the requests were refused: this target shows nothing", 100*share)
		}
	})
}

// TestThrottlingPasses: when the target bears more, the limit comes back.
func TestThrottlingPasses(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{5, 100} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				x := throttled{n: int(rate*10) + 4000, rate: rate}
				low := 0
				x.onServed = func(n int, l *limit.Store, m *meteredTarget) {
					if n == int(rate*10) {
						low = l.Stats().Limit
						m.rate = 1e6
					}
				}
				_, l, _, _ := x.run(t)
				if st := l.Stats(); low > 10 || st.Limit != 64 || st.Gap != 0 {
					t.Errorf("limit %d under throttling, then %+v", low, st)
				}
			})
		})
	}
}
