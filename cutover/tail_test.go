package cutover

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// tailed starts a tail in the bubble's time.
func newTail(t *testing.T) (*sides, *tail) {
	t.Helper()
	s := newSides(t, func(o *Options) { o.Now, o.Sleep = time.Now, store.Sleep })
	st := s.state(control.State{Phase: control.Announced, Authority: control.Source, Run: &control.Run{ID: "run1", Announced: time.Now()}})
	return s, s.comparer(st).Follow(t.Context(), "run1")
}

func (s *sides) record(at time.Time, keys ...string) {
	s.t.Helper()
	if err := s.docs.Record(context.Background(), "run1", keys, at); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sides) final(tl *tail) (control.Verified, report.Comparison) {
	s.t.Helper()
	v, c, err := tl.Final(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return v, c
}

func TestTailVerifiesTheJournal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, tl := newTail(t)
		s.put(s.src, "carried", "v1")
		s.record(time.Now(), "carried", ".crossfade/shop/x")
		s.carry(control.Forward, "carried")
		s.put(s.src, "stalled", "v1")
		s.record(time.Now().Add(90*time.Second), "stalled") // by a clock that is fast
		s.put(s.src, "removed", "v1")
		s.carry(control.Forward, "removed")
		s.remove(s.src, "removed")
		s.record(time.Now().Add(-100*time.Second), "removed") // by one that is slow
		s.record(time.Now(), "on neither side")
		time.Sleep(30 * time.Second)
		s.wantSame("stalled", "removed") // whoever was to sync them has died

		// In the freeze: one more change, and one of a key that was verified.
		s.put(s.src, "carried", "v2")
		s.put(s.src, "last", "v1")
		s.record(time.Now(), "carried", "last")
		s.carry(control.Forward, "last")
		v, c := s.final(tl)
		if c.Kind != report.CompareChanged || c.Keys != 5 || c.Equal != 5 || c.Repaired != 3 || wrong(c) != 0 {
			t.Errorf("%+v", c)
		}
		s.wantSame("carried", "stalled", "removed", "last")
		for _, key := range []string{"carried", "stalled", "last"} {
			_, from := s.body(s.src, key)
			_, to := s.body(s.dst, key)
			if !v.Is(control.Source, from) || !v.Is(control.Target, to) {
				t.Errorf("%s: %+v", key, v.Keys[key])
			}
		}
		if p, ok := v.Keys["removed"]; !ok || p != (control.EndPair{}) || v.Run != "run1" || len(v.Keys) != 5 {
			t.Errorf("%+v", v)
		}
	})
}

// An object that was written again as it was is copied again before it counts as
// verified: else a function that is about to do that could do it after the turn.
func TestTailLeavesNothingToSync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, tl := newTail(t)
		s.put(s.src, "k", "v1")
		s.carry(control.Forward, "k")
		_, before := s.body(s.dst, "k")
		s.put(s.src, "k", "v1")
		s.record(time.Now(), "k")
		v, c := s.final(tl)
		_, after := s.body(s.dst, "k")
		if wrong(c) != 0 || after.Version == before.Version || !v.Is(control.Target, after) {
			t.Errorf("%+v, %+v, %s and then %s", c, v, before.Version, after.Version)
		}
		if res, err := tl.Sync(t.Context(), "k", replicate.HintNone); err != nil || res.Action != replicate.Skip {
			t.Errorf("%v, %v", res, err)
		}
	})
}

// What was verified is not looked at again in the freeze, and what is left costs
// a few round trips, however much it is.
func TestFinalIsShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, tl := newTail(t)
		const latency = 15 * time.Millisecond
		for i := range 300 {
			key := fmt.Sprint("early", i)
			s.put(s.src, key, "x")
			s.record(time.Now(), key)
			s.carry(control.Forward, key)
		}
		time.Sleep(10 * time.Second)
		for i := range 50 {
			key := fmt.Sprint("late", i)
			s.put(s.src, key, "x")
			s.record(time.Now(), key)
			s.carry(control.Forward, key)
		}
		var asked atomic.Int64
		slow := func(ctx context.Context, op memstore.Op) error {
			if op.Stage == memstore.Before && op.Name != "read" {
				asked.Add(1)
				return store.Sleep(ctx, latency)
			}
			return nil
		}
		s.src.SetIntercept(slow)
		s.dst.SetIntercept(slow)
		s.e.o.ControlStore.(*memstore.Store).SetIntercept(slow)
		begun := time.Now()
		v, c := s.final(tl)
		if took := time.Since(begun); took > 6*latency {
			t.Errorf("%s", took)
		}
		if c.Equal != 350 || len(v.Keys) != 350 || asked.Load() > 250 {
			t.Errorf("%+v with %d requests", c, asked.Load())
		}
	})
}

// The journal cannot be read: then nothing is known to be equal.
func TestFinalFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, tl := newTail(t)
		s.record(time.Now(), "k")
		ctl := s.e.o.ControlStore.(*memstore.Store)
		ctl.SetIntercept(func(_ context.Context, op memstore.Op) error {
			if op.Name == "open" && op.Stage == memstore.Before {
				return &store.Error{Op: "open", Kind: store.Denied}
			}
			return nil
		})
		time.Sleep(5 * time.Second)
		if _, _, err := tl.Final(context.Background()); store.KindOf(err) != store.Denied {
			t.Error(err)
		}
		tl.Stop()
	})
}

// A key that stays different is named, and not among the verified.
func TestFinalNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, tl := newTail(t)
		s.put(s.src, "k", "v1")
		s.put(s.dst, "k", "someone else's")
		s.record(time.Now(), "k")
		time.Sleep(5 * time.Second)
		v, c := s.final(tl)
		if c.Foreign != 1 || wrong(c) != 1 || len(v.Keys) != 0 || len(c.Examples) != 1 {
			t.Errorf("%+v, %+v", c, v)
		}
	})
}
