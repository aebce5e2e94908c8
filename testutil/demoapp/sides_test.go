package demoapp

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHooksMoveTheApplication(t *testing.T) {
	t.Parallel()
	source := newMemory()
	target := newMemory()
	c := control(t, source, target)
	a := NewApp(NewPlan(1, 60), Options{Rate: 5000})
	if err := a.Seed(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		a.Run(t.Context(), c.Sides, stop)
	}()
	more := func() {
		t.Helper()
		for was := a.Record.Counts().Writes(); a.Record.Counts().Writes() < was+50; {
			time.Sleep(time.Millisecond)
		}
	}
	copyAll := func(from, to *memory) {
		from.mu.Lock()
		defer from.mu.Unlock()
		to.mu.Lock()
		defer to.mu.Unlock()
		clear(to.objects)
		for k, v := range from.objects {
			to.objects[k] = v
		}
	}
	more()
	for turn, x := range []struct {
		from, to Side
		a, b     *memory
	}{{Source, Target, source, target}, {Target, Source, target, source}} {
		run, epoch := string(x.to), int64(turn)
		c.hook(204, Call{Step: "freeze", Authority: x.from, Run: run, Epoch: epoch, MaxFreeze: 5})
		c.hook(204, Call{Step: "freeze", Authority: x.from, Run: run, Epoch: epoch, MaxFreeze: 5})
		c.is(x.from, true)
		counts := a.Record.Counts()
		copyAll(x.a, x.b)
		c.hook(204, Call{Step: "switch", Authority: x.to, Run: run, Epoch: epoch + 1})
		c.hook(204, Call{Step: "switch", Authority: x.to, Run: run, Epoch: epoch + 1})
		c.is(x.to, true)
		if n := c.timers.fire(false); n != 0 {
			t.Errorf("%d timers run after the move", n)
		}
		if now := a.Record.Counts(); now != counts {
			t.Errorf("it wrote while it held: %+v, %+v", counts, now)
		}
		c.hook(204, Call{Step: "unfreeze", Authority: x.to, Run: run, Epoch: epoch + 1})
		c.hook(204, Call{Step: "unfreeze", Authority: x.to, Run: run, Epoch: epoch + 1})
		c.is(x.to, false)
		more()
	}
	close(stop)
	<-done
	found, err := a.Compare(t.Context(), source, nothing)
	if err != nil || len(found) != 0 {
		t.Errorf("%v %v", found.Sorted(), err)
	}
	p := c.Pauses()
	if len(p) != 2 || p[0].From != Source || p[0].To != Target || p[0].Run != "target" || p[1].From != Target || p[1].To != Source {
		t.Fatalf("pauses %+v", p)
	}
	for moves := range 3 {
		if n := c.Accepted(moves); n < 50 {
			t.Errorf("%d operations after %d moves", n, moves)
		}
	}
	if c.Accepted(3) != 0 {
		t.Error("operations after a move that never was")
	}
	for _, p := range p {
		if p.Length <= 0 || p.Expired {
			t.Errorf("pause %+v", p)
		}
	}
}

// blocking is a client whose writes wait.
type blocking struct {
	Client
	begun   chan struct{}
	release chan struct{}
}

func (b blocking) Put(ctx context.Context, key string, body []byte, attrs Attrs) error {
	b.begun <- struct{}{}
	<-b.release
	return b.Client.Put(ctx, key, body, attrs)
}

