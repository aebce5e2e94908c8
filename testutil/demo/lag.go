package demo

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// lags measures, for each change of the application on one side, how long it took
// until the last of its events was acknowledged. A function acknowledges only
// after it has seen the change, or a later one, on both sides: the change was
// visible on the other one before that.
type lags struct {
	mu     sync.Mutex
	by     map[int64]time.Duration // by the change's sequence; zero until it is known
	latest [64]time.Duration       // a ring, for the display
	n      int
}

// expect notes that a change is the application's.
func (l *lags) expect(sequence int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[int64]time.Duration{}
	}
	l.by[sequence] = 0
}

func (l *lags) acked(m cloudsim.Message, at time.Time) {
	if m.Copy > 0 {
		return // an additional delivery of what was acknowledged before
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	was, expected := l.by[m.Sequence]
	if !expected {
		return // a copy that arrived here, or a control object
	}
	lag := at.Sub(m.Committed)
	l.by[m.Sequence] = max(was, lag)
	l.latest[l.n%len(l.latest)] = lag
	l.n++
}

// Quantiles of a set of durations, by nearest rank.
type Quantiles struct {
	P50, P99, Max time.Duration
}

// all are those that are known.
func (l *lags) all() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := make([]time.Duration, 0, len(l.by))
	for _, v := range l.by {
		if v > 0 {
			d = append(d, v)
		}
	}
	return d
}

// recent is the median of the latest few.
func (l *lags) recent() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return quantiles(slices.Clone(l.latest[:min(l.n, len(l.latest))])).P50
}

// quantiles sorts d.
func quantiles(d []time.Duration) Quantiles {
	if len(d) == 0 {
		return Quantiles{}
	}
	slices.Sort(d)
	rank := func(q float64) time.Duration {
		return d[max(int(math.Ceil(q*float64(len(d)))), 1)-1]
	}
	return Quantiles{P50: rank(0.50), P99: rank(0.99), Max: d[len(d)-1]}
}
