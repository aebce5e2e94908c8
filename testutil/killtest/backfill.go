package killtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Backfill kills a backfill again and again while an application goes on
// writing, then lets it finish.
type Backfill struct {
	Crossfade      string   // path of the program
	Env            []string // of its process
	Source, Target Bucket
	Kills          int
	Seed           uint64
}

// summary is what a finished run says.
type summary struct {
	Listed, Copied, Updated, Skipped, Deleted, Failed int64

	UploadsAborted int64 `json:"uploads_aborted"`
	Failures       []struct{ Key, Reason string }
}

const (
	rate     = 40 // operations of the application a second
	aimEvery = 5  // one kill in so many waits for an upload to be under way
)

// Run is the test.
func (b Backfill) Run(t *testing.T) {
	t.Logf("seed %d", b.Seed)
	a := newApp(b.Seed, b.Source.App)
	a.seed(t)
	stop := a.start(t.Context(), rate)
	defer stop()
	finished := b.kill(t, a)
	stop()

	orphans, begun := b.later(t)
	if b.Target.uploads != nil && len(orphans) == 0 {
		t.Error("no kill left an unfinished upload behind: the test shows nothing")
	}
	last := b.finish(t, "--delete", "--max-delete=100000", "--abort-uploads=0s")
	a.same(t, b.Target)
	for name, at := range b.unfinished(t) {
		t.Errorf("upload %q of %v is left, older than the run that began at %v", name, at, begun)
	}
	if last.UploadsAborted != int64(len(orphans)) {
		t.Errorf("%d uploads aborted, there were %d", last.UploadsAborted, len(orphans))
	}
	if again := b.finish(t); again.Skipped != again.Listed || again.UploadsAborted != 0 {
		t.Errorf("a run with nothing to do: %+v", again)
	}
	c := a.judge.Record.Counts()
	t.Logf("%d kills, %d runs that finished between; %d writes, %d deletes; last run: %+v; %d orphaned uploads aborted",
		b.Kills, finished, c.Writes(), c.Deletes, last, len(orphans))
}

// kill does the kills, and returns how many runs had finished before theirs.
func (b Backfill) kill(t *testing.T, a *app) (finished int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(b.Seed, 2))
	seen := map[string]string{}
	// About as long as a run takes: longer after one that was killed, shorter
	// after one that had finished.
	span := 250 * time.Millisecond
	for kills := 0; kills < b.Kills; {
		aimed := b.Target.uploads != nil && kills%aimEvery == aimEvery-1
		if aimed {
			if err := a.put(t.Context(), a.large()); err != nil {
				t.Fatal(err)
			}
		}
		p := Start(t, b.Env, nil, b.Crossfade, b.args("--quiet")...)
		if aimed {
			b.awaitUpload(t, p)
		} else {
			pause(t, p, span, rng)
		}
		if p.Kill() {
			kills++
			span = min(span*21/20, 500*time.Millisecond)
		} else {
			finished++
			span = max(span*4/5, 50*time.Millisecond)
			if code := p.ExitCode(); code != 0 && code != 1 { // 1: a key that changed too often
				t.Fatalf("exit code %d: %s", code, p.Stderr.Tail())
			}
		}
		if err := a.whole(t.Context(), b.Target, seen); err != nil {
			t.Fatalf("after kill %d: %v", kills, err)
		}
	}
	return finished
}

// pause waits up to span, drawn from rng, or until p ends.
func pause(t testing.TB, p *Process, span time.Duration, rng *rand.Rand) {
	timer := time.NewTimer(time.Duration(rng.Int64N(int64(span) + 1)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.Done():
	case <-t.Context().Done():
	}
}

// awaitUpload returns when p has begun an upload, or has ended.
func (b Backfill) awaitUpload(t testing.TB, p *Process) {
	t.Helper()
	before := b.unfinished(t)
	for {
		for name := range b.unfinished(t) {
			if _, old := before[name]; !old {
				return
			}
		}
		select {
		case <-p.Done():
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func (b Backfill) unfinished(t testing.TB) map[string]time.Time {
	t.Helper()
	if b.Target.uploads == nil {
		return nil
	}
	all, _, err := b.Target.uploads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// later waits until the target's clock, which tells seconds, is past all that
// was begun, and returns that with its time.
func (b Backfill) later(t testing.TB) (begun map[string]time.Time, now time.Time) {
	t.Helper()
	for b.Target.uploads != nil {
		var err error
		if begun, now, err = b.Target.uploads(t.Context()); err != nil {
			t.Fatal(err)
		}
		past := true
		for _, at := range begun {
			past = past && at.Before(now)
		}
		if past {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return begun, now
}

func (b Backfill) args(flags ...string) []string {
	return append([]string{"backfill", b.Source.URL, b.Target.URL}, flags...)
}

// finish runs a backfill to its end, in which all goes well.
func (b Backfill) finish(t testing.TB, flags ...string) summary {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	p := Start(t, b.Env, nil, b.Crossfade, b.args(append(flags, "--json", "--quiet")...)...)
	select {
	case <-p.Done():
	case <-ctx.Done():
		t.Fatal("the backfill does not end")
	}
	var s summary
	if err := json.Unmarshal(p.Stdout.Bytes(), &s); err != nil || p.ExitCode() != 0 || s.Failed > 0 {
		t.Fatal(fmt.Errorf("exit code %d, %+v, %w: %s", p.ExitCode(), s, err, p.Stderr.Tail()))
	}
	return s
}
