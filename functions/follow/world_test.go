package follow_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions/follow"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

const (
	sourceID = "s3://src/"
	targetID = "gs://dst/"
)

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is a migration of which a test plays the application, the events and the
// operator. The clocks of the three stores differ by minutes.
type world struct {
	t                *testing.T
	clock            *clock
	src, dst         *memstore.Store
	ctl              *memstore.Store
	docs             *control.Documents
	forward, reverse *follow.Follower
	requests         map[string]int // by side and operation
	mu               sync.Mutex
	policy           replicate.Policy
	pace             time.Duration // between two steps of the operator
}

func newWorld(t *testing.T, policy replicate.Policy) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, requests: map[string]int{}, policy: policy, pace: control.Lease}
	side := func(name string, skew time.Duration) *memstore.Store {
		core := cloudsim.NewCore(func() time.Time { return w.clock.now().Add(skew) })
		m := memstore.New(core.CreateBucket(name, false))
		m.SetIntercept(w.counting(name, nil))
		return m
	}
	w.src, w.dst, w.ctl = side("src", -7*time.Minute), side("dst", 11*time.Minute), side("ctl", 0)
	var n atomic.Int64
	docs, err := control.Open(w.ctl, "photos", func() string { return fmt.Sprintf("r%06d", n.Add(1)) })
	if err != nil {
		t.Fatal(err)
	}
	w.docs = docs
	w.forward = w.follower(control.Forward)
	w.reverse = w.follower(control.Reverse)
	return w
}

// counting counts requests to a side, and calls next, if any.
func (w *world) counting(side string, next memstore.Intercept) memstore.Intercept {
	return func(ctx context.Context, op memstore.Op) error {
		if op.Stage == memstore.Before && op.Name != "read" {
			w.mu.Lock()
			w.requests[side+" "+op.Name]++
			w.mu.Unlock()
		}
		if next != nil {
			return next(ctx, op)
		}
		return nil
	}
}

// spent returns the requests since the last call.
func (w *world) spent() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.requests
	w.requests = map[string]int{}
	return was
}

