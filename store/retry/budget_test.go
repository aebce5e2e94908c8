package retry_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/retry"
)

// TestBudgetProperty: whatever fails, retries are no more than the burst and
// their share of the calls that were answered at once.
func TestBudgetProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		burst := float64(rapid.IntRange(1, 20).Draw(rt, "burst"))
		ratio := rapid.Float64Range(0.01, 0.5).Draw(rt, "ratio")
		s := &script{}
		r := s.decorated(retry.Options{Attempts: 100, Burst: burst, Ratio: ratio})
		answered := 0
		for range rapid.IntRange(1, 60).Draw(rt, "calls") {
			s.calls, s.errs = 0, make([]error, rapid.IntRange(0, 5).Draw(rt, "failures"))
			for i := range s.errs {
				s.errs[i] = kinded(store.Unavailable)
			}
			last := rapid.SampledFrom([]store.Kind{store.Unknown, store.NotFound, store.Precondition}).Draw(rt, "answer")
			if last != store.Unknown {
				s.errs = append(s.errs, kinded(last))
			}
			_, err := r.Head(t.Context(), "k")
			if s.calls == 1 && store.KindOf(err) == last {
				answered++
			}
			st := r.Stats()
			if got, most := float64(st.Retries), burst+ratio*float64(answered); got > most+1e-6 {
				rt.Fatalf("%v retries, at most %v", got, most)
			}
		}
	})
}

// TestBudget: a service that is down gets one request a call once the burst is
// used up, and retries come back as it answers.
func TestBudget(t *testing.T) {
	t.Parallel()
	s := always(kinded(store.Unavailable))
	r := s.decorated(retry.Options{Attempts: 3, Burst: 4, Ratio: 0.5})
	for _, want := range []int{3, 3, 1, 1} {
		s.calls = 0
		_, _ = r.Head(t.Context(), "k")
		wantCalls(t, s, want)
	}
	s.errs, s.calls = nil, 0
	for range 4 { // these earn two
		if _, err := r.Head(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	s.errs, s.calls = []error{kinded(store.Unavailable), kinded(store.Unavailable)}, 0
	if _, err := r.Head(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	if st := r.Stats(); st.Retries != 6 || st.Denied != 2 {
		t.Errorf("%+v", st)
	}
	// No more than the burst can be saved, of whatever answers.
	s.errs, s.calls = []error{}, 0
	for range 100 {
		s.errs = append(s.errs, kinded(store.NotFound))
	}
	for range 100 {
		_, _ = r.Head(t.Context(), "k")
	}
	s.errs, s.calls = nil, 0
	for range 100 {
		s.errs = append(s.errs, kinded(store.Unavailable))
	}
	for range 10 {
		_, _ = r.Head(t.Context(), "k")
	}
	if st := r.Stats(); s.calls != 10+4 || st.Retries != 6+4 {
		t.Errorf("%d attempts, %+v", s.calls, st)
	}
}
