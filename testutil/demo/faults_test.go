package demo

import (
	"log/slog"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// following lets the application work on the source for a while, with a backfill
// under way, and sends late events once more. The application does not move.
func following(t *testing.T, d *Demo) *Result {
	t.Helper()
	ctx, res := t.Context(), &Result{}
	if err := d.seed(ctx, res); err != nil {
		t.Fatal(err)
	}
	undeploy, err := d.deploy(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(undeploy)
	begun := d.opts.Now()
	leave := d.Work(ctx)
	defer leave()
	if err := d.backfill(ctx, res); err != nil {
		t.Fatal(err)
	}
	if err := pause(ctx, d.opts.Duration-d.opts.Now().Sub(begun)); err != nil {
		t.Fatal(err)
	}
	leave()
	if err := d.drain(ctx); err != nil {
		t.Fatal(err)
	}
	d.replay(control.Source)
	if err := d.drain(ctx); err != nil {
		t.Fatal(err)
	}
	d.count(res)
	if err := d.compare(ctx, res); err != nil {
		t.Fatal(err)
	}
	res.Injected = d.injected()
	return res
}

func total(injected map[string]int) (n int) {
	for _, of := range injected {
		n += of
	}
	return n
}

func closes(t *testing.T, d *Demo) {
	t.Helper()
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestLiveTrafficUnderFaults: hundreds of operations a second between all pairs of
// clouds, while requests fail in every way, and events come twice, out of order
// and late.
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
				opts := small(from, to)
				opts.Duration, opts.Rate, opts.Seed, opts.Faults = 1500*time.Millisecond, 250, 7, share[from]
				opts.FunctionTimeout = 30 * time.Second
				opts.Log = slog.New(slog.DiscardHandler)
				d := start(t, opts)
				closes(t, d)
				res := following(t, d)
				t.Logf("%+v", res)
				if !res.OK() || res.Events.Dead != 0 || res.Backfill.Failed != 0 {
					t.Errorf("faults: %+v", res)
				}
				if total(res.Injected) == 0 || res.Writes == 0 || res.Deletes == 0 {
					t.Errorf("not everything happened: %+v", res)
				}
				// A message beyond one a change is a duplicate or a late one.
				if stats := d.forward.Load().Stats(); stats.Sent <= res.Writes+res.Deletes {
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
	opts.Faults, opts.Rate, opts.FunctionTimeout, opts.Log = 0.2, 100, 30*time.Second, slog.New(slog.DiscardHandler)
	d := start(t, opts)
	closes(t, d)
	res := following(t, d)
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

// TestTurnUnderFaults moves an application between clouds, and one of them back,
// under the same faults.
func TestTurnUnderFaults(t *testing.T) {
	t.Parallel()
	share := map[string]float64{"s3": 0.05, "gcs": 0.03, "azure": 0.05} // by the source
	for _, c := range crossings {
		t.Run(c[0]+" to "+c[1], func(t *testing.T) {
			t.Parallel()
			opts := small(c[0], c[1])
			opts.Objects, opts.Rate, opts.Seed, opts.Faults, opts.Rollback = 30, 10, 7, share[c[0]], c[0] == "gcs"
			opts.Log = slog.New(slog.DiscardHandler)
			d := start(t, opts)
			res := run(t, d)
			if !res.OK() || res.Events.Dead != 0 || res.Backfill.Failed != 0 {
				t.Errorf("faults: %+v", res)
			}
			if total(res.Injected) == 0 || res.Writes == 0 || res.OnTarget == 0 {
				t.Errorf("not everything happened: %+v", res)
			}
			if at, held := d.Sides.At(); held || (at == demoapp.Source) != opts.Rollback {
				t.Errorf("at the %s, held %v", at, held)
			}
		})
	}
}
