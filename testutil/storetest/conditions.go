package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/crossfade-io/crossfade/store"
)

func conditionCases() []testCase {
	var cases []testCase
	for _, large := range []bool{false, true} {
		add := func(name string, f func(t *T, n int64)) {
			size := "Small"
			if large {
				size = "Large"
			}
			cases = append(cases, testCase{"Condition/" + name + size, func(t *T) {
				n := t.small()
				if large {
					n = t.MultipartSize
				}
				f(t, n)
			}})
		}
		add("PutIfAbsent", condPutAbsent)
		add("PutIfAbsentOnExisting", condPutAbsentExisting)
		add("PutIfMatch", condPutMatch)
		add("PutIfMatchStale", condPutStale)
		add("PutIfMatchGone", condPutGone)
	}
	return append(cases,
		testCase{"Condition/DeleteIfMatch", condDelete},
		testCase{"Condition/DeleteIfMatchStale", condDeleteStale},
		testCase{"Condition/DeleteIfMatchGone", condDeleteGone},
		testCase{"Condition/AfterDelete", condAfterDelete},
	)
}

func condPutAbsent(t *T, n int64) {
	body := t.body(n)
	t.put("k", store.Bytes(body), store.PutOptions{If: store.IfAbsent(), Attrs: fullAttrs()})
	t.wantObject("k", body)
}

// refused requires that a Put was refused for its condition, and that key
// holds the old body in its old version; nil means that it is absent.
func (t *T) refused(err error, old []byte, v store.Version) {
	t.Helper()
	t.wantKind("Put on a condition that does not hold", err, store.Precondition)
	if old == nil {
		t.wantAbsent("k")
		t.wantKeys()
		return
	}
	if h := t.wantObject("k", old); h.Version != v {
		t.Errorf("a refused Put changed the version from %q to %q", v, h.Version)
	}
	t.wantKeys("k")
}

func condPutAbsentExisting(t *T, n int64) {
	for _, size := range []int64{0, 100, n} {
		old := t.body(size)
		v := t.put("k", store.Bytes(old), store.PutOptions{}).Version
		_, err := t.Store.Put(t.ctx, "k", store.Bytes(t.body(n)), store.PutOptions{If: store.IfAbsent()})
		if size == 0 {
			old = []byte{}
		}
		t.refused(err, old, v)
	}
}

func condPutMatch(t *T, n int64) {
	v := t.put("k", store.Bytes("first"), store.PutOptions{}).Version
	for range 3 {
		body := t.body(n)
		v = t.put("k", store.Bytes(body), store.PutOptions{If: store.IfMatch(v)}).Version
		if h := t.wantObject("k", body); h.Version != v {
			t.Errorf("Put returned version %q, Head tells %q", v, h.Version)
		}
	}
}

func condPutStale(t *T, n int64) {
	stale := t.put("k", store.Bytes("first"), store.PutOptions{}).Version
	old := t.body(n)
	v := t.put("k", store.Bytes(old), store.PutOptions{}).Version
	_, err := t.Store.Put(t.ctx, "k", store.Bytes(t.body(n)), store.PutOptions{If: store.IfMatch(stale)})
	t.refused(err, old, v)
}

func condPutGone(t *T, n int64) {
	v := t.put("k", store.Bytes("first"), store.PutOptions{}).Version
	if err := t.Store.Delete(t.ctx, "k", store.Condition{}); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	_, err := t.Store.Put(t.ctx, "k", store.Bytes(t.body(n)), store.PutOptions{If: store.IfMatch(v)})
	t.refused(err, nil, "")
}

func condDelete(t *T) {
	for _, n := range []int64{0, t.small(), t.MultipartSize} {
		v := t.put("k", store.Bytes(t.body(n)), store.PutOptions{Attrs: fullAttrs()}).Version
		if err := t.Store.Delete(t.ctx, "k", store.IfMatch(v)); err != nil {
			t.Errorf("Delete of %d bytes on its own version: %v", n, err)
		}
		t.wantAbsent("k")
	}
}

func condDeleteStale(t *T) {
	stale := t.put("k", store.Bytes("first"), store.PutOptions{}).Version
	v := t.put("k", store.Bytes("second"), store.PutOptions{}).Version
	t.wantKind("Delete of a stale version", t.Store.Delete(t.ctx, "k", store.IfMatch(stale)), store.Precondition)
	if h := t.wantObject("k", []byte("second")); h.Version != v {
		t.Errorf("version is %q, want %q", h.Version, v)
	}
}

func condDeleteGone(t *T) {
	v := t.put("k", store.Bytes("first"), store.PutOptions{}).Version
	if err := t.Store.Delete(t.ctx, "k", store.Condition{}); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	err := t.Store.Delete(t.ctx, "k", store.IfMatch(v))
	t.wantKind("conditional Delete of an absent object", err, store.NotFound, store.Precondition)
}

