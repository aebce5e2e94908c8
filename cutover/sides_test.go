package cutover

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// sides are two stores without functions or an application, and an engine, all
// with one clock that goes on only by being told to, or slept on.
type sides struct {
	t        testing.TB
	e        *Engine
	src, dst *memstore.Store
	docs     *control.Documents

	mu  sync.Mutex
	now time.Time
	ids atomic.Int64
}

func newSides(t testing.TB, change ...func(*Options)) *sides {
	t.Helper()
	s := &sides{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	core := cloudsim.NewCore(s.clock)
	s.src = memstore.New(core.CreateBucket("old", false))
	s.dst = memstore.New(core.CreateBucket("new", false))
	ctl := memstore.New(core.CreateBucket("ops", false))
	random := func() string { return fmt.Sprintf("R%06d", s.ids.Add(1)) }
	var err error
	if s.docs, err = control.Open(ctl, "shop", random); err != nil {
		t.Fatal(err)
	}
	parse := func(raw string) config.Location {
		l, err := config.ParseLocation(raw)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	o := Options{
		Migration: config.Migration{
			Name: "shop", Source: parse("s3://old"), Target: parse("gs://new"), Control: parse("gs://ops"),
			Deletes: true, Concurrency: 8, Cutover: config.Cutover{MaxLag: 5 * time.Second},
		},
		Source: s.src, Target: s.dst, Control: s.docs, ControlStore: ctl,
		Now: s.clock, Random: random,
		Sleep: func(ctx context.Context, d time.Duration) error {
			s.pass(d)
			return ctx.Err()
		},
	}
	for _, c := range change {
		c(&o)
	}
	if s.e, err = New(o); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sides) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *sides) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// state makes st the control object.
func (s *sides) state(st control.State) control.State {
	s.t.Helper()
	st.Source, st.Target = s.e.sourceID, s.e.targetID
	held, err := s.docs.Load(context.Background())
	if control.Missing(err) {
		held, err = s.docs.Create(context.Background(), st)
	} else if err == nil {
		held, err = s.docs.Swap(context.Background(), held, st)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return held.State
}

// following is the state of an ordinary migration before any turn.
func following() control.State {
	return control.State{Phase: control.Following, Authority: control.Source}
}

func (s *sides) put(st store.Store, key, body string) *store.Object {
	s.t.Helper()
	o, err := st.Put(context.Background(), key, store.Bytes(body), store.PutOptions{Attrs: store.Attrs{ContentType: "text/plain"}})
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

func (s *sides) remove(st store.Store, keys ...string) {
	s.t.Helper()
	for _, key := range keys {
		if err := st.Delete(context.Background(), key, store.Condition{}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// carry does what a function of a direction does, fences and turns apart.
func (s *sides) carry(d control.Direction, keys ...string) {
	s.t.Helper()
	r, err := replicate.New(s.e.end(d.From()), s.e.end(d.To()), replicate.Options{
		SourceID: s.e.id(d.From()), TargetID: s.e.id(d.To()),
		Policy: replicate.Policy{Deletes: true, Foreign: replicate.OverwriteForeign},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, key := range keys {
		if _, err := r.Sync(context.Background(), key, replicate.HintNone); err != nil {
			s.t.Fatal(err)
		}
	}
}

// straggle writes what an invocation of direction d would have, had it read the
// object body at another time.
func (s *sides) straggle(d control.Direction, key, body string) {
	s.t.Helper()
	tmp := memstore.New(cloudsim.NewCore(s.clock).CreateBucket("tmp", false))
	s.put(tmp, key, body)
	r, err := replicate.New(tmp, s.e.end(d.To()), replicate.Options{SourceID: s.e.id(d.From()), TargetID: s.e.id(d.To())})
	if err != nil {
		s.t.Fatal(err)
	}
	if res, err := r.Sync(context.Background(), key, replicate.HintNone); err != nil || res.Action != replicate.Copy {
		s.t.Fatalf("%+v, %v", res, err)
	}
}

// body is what st holds under key, "" for nothing, and the object.
func (s *sides) body(st store.Store, key string) (string, *store.Object) {
	s.t.Helper()
	r, err := st.Open(context.Background(), key, store.ReadOptions{})
	if store.KindOf(err) == store.NotFound {
		return "", nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b), &r.Object
}

// late returns what is kept, by key.
func (s *sides) late() map[string]control.Late {
	s.t.Helper()
	late, err := s.e.Late(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	by := map[string]control.Late{}
	for _, l := range late {
		by[l.Key] = l
	}
	return by
}

// turned carries out a change of the authority to the target as far as the
// documents go: what comes before it in during is written after the comparison of
// everything, what is in verified was compared in the freeze.
func (s *sides) turned(during func(), verified ...string) control.State {
	s.t.Helper()
	return s.turnedOver(s.src, s.dst, strings.Join(verified, "\n"), during)
}

func (s *sides) turnedOver(src, dst store.Store, verified string, during func()) control.State {
	s.t.Helper()
	s.pass(time.Minute)
	turn := control.Turn{Run: "run1", Epoch: 1, To: control.Target, Since: s.clock()}
	s.pass(time.Minute)
	if during != nil {
		during()
	}
	s.pass(time.Minute)
	turn.Cut, turn.Born, turn.At = s.clock(), s.clock(), s.clock()
	v := control.Verified{Run: "run1", Keys: map[string]control.EndPair{}}
	for key := range strings.FieldsFuncSeq(verified, func(r rune) bool { return r == '\n' }) {
		_, from := s.body(src, key)
		_, to := s.body(dst, key)
		v.Keys[key] = looked{from: from, to: to}.pair(control.Forward)
	}
	if err := s.docs.PutVerified(context.Background(), v); err != nil {
		s.t.Fatal(err)
	}
	s.pass(time.Minute)
	return s.state(control.State{Phase: control.Reversed, Authority: control.Target, Epoch: 1, Turn: &turn})
}
