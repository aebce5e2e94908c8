package model

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Random schedules without rapid, which are cheaper: CROSSFADE_SOAK says for how
// long, and without it there are a few. A failure names the seed that repeats it:
//
//	CROSSFADE_SOAK_SEED=… go test -run TestSoak ./testutil/model
func TestSoak(t *testing.T) {
	t.Parallel()
	if s := os.Getenv("CROSSFADE_SOAK_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("CROSSFADE_SOAK_SEED: %v", err)
		}
		judge(t, seed)
		return
	}
	const few = 2000
	more := func(done int64) bool { return done < few }
	if s := os.Getenv("CROSSFADE_SOAK"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatalf("CROSSFADE_SOAK: %v", err)
		}
		end := time.Now().Add(d)
		more = func(int64) bool { return time.Now().Before(end) }
	}
	first := rand.Uint64()
	var runs, requests atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for !t.Failed() {
				n := runs.Add(1)
				if !more(n - 1) {
					runs.Add(-1)
					return
				}
				requests.Add(int64(judge(t, first+uint64(n))))
			}
		})
	}
	wg.Wait()
	t.Logf("%d schedules, %d requests, seeds from %d on", runs.Load(), requests.Load(), first+1)
}

// judge runs one seed, and returns the number of its requests.
func judge(t *testing.T, seed uint64) int {
	w, choices := RunSeed(seed)
	if f := w.Failure(); f != "" {
		short := Shrink(choices)
		t.Errorf("%s\nrepeat with CROSSFADE_SOAK_SEED=%d; as it was:\n%s\nshrunk: %s\n%s", f, seed, w.Schedule(), short.Failure(), short.Schedule())
	}
	return w.Steps()
}

// The same seed makes the same run, and shrinking keeps a failure.
func TestRunsRepeat(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		w, choices := RunSeed(seed)
		again, _ := RunSeed(seed)
		if w.Schedule() != again.Schedule() || w.Schedule() != replay(choices).Schedule() {
			t.Fatalf("seed %d:\n%s\nand then:\n%s", seed, w.Schedule(), again.Schedule())
		}
	}
}
