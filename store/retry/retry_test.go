package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/retry"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// TestWhatIsRepeated is the whole table: every call after every kind of error.
func TestWhatIsRepeated(t *testing.T) {
	t.Parallel()
	for _, c := range calls {
		for kind := store.Unknown; kind <= store.Unavailable; kind++ {
			t.Run(fmt.Sprintf("%s, %s", c.name, kind), func(t *testing.T) {
				t.Parallel()
				want := 1
				switch kind {
				case store.Throttled:
					want = 3
				case store.Unavailable, store.Unknown:
					if c.uncertain {
						want = 3
					}
				}
				s := always(kinded(kind))
				if err := c.run(t.Context(), s.decorated(retry.Options{Attempts: 3})); !errors.Is(err, s.errs[0]) {
					t.Errorf("returned %v", err)
				}
				wantCalls(t, s, want)

				// One that passes is not seen.
				s = &script{errs: []error{kinded(kind)}}
				if err := c.run(t.Context(), s.decorated(retry.Options{Attempts: 3})); (err == nil) != (want == 3) {
					t.Errorf("after one error: %v", err)
				}
			})
		}
	}
}

func TestErrorWithoutKind(t *testing.T) {
	t.Parallel()
	for _, c := range calls {
		s := &script{errs: []error{errors.New("reset by peer")}}
		if err := c.run(t.Context(), s.decorated(retry.Options{})); (err == nil) != c.uncertain {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestPauses: full jitter below a ceiling that doubles, each kind with its own.
func TestPauses(t *testing.T) {
	t.Parallel()
	for kind, want := range map[store.Kind][]time.Duration{
		store.Unavailable: {50, 100, 200, 200, 200},
		store.Throttled:   {150, 200, 200, 200, 200},
	} {
		s := always(kinded(kind))
		_, _ = s.decorated(retry.Options{Attempts: 6, Base: 100 * time.Millisecond, Throttled: 300 * time.Millisecond, Max: 400 * time.Millisecond}).Head(t.Context(), "k")
		if len(s.slept) != len(want) {
			t.Fatalf("%v: waited %v", kind, s.slept)
		}
		for i, ms := range want {
			if s.slept[i] != ms*time.Millisecond {
				t.Errorf("%v: waited %v, want %v ms", kind, s.slept, want)
				break
			}
		}
	}
}

// TestRetryAfter: the later of what was asked for and the jitter.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]time.Duration{0: 250, 100: 250, 249: 250, 251: 251, 30_000: 30_000} {
		s := &script{errs: []error{&store.Error{Kind: store.Throttled, RetryAfter: after * time.Millisecond}}}
		_, _ = s.decorated(retry.Options{}).Head(t.Context(), "k")
		if len(s.slept) != 1 || s.slept[0] != want*time.Millisecond {
			t.Errorf("asked for %d ms, waited %v", after, s.slept)
		}
	}
}

// TestPausesProperty: whatever the errors, the jitter and the deadline.
func TestPausesProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var drawn []float64
		opts := retry.Options{
			Attempts:    rapid.IntRange(1, 12).Draw(rt, "attempts"),
			Base:        time.Duration(rapid.IntRange(1, 1000).Draw(rt, "base")) * time.Millisecond,
			Throttled:   time.Duration(rapid.IntRange(1, 1000).Draw(rt, "throttled")) * time.Millisecond,
			Max:         time.Duration(rapid.IntRange(1, 5000).Draw(rt, "max")) * time.Millisecond,
			LongestWait: 5 * time.Second,
			Margin:      time.Duration(rapid.IntRange(1, 3000).Draw(rt, "margin")) * time.Millisecond,
			Jitter: func() float64 {
				drawn = append(drawn, rapid.Float64Range(0, 0.999).Draw(rt, "jitter"))
				return drawn[len(drawn)-1]
			},
		}
		n := rapid.IntRange(0, 12).Draw(rt, "errors")
		begin := time.Now().Add(time.Hour) // no timer of a context fires
		s := &script{now: begin}
		after := make([]time.Duration, n)
		for i := range n {
			kind := rapid.SampledFrom([]store.Kind{store.Throttled, store.Unavailable, store.Unknown}).Draw(rt, "kind")
			after[i] = time.Duration(rapid.SampledFrom([]int{0, 0, 300, 2000, 5000, 5001, 60_000}).Draw(rt, "after")) * time.Millisecond
			s.errs = append(s.errs, &store.Error{Kind: kind, RetryAfter: after[i]})
		}
		left := time.Duration(rapid.IntRange(-1, 30_000).Draw(rt, "left")) * time.Millisecond
		ctx, cancel := context.WithDeadline(t.Context(), begin.Add(left))
		defer cancel()
		_, err := s.decorated(opts).Head(ctx, "k")
		if s.calls > opts.Attempts || len(s.slept) != s.calls-1 {
			rt.Fatalf("%d attempts, %d waits, of %d", s.calls, len(s.slept), opts.Attempts)
		}
		if err != nil && !errors.Is(err, s.errs[s.calls-1]) {
			rt.Fatalf("returned %v, not the last error", err)
		}
		at := begin
		for i, d := range s.slept {
			first := opts.Base
			if store.KindOf(s.errs[i]) == store.Throttled {
				first = opts.Throttled
			}
			ceiling := min(first<<i, opts.Max)
			if want := max(after[i], time.Duration(drawn[i]*float64(ceiling))); d != want {
				rt.Fatalf("wait %d was %v, want %v: asked for %v, ceiling %v", i, d, want, after[i], ceiling)
			}
			if after[i] > opts.LongestWait {
				rt.Fatalf("waited though %v were asked for", after[i])
			}
			if at = at.Add(d); begin.Add(left).Sub(at) < opts.Margin {
				rt.Fatalf("after wait %d only %v were left, margin %v", i, begin.Add(left).Sub(at), opts.Margin)
			}
		}
	})
}

