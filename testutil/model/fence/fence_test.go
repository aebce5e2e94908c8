package fence

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/model"
)

// Random turns and rollbacks: CROSSFADE_SOAK says for how long, and without it
// there are a few. A failure names the seed that repeats it:
//
//	CROSSFADE_SOAK_SEED=… go test -run TestSoak ./testutil/model/fence
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
	const few = 60
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
	for i := range runtime.GOMAXPROCS(0) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			for !t.Failed() {
				n := runs.Add(1)
				if !more(n - 1) {
					t.Logf("%d turns, %d requests, seeds from %d on", n-1, requests.Load(), first+1)
					return
				}
				requests.Add(int64(judge(t, first+uint64(n)).Steps()))
			}
		})
	}
}

// judge runs one seed.
func judge(t *testing.T, seed uint64) *World {
	t.Helper()
	c := model.NewSeeded(seed)
	w := Run(t, Draw(c), c)
	if f := w.Failure(); f != "" {
		short := w
		model.Minimize(c.Made, func(choices []int) bool {
			v := replay(t, choices)
			same := strings.HasPrefix(v.Failure(), f[:len("breaks invariant 1")])
			if same {
				short = v
			}
			return same
		})
		t.Errorf("%s\nrepeat with CROSSFADE_SOAK_SEED=%d; shrunk: %s\n%s", f, seed, short.Failure(), short.Schedule())
	}
	return w
}

func replay(t *testing.T, choices []int) *World {
	t.Helper()
	c := model.NewGiven(choices)
	return Run(t, Draw(c), c)
}

// The same seed makes the same run.
func TestRunsRepeat(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		c := model.NewSeeded(seed)
		w := Run(t, Draw(c), c)
		if again := replay(t, c.Made); w.Schedule() != again.Schedule() {
			t.Fatalf("seed %d:\n%s\nand then:\n%s", seed, w.Schedule(), again.Schedule())
		}
	}
}
