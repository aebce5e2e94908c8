package demoapp

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"
)

func content(s string) Content { return NewContent([]byte(s), Attrs{ContentType: "text/plain"}) }

func TestJudge(t *testing.T) {
	t.Parallel()
	r := NewRecord()
	a, b, c, other := content("a"), content("b"), content("c"), content("other")
	attrs := b
	attrs.Metadata = map[string]string{"x": "y"}
	r.Stored(Create, "key", a)
	r.Stored(Overwrite, "key", b)
	r.Stored(Create, "gone", a)
	r.Deleted("gone")
	r.Stored(Create, "unsure", a)
	r.Failed("unsure", &b, errors.New("cut"))
	r.Failed("unsure", nil, errors.New("cut"))
	r.Stored(Create, "sure", a)
	r.Failed("sure", &b, errors.New("cut"))
	r.Stored(Overwrite, "sure", c)
	r.Failed("tried", &a, errors.New("cut"))
	r.Stored(Create, "back", a)
	r.Deleted("back")
	r.Stored(Create, "back", b)
	tests := []struct {
		key  string
		got  *Content
		want Verdict
	}{
		{"key", &b, Fine},
		{"key", &a, Stale},
		{"key", nil, Lost},
		{"key", &other, Corrupt},
		{"key", &attrs, Corrupt},
		{"gone", nil, Fine},
		{"gone", &a, Resurrected},
		{"gone", &other, Resurrected},
		{"unsure", &a, Fine},
		{"unsure", &b, Fine},
		{"unsure", nil, Fine},
		{"unsure", &c, Corrupt},
		{"sure", &c, Fine},
		{"sure", &b, Stale},
		{"sure", &a, Stale},
		{"sure", nil, Lost},
		{"tried", nil, Fine},
		{"tried", &a, Fine},
		{"tried", &b, Resurrected},
		{"back", &b, Fine},
		{"back", &a, Stale},
		{"back", nil, Lost},
		{"never", nil, Fine},
		{"never", &a, Foreign},
	}
	for _, tt := range tests {
		if v, why := r.Judge(tt.key, tt.got); v != tt.want || (v == Fine) != (why == "") {
			t.Errorf("%s, got %+v: %s (%s), want %s", tt.key, tt.got, v, why, tt.want)
		}
	}
	if c := r.Counts(); c != (Counts{Creates: 6, Overwrites: 2, Deletes: 2, Errors: 4}) || c.Writes() != 8 {
		t.Errorf("counts %+v", c)
	}
	if r.FirstError() == nil {
		t.Error("no first error")
	}
}

func TestDifference(t *testing.T) {
	t.Parallel()
	a := NewContent([]byte("abc"), Attrs{ContentType: "text/plain", Metadata: map[string]string{"a": "1"}})
	b := NewContent([]byte("abcd"), Attrs{CacheControl: "no-store", ContentEncoding: "gzip"})
	d := a.Difference(b)
	for _, want := range []string{"4 bytes instead of 3", "SHA-256", "content type", "cache control", "content encoding", "metadata"} {
		if !strings.Contains(d, want) {
			t.Errorf("%q is not in %q", want, d)
		}
	}
	if d := a.Difference(a); d != "" {
		t.Errorf("a content differs from itself: %s", d)
	}
	// An entry cannot move from one field to its neighbour unnoticed.
	x := NewContent(nil, Attrs{ContentType: "ab", CacheControl: "c"})
	y := NewContent(nil, Attrs{ContentType: "a", CacheControl: "bc"})
	if x.Print() == y.Print() {
		t.Error("different contents have one print")
	}
}

// runFor lets the application do at least n operations.
func runFor(t *testing.T, a *App, sides *Sides, n int) {
	t.Helper()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.Run(t.Context(), sides, stop)
	}()
	start := a.Record.Counts()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		now := a.Record.Counts()
		if now.Writes()+now.Deletes+now.Errors >= start.Writes()+start.Deletes+start.Errors+n {
			break
		}
	}
	close(stop)
	<-done
}

// moved is an application that is at the target.
func moved(source, target Client) *Sides {
	s := NewSides(source, target, nil)
	s.at, s.moves = Target, 1
	return s
}

func nothing(string) bool { return false }

