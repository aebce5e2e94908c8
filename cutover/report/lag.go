package report

import (
	"cmp"
	"slices"
	"time"
)

// Quantiles gathers samples, in any order, into a Lag: the quantiles are by
// nearest rank, of those that arrived.
func Quantiles(samples []LagSample) Lag {
	l := Lag{Samples: append([]LagSample{}, samples...)}
	slices.SortStableFunc(l.Samples, func(a, b LagSample) int { return a.At.Compare(b.At) })
	ms := arrived(l.Samples)
	l.Lost = int64(len(l.Samples) - len(ms))
	l.P50, l.P90, l.P99, l.Max = quantile(ms, 50), quantile(ms, 90), quantile(ms, 99), quantile(ms, 100)
	return l
}

// arrived returns the lags of those that arrived, sorted.
func arrived(samples []LagSample) []int64 {
	var ms []int64
	for _, s := range samples {
		if !s.Lost {
			ms = append(ms, s.MS)
		}
	}
	slices.Sort(ms)
	return ms
}

// quantile returns the smallest of sorted that at least percent of them do not
// exceed; of none, zero.
func quantile(sorted []int64, percent int) int64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max((len(sorted)*percent+99)/100-1, 0)]
}

// worse orders samples for keeping the worst: lost ones last.
func worse(a, b LagSample) int {
	if a.Lost != b.Lost {
		if a.Lost {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.MS, b.MS)
}

// lagBucket is a stretch of the run and the lag of the canaries in it.
type lagBucket struct {
	at       time.Time // its middle; of a single canary its own time
	p50, p99 int64
}

// lagBuckets cuts the time that samples, in order, span into at most most equal
// stretches. Those in which nothing arrived are left out.
func lagBuckets(samples []LagSample, most int) []lagBucket {
	if len(samples) == 0 {
		return nil
	}
	start := samples[0].At
	// Four canaries make a quantile; fewer stretches than that read better.
	n := min(max(len(samples)/4, 1), most)
	width := max(samples[len(samples)-1].At.Sub(start)/time.Duration(n), 1)
	stretch := func(s LagSample) time.Duration { return min(s.At.Sub(start)/width, time.Duration(n-1)) }
	var buckets []lagBucket
	for i := 0; i < len(samples); {
		k := stretch(samples[i])
		j := i + 1
		for j < len(samples) && stretch(samples[j]) == k {
			j++
		}
		if ms := arrived(samples[i:j]); len(ms) > 0 {
			at := samples[i].At.Add(samples[j-1].At.Sub(samples[i].At) / 2)
			buckets = append(buckets, lagBucket{at: at, p50: quantile(ms, 50), p99: quantile(ms, 99)})
		}
		i = j
	}
	return buckets
}
