package limit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

func kinded(k store.Kind) error { return &store.Error{Kind: k, Err: errors.New("cause")} }

func mustAcquire(t testing.TB, l *limiter) place {
	t.Helper()
	p, err := l.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func limited(opts Options) *limiter { return New(nil, time.Now, opts).l }

// round makes as many calls at once as there is room for, with one outcome.
func round(t testing.TB, l *limiter, err error) int {
	t.Helper()
	var ps []place
	for l.free() {
		ps = append(ps, mustAcquire(t, l))
	}
	for _, p := range ps {
		l.release(p, err)
	}
	return len(ps)
}

// TestAIMD follows the limit through slow start, throttling and recovery.
func TestAIMD(t *testing.T) {
	t.Parallel()
	l := limited(Options{Start: 4, Max: 40, Decrease: 0.5})
	var got []int
	for range 4 { // half of the calls of a round find the limit half used
		got = append(got, round(t, l, nil))
	}
	if !slices.Equal(got, []int{4, 6, 9, 14}) {
		t.Errorf("in the beginning %v", got)
	}
	for round(t, l, nil) < 40 {
	}
	if round(t, l, nil) != 40 {
		t.Error("not at its ceiling")
	}
	round(t, l, kinded(store.Throttled)) // 40 times the same news
	if st := l.stats(); st.Limit != 20 || st.Throttled != 40 || st.Lowest != 20 {
		t.Errorf("after one window: %+v", st)
	}
	round(t, l, kinded(store.Throttled))
	if st := l.stats(); st.Limit != 10 {
		t.Errorf("after the second: %+v", st)
	}
	for _, k := range []store.Kind{store.Unavailable, store.Unknown} {
		round(t, l, kinded(k))
	}
	if st := l.stats(); st.Limit != 10 {
		t.Errorf("what tells nothing changed it: %+v", st)
	}
	for range 2 {
		round(t, l, kinded(store.NotFound)) // an answer like any other
	}
	if l.limit < 10.9 || l.limit > 11 { // five of ten count, twice, each for a tenth
		t.Errorf("recovering: %v", l.limit)
	}
	for range 8 {
		round(t, l, kinded(store.Throttled))
	}
	if l.limit != 1 {
		t.Fatalf("at the bottom: %v", l.limit)
	}
	l.gap = 0
	for range 5 {
		round(t, l, nil)
	}
	if l.limit < 1.49 || l.limit > 1.51 {
		t.Errorf("from the bottom: %v", l.limit)
	}
}

// TestSlowStartDoubles: with callers that always wait, each answer adds a place.
func TestSlowStartDoubles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limited(Options{Start: 4, Max: 64})
		ctx, cancel := context.WithCancel(t.Context())
		for range 100 {
			go func() {
				for ctx.Err() == nil {
					if p, err := l.acquire(ctx); err == nil {
						time.Sleep(time.Second)
						l.release(p, nil)
					}
				}
			}()
		}
		var got []int
		for range 5 {
			synctest.Wait()
			got = append(got, l.stats().InFlight)
			time.Sleep(time.Second)
		}
		// Of the first four, which waited for nobody, two find the limit half used.
		if !slices.Equal(got, []int{4, 6, 12, 24, 48}) {
			t.Errorf("under way: %v", got)
		}
		cancel()
		time.Sleep(time.Minute) // for the last to return
	})
}

// TestIdleDoesNotGrow: calls that never used the limit prove nothing.
func TestIdleDoesNotGrow(t *testing.T) {
	t.Parallel()
	l := limited(Options{Start: 4, Max: 40})
	for range 100 {
		l.release(mustAcquire(t, l), nil)
	}
	if st := l.stats(); st.Limit != 4 {
		t.Errorf("%+v", st)
	}
}

// TestDecreaseFromUse: of a limit that was not used up, the use counts.
func TestDecreaseFromUse(t *testing.T) {
	t.Parallel()
	l := limited(Options{Start: 40, Max: 40, Decrease: 0.5})
	var ps []place
	for range 8 {
		ps = append(ps, mustAcquire(t, l))
	}
	l.release(ps[0], kinded(store.Throttled))
	if st := l.stats(); st.Limit != 4 || st.InFlight != 7 {
		t.Errorf("%+v", st)
	}
	for _, p := range ps[1:] {
		if l.free() {
			t.Fatal("room though more are under way than the limit")
		}
		l.release(p, kinded(store.Throttled))
		if l.inFlight < 4 {
			break
		}
	}
}

// TestOldAnswers: what was under way before a decrease says nothing about the
// new limit, neither bad nor good.
func TestOldAnswers(t *testing.T) {
	t.Parallel()
	l := limited(Options{Start: 20, Max: 40, Decrease: 0.5})
	var ps []place
	for l.free() {
		ps = append(ps, mustAcquire(t, l))
	}
	l.release(ps[0], kinded(store.Throttled))
	for _, p := range ps[1:] {
		l.release(p, nil)
	}
	if l.limit != 10 {
		t.Errorf("the limit is %v", l.limit)
	}
}

