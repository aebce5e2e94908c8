package demo

import (
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// TestLiveTrafficUnderFaults moves an application between all pairs of clouds
// while requests fail in every way, and events come twice, out of order and late.
func TestLiveTrafficUnderFaults(t *testing.T) {
	t.Parallel()
	share := map[string]float64{"s3": 0.03, "gcs": 0.04, "azure": 0.05} // by the source
	for _, from := range clouds {
		for _, to := range clouds {
			if from == to {
				continue
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				d, err := New(t.Context(), Options{
					From: from, To: to, Duration: 1500 * time.Millisecond, Objects: 40, Rate: 250, Seed: 7, Faults: share[from],
				})
				if err != nil {
					t.Fatal(err)
				}
				res := run(t, d)
				if !res.OK() || res.Events.Dead != 0 || res.Backfill.Failed != 0 {
					t.Errorf("faults: %+v", res)
				}
				total := 0
				for _, n := range res.Injected {
					total += n
				}
				if total == 0 || res.Writes == 0 || res.Deletes == 0 || res.OnTarget == 0 {
					t.Errorf("not everything happened: %d faults, %+v", total, res)
				}
				// A message beyond one a change is a duplicate or a late one.
				if stats := d.delivery.Load().Stats(); stats.Sent <= res.Writes+res.Deletes-res.OnTarget {
					t.Errorf("no event came twice: %+v", stats)
				}
			})
		}
	}
}

// TestManyFaults has as many as the flag allows.
func TestManyFaults(t *testing.T) {
	t.Parallel()
	opts := small("s3", "azure")
	opts.Faults, opts.Rate = 0.2, 100
	d, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	res := run(t, d)
	if !res.OK() {
		t.Errorf("faults: %+v", res)
	}
	// Which of the kinds befall the few reads of bodies is left to chance.
	for _, kind := range []cloudsim.FaultKind{
		cloudsim.Throttle, cloudsim.ServerError, cloudsim.ResetBefore, cloudsim.ResetAfter,
		cloudsim.HangBefore, cloudsim.HangAfter, cloudsim.Expired, cloudsim.Denied,
	} {
		if res.Injected[string(kind)] == 0 {
			t.Errorf("%s never happened", kind)
		}
	}
}