func TestAppKeepsARecordThatHolds(t *testing.T) {
	t.Parallel()
	m := newMemory()
	a := NewApp(NewPlan(1, 100), Options{Rate: 5000})
	if err := a.Seed(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	runFor(t, a, NewSides(m, nil, nil), 500)
	target := m.clone()
	runFor(t, a, moved(m, target), 500)
	found, err := a.Compare(t.Context(), target, nothing)
	found.Merge(a.Checked())
	if err != nil || len(found) != 0 {
		t.Fatalf("%v %v", found.Sorted(), err)
	}
	if c := a.Record.Counts(); c.Errors != 0 || c.Overwrites == 0 || c.Deletes == 0 {
		t.Errorf("counts %+v: %v", c, a.Record.FirstError())
	}
}

func TestCompareFindsEachFault(t *testing.T) {
	t.Parallel()
	m := newMemory()
	a := NewApp(NewPlan(1, 60), Options{Rate: 5000})
	if err := a.Seed(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	older := maps.Clone(m.objects)
	runFor(t, a, NewSides(m, nil, nil), 300)
	want := map[Verdict]int{}
	faulty := map[string]bool{}
	for _, key := range a.Record.Keys() {
		got, live := m.objects[key]
		old, was := older[key]
		switch {
		case want[Lost] < 2 && live:
			delete(m.objects, key)
			want[Lost]++
		case want[Stale] < 3 && live && was && old.Print() != got.Print():
			m.objects[key] = old
			want[Stale]++
		case want[Resurrected] < 4 && !live && was:
			m.objects[key] = old
			want[Resurrected]++
		case want[Corrupt] < 1 && live:
			got.CacheControl = "changed"
			m.objects[key] = got
			want[Corrupt]++
		default:
			continue
		}
		faulty[key] = true
	}
	m.objects["stranger"], faulty["stranger"] = content("x"), true
	m.objects[".crossfade/x"] = content("x")
	want[Foreign] = 1
	found, err := a.Compare(t.Context(), m, func(key string) bool { return strings.HasPrefix(key, ".crossfade/") })
	if err != nil {
		t.Fatal(err)
	}
	for v := Lost; v <= Foreign; v++ {
		if want[v] == 0 || found.Count(v) != want[v] {
			t.Errorf("%s: found %d of %d", v, found.Count(v), want[v])
		}
	}
	for _, f := range found.Sorted() {
		if !faulty[f.Key] {
			t.Errorf("no fault was made at %+v", f)
		}
	}
}

// A fault that the application's own later write would cover is found before.
func TestRunChecksBeforeItOverwrites(t *testing.T) {
	t.Parallel()
	m := newMemory()
	a := NewApp(NewPlan(1, 60), Options{Rate: 5000})
	if err := a.Seed(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	bad := content("bad")
	m.objects[JobsKey] = bad
	runFor(t, a, moved(nil, m), 200)
	if m.objects[JobsKey].Print() == bad.Print() {
		t.Fatal("the key was not overwritten")
	}
	found, err := a.Compare(t.Context(), m, nothing)
	if err != nil || len(found) != 0 {
		t.Errorf("found %v, %v", found.Sorted(), err)
	}
	found.Merge(a.Checked())
	if len(found) != 1 || found[JobsKey].Verdict != Corrupt {
		t.Errorf("found %v, %v", found.Sorted(), err)
	}
}

func TestCompareWhenItCannotRead(t *testing.T) {
	t.Parallel()
	m := newMemory()
	a := NewApp(NewPlan(1, 0), Options{})
	if err := a.Seed(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	m.fail = func(op, key string) error {
		if op == "get" && key == JobsKey {
			return errors.New("wrong checksum")
		}
		return nil
	}
	found, err := a.Compare(t.Context(), m, nothing)
	if err != nil || len(found) != 1 || found[JobsKey].Verdict != Corrupt || found[JobsKey].Why != "cannot be read: wrong checksum" {
		t.Errorf("found %v, %v", found.Sorted(), err)
	}
	m.fail = func(op, _ string) error {
		if op == "list" {
			return errors.New("no list today")
		}
		return nil
	}
	if _, err := a.Compare(t.Context(), m, nothing); err == nil {
		t.Error("the listing fails: the comparison does not")
	}
	m.fail = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Compare(ctx, m, nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// An object that a listing leaves out, though it can be read, is a fault.
func TestCompareMindsTheListing(t *testing.T) {
	t.Parallel()
	m := newMemory()
	a := NewApp(NewPlan(1, 0), Options{})
	if err := a.Seed(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	found, err := a.Compare(t.Context(), hiding{m}, nothing)
	if err != nil || len(found) != 1 || found[JobsKey].Verdict != Corrupt {
		t.Errorf("found %v, %v", found.Sorted(), err)
	}
}

type hiding struct{ *memory }

func (h hiding) List(ctx context.Context, yield func(string) bool) error {
	return h.memory.List(ctx, func(key string) bool { return key == JobsKey || yield(key) })
}

func TestSeedEndsAtAnError(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.fail = func(_, key string) error {
		if key == "empty/file" {
			return errors.New("full")
		}
		return nil
	}
	a := NewApp(NewPlan(1, 2000), Options{Workers: 2})
	err := a.Seed(t.Context(), m)
	if err == nil || !strings.Contains(err.Error(), `create "empty/file": full`) || len(m.objects) > 1900 {
		t.Errorf("%v after %d objects", err, len(m.objects))
	}
}