// condAfterDelete: an absent key is absent for IfAbsent again.
func condAfterDelete(t *T) {
	for range 3 {
		v := t.put("k", store.Bytes("x"), store.PutOptions{If: store.IfAbsent()}).Version
		if err := t.Store.Delete(t.ctx, "k", store.IfMatch(v)); err != nil {
			t.Fatalf("Delete: %v", err)
		}
	}
	t.wantKeys()
}

func raceCases() []testCase {
	return []testCase{
		{"Race/PutIfAbsentSmall", func(t *T) { racePuts(t, 16, 3, 2000, false) }},
		{"Race/PutIfMatchSmall", func(t *T) { racePuts(t, 16, 3, 2000, true) }},
		{"Race/PutIfAbsentLarge", func(t *T) { racePuts(t, 4, 2, t.MultipartSize, false) }},
		{"Race/PutIfMatchLarge", func(t *T) { racePuts(t, 4, 2, t.MultipartSize, true) }},
		{"Race/DeleteAgainstPut", raceDeleteAgainstPut},
		{"Race/Unconditional", raceUnconditional},
	}
}

// racePuts: of many writers on one condition, exactly one wins, and its bytes
// stand.
func racePuts(t *T, writers, rounds int, n int64, match bool) {
	for round := range rounds {
		key := fmt.Sprintf("race%d", round)
		cond := store.IfAbsent()
		if match {
			cond = store.IfMatch(t.put(key, store.Bytes("before"), store.PutOptions{}).Version)
		}
		base := t.rng.Uint64()
		errs := make([]error, writers)
		versions := make([]store.Version, writers)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				body := Synthetic{Seed: base + uint64(w), Length: n}
				<-start
				o, err := t.Store.Put(t.ctx, key, body, store.PutOptions{If: cond})
				if errs[w] = err; err == nil {
					versions[w] = o.Version
				}
			})
		}
		close(start)
		wg.Wait()
		winner := -1
		for w, err := range errs {
			switch {
			case err != nil:
				t.wantKind("Put of a loser", err, store.Precondition)
			case winner >= 0:
				t.Errorf("round %d: writers %d and %d both won", round, winner, w)
			default:
				winner = w
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody won", round)
		}
		if h := t.wantObject(key, Synthetic{Seed: base + uint64(winner), Length: n}.Bytes()); h.Version != versions[winner] {
			t.Errorf("round %d: version %q stands, the winner was told %q", round, h.Version, versions[winner])
		}
	}
}

// raceDeleteAgainstPut: of a Put and a Delete on the same version, one wins.
func raceDeleteAgainstPut(t *T) {
	for round := range 12 {
		key := fmt.Sprintf("race%d", round)
		v := t.put(key, store.Bytes("before"), store.PutOptions{}).Version
		var putErr, delErr error
		var wg sync.WaitGroup
		start := make(chan struct{})
		wg.Go(func() {
			<-start
			_, putErr = t.Store.Put(t.ctx, key, store.Bytes("after"), store.PutOptions{If: store.IfMatch(v)})
		})
		wg.Go(func() {
			<-start
			delErr = t.Store.Delete(t.ctx, key, store.IfMatch(v))
		})
		close(start)
		wg.Wait()
		switch {
		case putErr == nil && delErr == nil:
			t.Errorf("round %d: both the Put and the Delete of one version succeeded", round)
		case putErr == nil:
			t.wantKind("the Delete that lost", delErr, store.Precondition)
			t.wantObject(key, []byte("after"))
		case delErr == nil:
			t.wantKind("the Put that lost", putErr, store.Precondition)
			t.wantAbsent(key)
		default:
			t.Errorf("round %d: nobody won: %v; %v", round, putErr, delErr)
		}
	}
}

// raceUnconditional: without conditions any may be last, but what stands is
// one of them, whole, and everyone was told success.
func raceUnconditional(t *T) {
	const writers, size = 8, 20_000
	var failed atomic.Int32
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range 5 {
				if _, err := t.Store.Put(t.ctx, "k", Synthetic{Seed: uint64(w), Length: size}, store.PutOptions{}); err != nil {
					failed.Add(1)
					t.Errorf("Put: %v", err)
				}
			}
		})
	}
	wg.Wait()
	_, got := t.read("k", store.ReadOptions{})
	for w := range writers {
		if string(got) == string(Synthetic{Seed: uint64(w), Length: size}.Bytes()) {
			t.wantObject("k", got)
			return
		}
	}
	t.Errorf("%d concurrent writers left %s, which none of them wrote", writers, sketch(got))
}
