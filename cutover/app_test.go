package cutover

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// app is an application that writes, and does what the hooks say. It holds by
// beginning no write and waiting for those under way.
type app struct {
	w *world

	mu     sync.Mutex
	side   control.Side
	held   bool
	epoch  int64
	record map[string]string // what it knows to be there
	busy   map[string]bool   // keys that are being written
	flying int

	writes  atomic.Int64
	running atomic.Bool
	end     chan struct{}
	once    sync.Once
}

func newApp(w *world) *app {
	return &app{w: w, side: control.Source, record: map[string]string{}, busy: map[string]bool{}, end: make(chan struct{})}
}

// run writes every so often, until stop.
func (a *app) run(every time.Duration) {
	a.running.Store(true)
	rng := rand.New(rand.NewPCG(1, 2))
	a.w.tasks.Go(func() {
		for {
			select {
			case <-a.end:
				return
			case <-time.After(every):
				key, remove := fmt.Sprintf("key-%03d", rng.IntN(60)), rng.IntN(5) == 0
				a.w.tasks.Go(func() { a.change(key, remove) })
			}
		}
	})
}

func (a *app) stop() {
	a.once.Do(func() { close(a.end) })
	a.running.Store(false)
	a.landed()
}

// landed waits until no write is under way.
func (a *app) landed() {
	for {
		a.mu.Lock()
		n := a.flying
		a.mu.Unlock()
		if n == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (a *app) write(key string) { a.change(key, false) }

// change writes or deletes one key, unless it holds or is at that key already.
func (a *app) change(key string, remove bool) {
	a.mu.Lock()
	if a.held || a.busy[key] {
		a.mu.Unlock()
		return
	}
	a.busy[key] = true
	side := a.side
	a.flying++
	a.mu.Unlock()
	n := a.writes.Add(1)
	body := fmt.Sprintf("write %d", n)
	st := a.w.side(side)
	var err error
	if remove {
		err = st.Delete(context.Background(), key, store.Condition{})
	} else {
		_, err = st.Put(context.Background(), key, store.Bytes(body), store.PutOptions{})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy[key] = false
	a.flying--
	switch {
	case err != nil:
		a.w.t.Errorf("the application cannot write to the %s: %v", side, err)
	case remove:
		delete(a.record, key)
	default:
		a.record[key] = body
	}
}

// told is a hook.
func (a *app) told(_ context.Context, c HookCall) error {
	a.mu.Lock()
	if c.DryRun {
		a.mu.Unlock()
		return nil
	}
	if c.Epoch < a.epoch {
		a.mu.Unlock()
		return fmt.Errorf("epoch %d is over, it is %d", c.Epoch, a.epoch)
	}
	a.epoch = c.Epoch
	switch c.Step {
	case StepFreeze:
		a.held = true
		a.mu.Unlock()
		a.landed()
		return nil
	case StepSwitch:
		a.side = c.Authority
	case StepUnfreeze:
		a.held, a.side = false, c.Authority
	}
	a.mu.Unlock()
	return nil
}