// TestPace: where one call at a time is too much, starts are spread, and the
// pace is lifted again.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limited(Options{Start: 1, Max: 8, MinGap: 20 * time.Millisecond, MaxGap: 100 * time.Millisecond, Decrease: 0.5})
		call := func(err error) time.Duration {
			began := time.Now()
			l.release(mustAcquire(t, l), err)
			return time.Since(began)
		}
		var gaps []time.Duration
		for range 5 {
			call(kinded(store.Throttled))
			gaps = append(gaps, l.stats().Gap/time.Millisecond)
		}
		if !slices.Equal(gaps, []time.Duration{20, 40, 80, 100, 100}) {
			t.Errorf("gaps %v ms", gaps)
		}
		if waited := call(nil); waited != 100*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
		n, before := 0, l.stats().Gap
		for ; l.stats().Gap > 0; n++ {
			call(nil)
			if g := l.stats().Gap; g >= before {
				t.Fatalf("after an answer the gap is %v, was %v", g, before)
			}
			before = l.stats().Gap
		}
		if n != 75 { // of 3 % each, from 97 to below 10 ms
			t.Errorf("%d calls until there was no pace", n)
		}
		if waited := call(nil); waited != 0 {
			t.Errorf("then waited %v", waited)
		}
	})
}

// TestFIFO: places go to those who asked first, and a caller that leaves the
// line loses none.
func TestFIFO(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limited(Options{Start: 1, Max: 1})
		held := mustAcquire(t, l)
		var order []int
		leave, cancel := context.WithCancel(t.Context())
		for i := range 6 {
			ctx := t.Context()
			if i == 2 {
				ctx = leave
			}
			go func() {
				p, err := l.acquire(ctx)
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					return
				}
				order = append(order, i)
				time.Sleep(time.Second)
				l.release(p, nil)
			}()
			synctest.Wait()
		}
		cancel()
		synctest.Wait()
		if st := l.stats(); st.Waiting != 5 || st.InFlight != 1 {
			t.Errorf("%+v", st)
		}
		l.release(held, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if !slices.Equal(order, []int{0, 1, 3, 4, 5}) {
			t.Errorf("served in the order %v", order)
		}
		if st := l.stats(); st.Waiting != 0 || st.InFlight != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestLimiterProperty drives a limiter from many callers, some of which give up,
// and holds its invariants at each step; at the end every place is back.
func TestLimiterProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		opts := Options{
			Start: rapid.IntRange(1, 5).Draw(rt, "start"), Max: rapid.IntRange(1, 10).Draw(rt, "max"),
			MinGap: time.Millisecond, MaxGap: 50 * time.Millisecond,
		}
		kinds := rapid.SliceOfN(rapid.SampledFrom([]error{nil, kinded(store.Throttled), kinded(store.NotFound), kinded(store.Unavailable)}), 1, 20).Draw(rt, "outcomes")
		patience := rapid.SliceOfN(rapid.IntRange(1, 200), 1, 20).Draw(rt, "patience")
		var bad error
		synctest.Test(t, func(t *testing.T) {
			l := limited(opts)
			for i := range 60 {
				go func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(patience[i%len(patience)])*time.Millisecond)
					defer cancel()
					p, err := l.acquire(ctx)
					if err != nil {
						return
					}
					time.Sleep(time.Duration(1+i%7) * time.Millisecond)
					l.release(p, kinds[i%len(kinds)])
				}()
				if i%10 == 0 {
					time.Sleep(time.Millisecond)
				}
				st := l.stats()
				if st.Limit < 1 || st.Limit > l.opts.Max || st.InFlight < 0 || st.InFlight > l.opts.Max || st.Gap > 0 && st.Limit != 1 {
					bad = fmt.Errorf("%+v", st)
				}
			}
			time.Sleep(time.Minute)
			if st := l.stats(); st.InFlight != 0 || st.Waiting != 0 {
				bad = fmt.Errorf("at the end %+v", st)
			}
		})
		if bad != nil {
			rt.Fatal(bad)
		}
	})
}

// TestBodiesHoldNoPlace: with one place each, a copy of an opened body cannot
// stop itself; nor a Put whose content waits for a place elsewhere.
func TestBodiesHoldNoPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := New(memstore.Fresh(), time.Now, Options{Max: 1}), New(memstore.Fresh(), time.Now, Options{Max: 1})
		for _, s := range []*Store{a, b} {
			if _, err := s.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		r, err := a.Open(t.Context(), "k", store.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Head(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		// Both ways at once, each reading from where the other writes.
		var done atomic.Int32
		for _, way := range [][2]*Store{{a, b}, {b, a}} {
			go func() {
				c := &waiting{store.Bytes("x"), func() error {
					time.Sleep(time.Second)
					_, err := way[0].Head(t.Context(), "k")
					return err
				}}
				if _, err := way[1].Put(t.Context(), "copy", c, store.PutOptions{}); err != nil {
					t.Error(err)
				}
				done.Add(1)
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if done.Load() != 2 {
			t.Error("two copies stopped each other")
		}
		if sa, sb := a.Stats(), b.Stats(); sa.InFlight != 0 || sb.InFlight != 0 {
			t.Errorf("%+v, %+v", sa, sb)
		}
	})
}
