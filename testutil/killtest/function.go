package killtest

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

// Function kills the process of a function in the middle of events, which are
// then delivered again.
type Function struct {
	Program  string // path of the function
	Platform Platform
	Sim      *Sim

	// Backfill clears up and counts what is left to do, which is nothing. Its
	// ends, environment, Kills and Seed are those of the function too.
	Backfill
}

// deliveryLimit is for the events that are left when the application stops.
const deliveryLimit = 5 * time.Minute

// Run is the test.
func (f Function) Run(t *testing.T) {
	t.Logf("seed %d", f.Seed)
	a := newApp(f.Seed, f.Source.App)
	a.seed(t)
	stop := a.start(t.Context(), rate)
	defer stop()
	events := f.kill(t, a)
	stop()

	env := f.env()
	p := f.Platform.Start(t, env, f.Program)
	ctx, cancel := context.WithTimeout(t.Context(), deliveryLimit)
	defer cancel()
	if err := f.Sim.Delivered(ctx); err != nil {
		t.Fatalf("%v: %s", err, p.Stdout.Tail())
	}
	a.same(t, f.Target) // by the function alone
	f.Platform.Kill(p)

	orphans, _ := f.later(t)
	last := f.finish(t, "--delete", "--abort-uploads=0s")
	if last.Skipped != last.Listed || last.Deleted != 0 || last.UploadsAborted != int64(len(orphans)) {
		t.Errorf("the function left something for the backfill, or %d uploads: %+v", len(orphans), last)
	}
	if left := f.unfinished(t); len(left) > 0 {
		t.Errorf("uploads are left: %v", left)
	}
	c := a.judge.Record.Counts()
	t.Logf("%d kills in mid-event, %d invocations cut short; %d writes, %d deletes; %d orphaned uploads aborted",
		f.Kills, events, c.Writes(), c.Deletes, len(orphans))
}

func (f Function) env() []string {
	return append(f.Env[:len(f.Env):len(f.Env)], "CROSSFADE_SOURCE="+f.Source.URL, "CROSSFADE_TARGET="+f.Target.URL, "CROSSFADE_LOG_LEVEL=warn")
}

// kill does the kills, each while the process has an event in hand, and returns
// how many invocations they cut short.
func (f Function) kill(t *testing.T, a *app) (events int) {
	t.Helper()
	// From when the process takes its first event until it has surely been
	// through some.
	const span = 150 * time.Millisecond
	rng := rand.New(rand.NewPCG(f.Seed, 3))
	seen := map[string]string{}
	for kills := 0; kills < f.Kills; {
		p := f.Platform.Start(t, f.env(), f.Program)
		f.busy(t, p)
		pause(t, p, span, rng)
		f.busy(t, p)
		broken, killed := f.Platform.Kill(p)
		if !killed {
			t.Fatalf("it ended by itself, exit code %d: %s", p.ExitCode(), p.Stderr.Tail())
		}
		if broken > 0 { // else it had just answered
			kills++
			events += broken
		}
		if err := a.whole(t.Context(), f.Target, seen); err != nil {
			t.Fatalf("after kill %d: %v", kills, err)
		}
	}
	return events
}

// busy waits until the process has an event in hand.
func (f Function) busy(t testing.TB, p *Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deliveryLimit)
	defer cancel()
	go func() {
		select {
		case <-p.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := f.Platform.Busy(ctx); err != nil {
		t.Fatalf("no event comes to the function: %v: %s", err, p.Stderr.Tail())
	}
}
