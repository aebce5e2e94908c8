package cutover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/functions/follow"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// world is a migration with functions and an application, for a synctest bubble:
// its clock is that of the bubble, and a request takes latency of it.
type world struct {
	t         *testing.T
	ctx       context.Context
	m         config.Migration
	src, dst  *memstore.Store
	ctl       *memstore.Store
	docs      *control.Documents
	app       *app
	hooks     *fakeHooks
	functions atomic.Bool // they run
	tasks     sync.WaitGroup
	ids       atomic.Int64
	pids      atomic.Int64
	latency   atomic.Int64 // a time.Duration

	behind atomic.Pointer[time.Time] // since when the functions catch up with 4 s
}

// The times of the functions of a world.
const (
	functionTimeout = time.Second
	functionLease   = 500 * time.Millisecond
)

func location(t *testing.T, raw string) config.Location {
	t.Helper()
	l, err := config.ParseLocation(raw)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// newWorld returns one that follows: n objects on both sides.
func newWorld(t *testing.T, n int) *world {
	t.Helper()
	core := cloudsim.NewCore(time.Now)
	hook := &config.Hook{Command: []config.Secret{config.NewSecret("true")}, Timeout: 10 * time.Second}
	w := &world{
		t: t,
		m: config.Migration{
			Name: "shop", Source: location(t, "s3://old"), Target: location(t, "gs://new"), Control: location(t, "gs://ops"),
			Deletes: true, Concurrency: 16, FunctionTimeout: functionTimeout,
			Cutover: config.Cutover{
				MaxFreeze: 5 * time.Second, MaxLag: 5 * time.Second,
				Freeze: config.Freeze{Mode: config.FreezeHook, Hook: hook}, Switch: hook, Unfreeze: hook,
			},
		},
		src: memstore.New(core.CreateBucket("old", false)),
		dst: memstore.New(core.CreateBucket("new", false)),
		ctl: memstore.New(core.CreateBucket("ops", false)),
	}
	var cancel context.CancelFunc
	w.ctx, cancel = context.WithCancel(context.WithoutCancel(t.Context()))
	w.docs = w.documents(w.ctl)
	w.functions.Store(true)
	w.latency.Store(int64(15 * time.Millisecond))
	w.app = newApp(w)
	w.hooks = &fakeHooks{app: w.app}
	e := w.engine()
	if _, err := e.Init(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.direct(control.Forward)
	w.direct(control.Reverse)
	for i := range n {
		w.app.write(fmt.Sprintf("key-%03d", i%max(n, 1)))
	}
	w.settle()
	if err := e.Seeded(w.ctx, int64(n)); err != nil {
		t.Fatal(err)
	}
	for _, st := range []*memstore.Store{w.src, w.dst, w.ctl} {
		st.SetIntercept(w.slow)
	}
	t.Cleanup(func() {
		w.app.stop()
		cancel()
		w.tasks.Wait()
	})
	return w
}

// slow makes each request take the latency of the world.
func (w *world) slow(ctx context.Context, op memstore.Op) error {
	if op.Stage == memstore.Before && op.Name != "read" {
		return store.Sleep(ctx, time.Duration(w.latency.Load()))
	}
	return nil
}

func (w *world) random() string { return fmt.Sprintf("R%06d", w.ids.Add(1)) }

func (w *world) documents(st store.Store) *control.Documents {
	d, err := control.Open(st, w.m.Name, w.random)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) side(s control.Side) *memstore.Store {
	if s == control.Target {
		return w.dst
	}
	return w.src
}

// direct deploys the functions of a direction.
func (w *world) direct(d control.Direction) {
	sourceID, targetID := w.m.IDs()
	if d == control.Reverse {
		sourceID, targetID = targetID, sourceID
	}
	guard := control.NewGuard(w.docs, d, time.Now, functionLease)
	f, err := follow.New(follow.Options{
		From: w.side(d.From()), To: guard.Guarded(w.side(d.To())), Documents: w.docs, Guard: guard, Now: time.Now, Tool: "test",
		Replicate: replicate.Options{SourceID: sourceID, TargetID: targetID, Policy: replicate.Policy{Deletes: true}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	events := make(chan string, 100_000)
	w.side(d.From()).Bucket().Subscribe(func(c cloudsim.Change) {
		events <- c.Object.Name
	})
	w.tasks.Go(func() {
		for {
			select {
			case <-w.ctx.Done():
				return
			case key := <-events:
				w.tasks.Go(func() { w.handle(f, key) })
			}
		}
	})
}

// handle is one event, delivered until it is acknowledged.
func (w *world) handle(f *follow.Follower, key string) {
	if since := w.behind.Load(); since != nil {
		store.Sleep(w.ctx, 4*time.Second-time.Since(*since)/2) //nolint:errcheck // the loop asks
	}
	for w.ctx.Err() == nil {
		if w.functions.Load() && w.invoke(f, key) == nil {
			return
		}
		store.Sleep(w.ctx, 500*time.Millisecond) //nolint:errcheck // the loop asks
	}
}

func (w *world) invoke(f *follow.Follower, key string) error {
	ctx, cancel := context.WithTimeout(w.ctx, functionTimeout)
	defer cancel()
	if strings.HasPrefix(key, store.ControlPrefix) {
		_, _, err := f.Signal(ctx, key)
		return err
	}
	if err := f.Begin(ctx, []string{key}); err != nil {
		return err
	}
	_, err := f.Sync(ctx, key, replicate.HintNone)
	return err
}

// settle waits until all that was written has long been carried.
func (w *world) settle() {
	time.Sleep(5 * time.Second)
}

// mortal is a process's view of a store: nothing of it gets there once it is dead.
type mortal struct {
	store.Store
	dead *atomic.Bool
}

var errDead = errors.New("the process is dead")

func (m mortal) Unwrap() store.Store { return m.Store }

func (m mortal) Put(ctx context.Context, key string, c store.Content, o store.PutOptions) (*store.Object, error) {
	if m.dead.Load() {
		return nil, &store.Error{Op: "put", Key: key, Err: errDead}
	}
	return m.Store.Put(ctx, key, c, o)
}

func (m mortal) Delete(ctx context.Context, key string, c store.Condition) error {
	if m.dead.Load() {
		return &store.Error{Op: "delete", Key: key, Err: errDead}
	}
	return m.Store.Delete(ctx, key, c)
}

// process is an operator's.
type process struct {
	*Engine
	pid  int
	dead atomic.Bool
}

// engine returns one of a process of its own. change may change its options.
func (w *world) engine(change ...func(*Options)) *process {
	p := &process{pid: int(w.pids.Add(1))}
	view := func(st store.Store) store.Store { return mortal{st, &p.dead} }
	o := Options{
		Migration: w.m, Source: view(w.src), Target: view(w.dst), ControlStore: view(w.ctl),
		Control:  w.documents(view(w.ctl)),
		Operator: Operator{Name: "ann@host", Host: "host", PID: p.pid},
		Lease:    functionLease,
		Tool:     "test", Now: time.Now, Random: w.random, Hooks: processHooks{w.hooks, &p.dead},
		Progress: func(e Event) { w.t.Logf("%s %d %s %s: %s", e.At.Format("05.000"), p.pid, e.Phase, e.Step, e.Text) },
	}
	for _, c := range change {
		c(&o)
	}
	e, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	p.Engine = e
	return p
}

// all others of this host are taken for dead.
func onlyOne(o *Options) { o.Operator.Alive = func(int) bool { return false } }

// state reads the control object.
func (w *world) state() control.State {
	w.t.Helper()
	held, err := w.docs.Load(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return held.State
}

// check stops the application and makes sure that it was not held, uses the
// authority, finds all that it has written, and that the other side has the same.
func (w *world) check(phase control.Phase) {
	w.t.Helper()
	s := w.state()
	if s.Phase != phase {
		w.t.Errorf("the phase is %s, want %s", s.Phase, phase)
	}
	w.app.mu.Lock()
	held, side := w.app.held, w.app.side
	w.app.mu.Unlock()
	if held {
		w.t.Error("the application was left held")
	}
	if side != s.Authority {
		w.t.Errorf("the application uses the %s, and the authority is the %s", side, s.Authority)
	}
	before := w.app.writes.Load()
	time.Sleep(time.Second)
	if w.app.running.Load() && w.app.writes.Load() == before {
		w.t.Error("the application does not write any more")
	}
	w.app.stop()
	w.settle()
	w.equal(control.Source)
	w.equal(control.Target)
}

// equal compares a side with what the application knows that it has written.
func (w *world) equal(side control.Side) {
	w.t.Helper()
	w.app.mu.Lock()
	defer w.app.mu.Unlock()
	bucket := w.side(side).Bucket()
	objects, _ := bucket.List("", "", false, 1_000_000)
	for _, o := range objects {
		if strings.HasPrefix(o.Name, store.ControlPrefix) {
			continue
		}
		if want, ok := w.app.record[o.Name]; !ok {
			w.t.Errorf("%s: %s is there though the application has deleted it", side, o.Name)
		} else if string(o.Body) != want {
			w.t.Errorf("%s: %s is %q, and the application wrote %q", side, o.Name, o.Body, want)
		}
	}
	for key, want := range w.app.record {
		if bucket.Get(key) == nil {
			w.t.Errorf("%s: %s is lost: it was %q", side, key, want)
		}
	}
}

var _ Hooks = (*fakeHooks)(nil)

// fakeHooks move the application of a world, unless they are told otherwise.
type fakeHooks struct {
	app *app

	mu    sync.Mutex
	calls []HookCall
	// instead is asked first. done means that it has answered.
	instead func(ctx context.Context, c HookCall) (done bool, err error)
}

func (h *fakeHooks) Run(ctx context.Context, hook config.Hook, c HookCall) (report.HookRun, error) {
	h.mu.Lock()
	h.calls = append(h.calls, c)
	instead := h.instead
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, hook.Timeout)
	defer cancel()
	err := store.Sleep(ctx, 5*time.Millisecond)
	done := false
	if err == nil && instead != nil {
		done, err = instead(ctx, c)
	}
	if err == nil && !done {
		err = h.app.told(ctx, c)
	}
	run := report.HookRun{Name: c.Step, Kind: report.HookCommand, Result: report.HookOK, Attempts: 1}
	if err != nil {
		run.Result = report.HookFailed
		return run, &HookError{Step: c.Step, Hook: "fake", Err: err}
	}
	return run, nil
}

// do has f answer from now on.
func (h *fakeHooks) do(f func(ctx context.Context, c HookCall) (done bool, err error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.instead = f
}

// steps lists the calls as step:authority.
func (h *fakeHooks) steps() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, c := range h.calls {
		all = append(all, c.Step+":"+string(c.Authority))
	}
	return all
}

// processHooks are those that one process runs.
type processHooks struct {
	*fakeHooks
	dead *atomic.Bool
}

func (p processHooks) Run(ctx context.Context, hook config.Hook, c HookCall) (report.HookRun, error) {
	if p.dead.Load() {
		return report.HookRun{}, errDead
	}
	return p.fakeHooks.Run(ctx, hook, c)
}
