package report_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/cutover/report"
)

func TestQuantiles(t *testing.T) {
	t.Parallel()
	var samples []report.LagSample
	for i := 100; i > 0; i-- {
		samples = append(samples, report.LagSample{At: ms(i), MS: int64(i)})
	}
	l := report.Quantiles(append(samples, report.LagSample{At: ms(50), MS: 9_999, Lost: true}))
	if l.P50 != 50 || l.P90 != 90 || l.P99 != 99 || l.Max != 100 || l.Lost != 1 || len(l.Samples) != 101 {
		t.Errorf("%d %d %d %d, %d lost of %d", l.P50, l.P90, l.P99, l.Max, l.Lost, len(l.Samples))
	}
	if samples[0].MS != 100 {
		t.Error("the samples given were sorted")
	}
	for _, samples := range [][]report.LagSample{nil, {{MS: 7, Lost: true}}} {
		if l := report.Quantiles(samples); l.P50 != 0 || l.Max != 0 || l.Lost != int64(len(samples)) {
			t.Errorf("of %v: %+v", samples, l)
		}
	}
}

// TestQuantilesAre: by their definition.
func TestQuantilesAre(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) report.LagSample {
			return report.LagSample{At: t0.Add(time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "at"))), MS: rapid.Int64Range(0, 1e6).Draw(t, "ms")}
		}), 1, 300).Draw(t, "samples")
		l := report.Quantiles(samples)
		if !slices.IsSortedFunc(l.Samples, func(a, b report.LagSample) int { return a.At.Compare(b.At) }) {
			t.Error("not in the order of time")
		}
		for percent, q := range map[int]int64{50: l.P50, 90: l.P90, 99: l.P99, 100: l.Max} {
			var below, upTo int
			for _, s := range samples {
				if s.MS < q {
					below++
				}
				if s.MS <= q {
					upTo++
				}
			}
			if upTo*100 < len(samples)*percent || below*100 >= len(samples)*percent {
				t.Errorf("%d %%: %d has %d of %d below and %d up to it", percent, q, below, len(samples), upTo)
			}
		}
	})
}
