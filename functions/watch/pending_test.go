package watch

import (
	"errors"
	"testing"
	"time"
)

func TestPending(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	p := newPending(200*time.Millisecond, time.Second, 2)
	a, b := id{key: "a"}, id{key: "b"}

	// It is due when it was quiet, and at the latest after the bound.
	for ms := 0; ms <= 900; ms += 100 {
		p.add(a, changed, nil, at(ms))
		if got := p.take(9, at(ms+99)); len(got) != 0 {
			t.Fatalf("taken %d ms after its last change: %v", 99, got)
		}
	}
	if due, ok := p.next(); !ok || !due.Equal(at(1000)) {
		t.Fatalf("due at %s, %v", due, ok)
	}
	got := p.take(9, at(1000))
	if len(got) != 1 || got[0].key != "a" || !got[0].first.Equal(start) {
		t.Fatalf("took %+v", got)
	}

	// One that changes while in work has another turn.
	p.add(a, removed, nil, at(1100))
	if _, ok := p.next(); ok {
		t.Fatal("it is due while in work")
	}
	p.done(a, at(1200))
	if got = p.take(9, at(1400)); len(got) != 1 || got[0].op != removed || !got[0].first.Equal(at(1100)) {
		t.Fatalf("took %+v", got)
	}

	// Retries wait for their time, whatever happens.
	p.retry(a, at(5000))
	p.add(a, created, nil, at(1500))
	if got = p.take(9, at(4999)); len(got) != 0 {
		t.Fatalf("took %+v before its retry", got)
	}
	if got = p.take(9, at(5000)); len(got) != 1 || got[0].attempts != 1 || got[0].op != created {
		t.Fatalf("took %+v", got)
	}

	// It is bounded, those in work included.
	why := errors.New("no key")
	if !p.add(b, found, why, at(5000)) || p.add(id{key: "c"}, created, nil, at(5000)) || !p.add(a, created, nil, at(5000)) {
		t.Fatal("the bound does not hold")
	}
	p.add(id{key: "c", below: true}, removed, nil, at(5000))
	p.done(a, at(5000))
	if got = p.take(1, at(6000)); len(got) != 1 || p.len() != 2 {
		t.Fatalf("took %+v, %d left", got, p.len())
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	var tr tree
	for _, p := range []string{"", "a", "a/b", "a/b/c", "a/bb", "d"} {
		tr.add(p)
	}
	gone := map[string]bool{}
	tr.remove("a/b", func(p string) { gone[p] = true })
	tr.remove("x/y", func(p string) { t.Errorf("removed %q", p) })
	if len(gone) != 2 || !gone["a/b"] || !gone["a/b/c"] {
		t.Errorf("removed %v", gone)
	}
	for p, want := range map[string]bool{"a": true, "a/b": false, "a/b/c": false, "a/bb": true, "d": true, "e": false} {
		if tr.has(p) != want {
			t.Errorf("%q: %v", p, !want)
		}
	}
}