func (w *world) follower(d control.Direction) *follow.Follower {
	w.t.Helper()
	guard := control.NewGuard(w.docs, d, w.clock.now, 0)
	opts := follow.Options{
		From: w.src, To: guard.Guarded(w.dst), Documents: w.docs, Guard: guard, Now: w.clock.now, Tool: "v1",
		Replicate: replicate.Options{
			SourceID: sourceID, TargetID: targetID, Policy: w.policy,
			Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		},
	}
	if d == control.Reverse {
		opts.From, opts.To = w.dst, guard.Guarded(w.src)
		opts.Replicate.SourceID, opts.Replicate.TargetID = targetID, sourceID
	}
	f, err := follow.New(opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// begin creates the control object.
func (w *world) begin() *world {
	w.t.Helper()
	_, err := w.docs.Create(w.t.Context(), control.State{Source: sourceID, Target: targetID, Phase: control.Following, Authority: control.Source})
	if err != nil {
		w.t.Fatal(err)
	}
	return w
}

// swap moves the state on.
func (w *world) swap(change func(*control.State)) {
	w.t.Helper()
	held, err := w.docs.Load(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	next := held.Clone()
	change(&next)
	if _, err := w.docs.Swap(w.t.Context(), held, next); err != nil {
		w.t.Fatal(err)
	}
	w.clock.advance(w.pace)
}

func phase(p control.Phase) func(*control.State) {
	return func(s *control.State) {
		s.Phase = p
		if s.Run == nil {
			s.Run = &control.Run{ID: "run-0"}
		}
	}
}

// side is the store of one.
func (w *world) side(s control.Side) *memstore.Store {
	if s == control.Source {
		return w.src
	}
	return w.dst
}

// away is the Follower that leads away from a side.
func (w *world) away(s control.Side) *follow.Follower {
	if s == control.Source {
		return w.forward
	}
	return w.reverse
}

// turn makes to the authority, and keeps what was compared one by one. verified
// are keys whose versions are noted.
func (w *world) turn(to control.Side, verified ...string) {
	w.t.Helper()
	held, err := w.docs.Load(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	run := fmt.Sprintf("run-%d", held.Epoch+1)
	w.swap(func(s *control.State) { s.Phase, s.Run = control.Announced, &control.Run{ID: run} })
	w.swap(phase(control.Frozen))
	old, now := w.side(to.Other()), w.side(to)
	barrier, err := control.Send(w.t.Context(), old, "photos", control.Signal{ID: "b1", Kind: control.Barrier})
	if err != nil {
		w.t.Fatal(err)
	}
	probe, err := control.Send(w.t.Context(), now, "photos", control.Signal{ID: "p1", Kind: control.Canary})
	if err != nil {
		w.t.Fatal(err)
	}
	list := control.Verified{Run: run, Keys: map[string]control.EndPair{}}
	for _, key := range verified {
		list.Keys[key] = control.EndPair{Source: w.version(w.src, key), Target: w.version(w.dst, key)}
	}
	if err := w.docs.PutVerified(w.t.Context(), list); err != nil {
		w.t.Fatal(err)
	}
	w.swap(func(s *control.State) {
		s.Phase, s.Epoch = control.Switching, s.Epoch+1
		s.Turn = &control.Turn{Run: run, Epoch: s.Epoch, To: to, At: w.clock.now(), Cut: barrier.ModTime, Born: probe.ModTime}
	})
	w.swap(func(s *control.State) { s.Phase, s.Authority = control.Switched, to })
	w.swap(func(s *control.State) {
		s.Phase, s.Run = control.Following, nil
		if to == control.Target {
			s.Phase = control.Reversed
		}
	})
}

func (w *world) version(st *memstore.Store, key string) store.Version {
	w.t.Helper()
	o, err := st.Head(w.t.Context(), key)
	if store.KindOf(err) == store.NotFound {
		return ""
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return o.Version
}

// put is the application writing to a side.
func (w *world) put(st *memstore.Store, key, body string) {
	w.t.Helper()
	w.clock.advance(time.Millisecond)
	if _, err := st.Put(w.t.Context(), key, store.Bytes(body), store.PutOptions{Attrs: store.Attrs{ContentType: "text/plain"}}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(st *memstore.Store, key string) {
	w.t.Helper()
	if err := st.Delete(w.t.Context(), key, store.Condition{}); err != nil {
		w.t.Fatal(err)
	}
}

// sync is an event that reaches a Follower.
func (w *world) sync(f *follow.Follower, key string) replicate.Result {
	w.t.Helper()
	res, err := f.Sync(w.t.Context(), key, replicate.HintNone)
	if err != nil {
		w.t.Fatalf("%s: %v", key, err)
	}
	return res
}

// body is what a store has under key, "" where it has nothing.
func (w *world) body(st store.Store, key string) string {
	w.t.Helper()
	r, err := st.Open(w.t.Context(), key, store.ReadOptions{})
	if store.KindOf(err) == store.NotFound {
		return ""
	}
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

// want fails unless both sides have these bodies under key.
func (w *world) want(key, src, dst string) {
	w.t.Helper()
	if s, d := w.body(w.src, key), w.body(w.dst, key); s != src || d != dst {
		w.t.Errorf("%s: source %q, target %q, want %q and %q", key, s, d, src, dst)
	}
}

// kept lists what was kept, as "side key body" or "side key (removed)", in
// order of the keys of the entries.
func (w *world) kept() (all []string) {
	w.t.Helper()
	for l, err := range w.docs.LateWrites(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		text := "(removed)"
		if !l.Removed {
			c, err := w.docs.LateBody(w.t.Context(), l)
			if err != nil {
				w.t.Fatal(err)
			}
			r, err := c.Open(w.t.Context(), 0, c.Size())
			if err != nil {
				w.t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				w.t.Fatal(err)
			}
			text = string(b)
		}
		all = append(all, strings.Join([]string{string(l.Side), l.Key, text}, " "))
	}
	return all
}