// freeze is answered when what was in flight has ended.
func TestFreezeWaitsForWhatIsInFlight(t *testing.T) {
	t.Parallel()
	m := newMemory()
	slow := blocking{m, make(chan struct{}), make(chan struct{})}
	c := control(t, slow, nil)
	a := NewApp(nil, Options{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.step(t.Context(), c.Sides, Op{Key: "key", Body: Body{Size: 10}})
	}()
	<-slow.begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	freeze := Call{Step: "freeze", Authority: Source, Run: "r"}
	if err := c.freeze(ctx, freeze); err == nil {
		t.Fatal("frozen, and a write is in flight")
	}
	c.is(Source, true) // it holds nevertheless
	answered := make(chan error)
	go func() { answered <- c.freeze(t.Context(), freeze) }()
	select {
	case err := <-answered:
		t.Fatalf("frozen, and a write is in flight: %v", err)
	case <-time.After(10 * time.Millisecond):
	}
	close(slow.release)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	<-done
	if a.Record.Counts().Creates != 1 {
		t.Error("the write in flight did not end well")
	}
	// One that waits to begin ends with its context, and is not in the record.
	a.step(ctx, c.Sides, Op{Key: "other"})
	if got := a.Record.Keys(); len(got) != 1 {
		t.Errorf("record of %q", got)
	}
}

func TestHooksRefuse(t *testing.T) {
	t.Parallel()
	c := control(t, nil, nil)
	for _, tt := range []struct {
		body string
		want int
	}{
		{`{"step":"freeze","authority":"source"`, 400},
		{`{"step":"melt","authority":"source"}`, 400},
		{`{"step":"freeze","authority":"north"}`, 400},
		{`{"step":"freeze","authority":"source","max_freeze":-1}`, 400},
		{`{"step":"freeze","authority":"source","run":"` + strings.Repeat("x", maxCall) + `"}`, 400},
	} {
		if got, answer := c.post(tt.body); got != tt.want {
			t.Errorf("%.60s: %d %s, want %d", tt.body, got, answer, tt.want)
		}
	}
	c.token = "other"
	c.hook(401, Call{Step: "freeze", Authority: Source})
	c.token = "secret"
	c.is(Source, false)

	c.hook(409, Call{Step: "freeze", Authority: Target, Run: "a"}) // it is not there
	c.hook(204, Call{Step: "freeze", Authority: Source, Run: "a", Epoch: 3, DryRun: true})
	c.is(Source, false)
	c.hook(204, Call{Step: "freeze", Authority: Source, Run: "a", Epoch: 2})
	c.hook(409, Call{Step: "freeze", Authority: Source, Run: "a", Epoch: 1})
	c.hook(409, Call{Step: "switch", Authority: Target, Run: "a", Epoch: 1})
	c.hook(409, Call{Step: "unfreeze", Authority: Source, Run: "a", Epoch: 1})
	c.hook(409, Call{Step: "unfreeze", Authority: Source, Run: "b", Epoch: 2}) // another run's
	c.hook(409, Call{Step: "switch", Authority: Target, Run: "b", Epoch: 2})
	c.hook(409, Call{Step: "switch", Authority: Target, Run: "b", Epoch: 1, DryRun: true})
	c.is(Source, true)
	c.hook(204, Call{Step: "unfreeze", Authority: Source, Run: "a", Epoch: 2})
	c.hook(409, Call{Step: "unfreeze", Authority: Target, Run: "a", Epoch: 2}) // it writes elsewhere
	c.hook(204, Call{Step: "switch", Authority: Target, Run: "b", Epoch: 3})   // no freeze: it moves at once
	c.is(Target, false)
	c.hook(409, Call{Step: "switch", Authority: Source, Run: "a", Epoch: 2})
	c.is(Target, false)
}

// A switch that failed is undone, and the application goes on where it was.
func TestSwitchUndone(t *testing.T) {
	t.Parallel()
	for _, undo := range []bool{true, false} {
		c := control(t, nil, nil)
		c.hook(204, Call{Step: "freeze", Authority: Source, Run: "a", MaxFreeze: 1})
		c.hook(204, Call{Step: "switch", Authority: Target, Run: "a", Epoch: 1})
		if undo {
			c.hook(204, Call{Step: "switch", Authority: Source, Run: "a", Epoch: 1})
			c.is(Source, true)
		}
		c.hook(204, Call{Step: "unfreeze", Authority: Source, Run: "a", Epoch: 2})
		c.is(Source, false)
	}
}

func TestFreezeExpires(t *testing.T) {
	t.Parallel()
	c := control(t, nil, nil)
	freeze := Call{Step: "freeze", Authority: Source, Run: "a", MaxFreeze: 1.5}
	c.hook(204, freeze)
	if len(c.timers.all) != 1 || c.timers.all[0].d != 1500*time.Millisecond {
		t.Fatalf("timers %+v", c.timers.all)
	}
	c.hook(204, freeze) // once more: the time does not begin again
	if len(c.timers.all) != 1 {
		t.Fatalf("%d timers", len(c.timers.all))
	}
	c.timers.fire(false)
	c.is(Source, false)
	// It writes again: what was compared is no longer so, and a switch would lose it.
	c.hook(409, Call{Step: "switch", Authority: Target, Run: "a", Epoch: 1})
	c.is(Source, false)
	c.hook(204, Call{Step: "unfreeze", Authority: Source, Run: "a", Epoch: 1})
	s, _ := c.begin(t.Context())
	c.accepted(s, time.Unix(5, 0))
	c.end()
	if p := c.Pauses(); len(p) != 1 || !p[0].Expired || p[0].To != Source {
		t.Errorf("pauses %+v", p)
	}

	// A timer that fires just as its hold ends does not end the next one.
	freeze.Epoch = 1
	c.hook(204, freeze)
	late := c.timers.all
	c.hook(204, Call{Step: "unfreeze", Authority: Source, Run: "a", Epoch: 1})
	c.hook(204, Call{Step: "freeze", Authority: Source, Run: "b", Epoch: 1, MaxFreeze: 1})
	for _, x := range late {
		x.f()
	}
	c.is(Source, true)
	// A hold that another run's follows ends by that one's time.
	c.hook(204, Call{Step: "freeze", Authority: Source, Run: "c", Epoch: 1, MaxFreeze: 2})
	if n := c.timers.fire(false); n != 1 {
		t.Errorf("%d timers", n)
	}
	c.is(Source, false)
	c.hook(409, Call{Step: "switch", Authority: Target, Run: "c", Epoch: 1})
}

// Whatever hooks come, in whatever order: nothing moves without the epoch, and
// after a hold ran out the application stays where it went on.
func TestSidesProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var timers timers
		s := NewSides(nil, nil, timers.after)
		at, _ := s.At()
		var epoch int64
		expired := map[string]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "hooks") {
			if rapid.IntRange(0, 4).Draw(t, "time") == 0 {
				h := s.hold
				armed := h != nil && h.stop != nil
				timers.fire(rapid.Bool().Draw(t, "late"))
				if armed {
					expired[h.run] = true
					if s.hold != nil {
						t.Fatal("a hold outlived its time")
					}
				}
				continue
			}
			c := Call{
				Step:      rapid.SampledFrom([]string{"freeze", "switch", "unfreeze"}).Draw(t, "step"),
				Authority: rapid.SampledFrom([]Side{Source, Target}).Draw(t, "authority"),
				Epoch:     int64(rapid.IntRange(0, 5).Draw(t, "epoch")),
				Run:       rapid.SampledFrom([]string{"a", "b"}).Draw(t, "run"), MaxFreeze: 1,
			}
			var err error
			switch _, held := s.At(); c.Step {
			case "freeze":
				if err = s.freeze(context.Background(), c); err == nil {
					delete(expired, c.Run)
				}
			case "switch":
				if err = s.move(c); err == nil && !held && expired[c.Run] && c.Authority != at && s.expired == c.Run {
					t.Fatalf("%+v moved it after its hold ran out", c)
				}
			default:
				err = s.unfreeze(c)
			}
			var refused *Refused
			if err != nil && !errors.As(err, &refused) {
				t.Fatal(err)
			}
			now, held := s.At()
			switch {
			case err == nil && c.Epoch < epoch:
				t.Fatalf("%+v was followed after epoch %d", c, epoch)
			case err != nil && now != at:
				t.Fatalf("%+v was refused, and moved it", c)
			case err == nil && c.Step != "freeze" && now != c.Authority:
				t.Fatalf("%+v was followed, and it is at the %s", c, now)
			case err == nil && c.Step == "freeze" && !held, err == nil && c.Step == "unfreeze" && held:
				t.Fatalf("%+v was followed: held %v", c, held)
			}
			if at = now; err == nil {
				epoch = c.Epoch
			}
		}
	})
}