// TestDeadline: a wait that would end too late is not begun, and the error says
// what the service said, so that the queue can wait instead.
func TestDeadline(t *testing.T) {
	t.Parallel()
	busy := &store.Error{Kind: store.Throttled, RetryAfter: 10 * time.Second}
	for left, want := range map[time.Duration]int{12 * time.Second: 2, 11 * time.Second: 2, 11*time.Second - 1: 1, time.Second: 1} {
		s := always(busy)
		s.now = time.Now()
		ctx, cancel := context.WithDeadline(t.Context(), s.now.Add(left))
		_, err := s.decorated(retry.Options{Margin: time.Second}).Head(ctx, "k")
		cancel()
		if e, ok := errors.AsType[*store.Error](err); !ok || e.RetryAfter != busy.RetryAfter {
			t.Errorf("%v", err)
		}
		if s.calls != want {
			t.Errorf("with %v left: %d attempts, want %d", left, s.calls, want)
		}
	}
}

// TestContextDone: nothing is repeated after the context has ended, before or
// during a wait.
func TestContextDone(t *testing.T) {
	t.Parallel()
	for _, c := range calls {
		ctx, cancel := context.WithCancel(t.Context())
		s := always(kinded(store.Throttled))
		cancel()
		if err := c.run(ctx, s.decorated(retry.Options{})); !errors.Is(err, s.errs[0]) {
			t.Errorf("%s: %v", c.name, err)
		}
		if s.calls != 1 || len(s.slept) != 0 {
			t.Errorf("%s: %d attempts, waited %v", c.name, s.calls, s.slept)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := always(kinded(store.Throttled))
	r := retry.New(s, time.Now, retry.Options{Sleep: func(context.Context, time.Duration) error {
		cancel()
		return nil // as a sleep may that ends at the same moment
	}})
	if _, err := r.Head(ctx, "k"); !errors.Is(err, s.errs[0]) || s.calls != 1 {
		t.Errorf("%v after %d attempts", err, s.calls)
	}
	// A call that someone else cancelled.
	s = always(&store.Error{Err: context.Canceled})
	_, _ = s.decorated(retry.Options{}).Head(t.Context(), "k")
	wantCalls(t, s, 1)
}

// TestPutContent: what was read from elsewhere is not read again.
func TestPutContent(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name, key string
		content   store.Content
		want      int
	}{
		{"in memory", "read", store.Bytes("x"), 4},
		{"not yet opened", "k", &streamed{Bytes: store.Bytes("x")}, 4},
		{"opened", "read", &streamed{Bytes: store.Bytes("x")}, 1},
	} {
		s := always(kinded(store.Throttled))
		_, _ = s.decorated(retry.Options{Attempts: 4}).Put(t.Context(), x.key, x.content, store.PutOptions{If: store.IfAbsent()})
		if s.calls != x.want {
			t.Errorf("%s: %d attempts, want %d", x.name, s.calls, x.want)
		}
	}
}

// TestBodyIsTheCallers: an error of reading is handed on, once.
func TestBodyIsTheCallers(t *testing.T) {
	t.Parallel()
	inner, opens := memstore.Fresh(), 0
	if _, err := inner.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	inner.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "open" && op.Stage == memstore.Before {
			opens++
		}
		if op.Name == "read" {
			return &store.Error{Kind: store.Throttled}
		}
		return nil
	})
	r, err := retry.New(inner, time.Now, retry.Options{}).Open(t.Context(), "k", store.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r.Body); store.KindOf(err) != store.Throttled || opens != 1 {
		t.Errorf("%v after %d opens", err, opens)
	}
}

// TestLostAnswer: a conditional write that was carried out and not answered ends
// as a failed precondition, and the object stays as it was written.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	inner := memstore.Fresh()
	lose := func(name string) {
		lost := false
		inner.SetIntercept(func(_ context.Context, op memstore.Op) error {
			if op.Name == name && op.Stage == memstore.After && !lost {
				lost = true
				return &store.Error{Kind: store.Unavailable, Err: errors.New("reset")}
			}
			return nil
		})
	}
	s := retry.New(inner, time.Now, retry.Options{Sleep: func(context.Context, time.Duration) error { return nil }})
	lose("put")
	_, err := s.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{If: store.IfAbsent()})
	if store.KindOf(err) != store.Precondition || string(inner.Bucket().Get("k").Body) != "x" {
		t.Errorf("Put: %v", err)
	}
	o, err := s.Head(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	lose("delete")
	err = s.Delete(t.Context(), "k", store.IfMatch(o.Version))
	if k := store.KindOf(err); k != store.Precondition && k != store.NotFound || inner.Bucket().Get("k") != nil {
		t.Errorf("Delete: %v", err)
	}
}
