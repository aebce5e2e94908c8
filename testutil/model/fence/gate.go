package fence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing/synctest"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/store"
)

// task is an invocation of a function, or an operator. It may have any number of
// goroutines, of which each stops before each of its requests.
type task struct {
	id     int
	name   string
	proc   *process // what it shares with others of its kind
	began  int      // the step
	events []*event // of an invocation
	cancel context.CancelFunc

	operator bool
	last     *request // the one that was served before
	noted    string   // the run in whose journal its keys are
	begun    bool     // it has gone beyond what it does before the first Sync

	// Under World.mu.
	dead     bool
	ended    bool
	verdicts []functions.Verdict
	err      error
}

type taskKey struct{}

// fault is what befalls a request.
type fault uint8

const (
	calm   fault = iota
	fails        // it is refused, and has no effect
	lost         // it takes effect, the answer is lost
	killed       // the process dies before it takes effect
	orphan       // the process dies after it took effect
)

var faultNames = [...]string{"", "fails", "answer lost", "killed before", "killed after"}

// request is one that waits for the scheduler.
type request struct {
	task    *task
	end     *end // nil for a question to the world
	name    string
	key     string
	cond    store.Condition
	write   bool
	instant bool // nobody can tell when it happens: it never waits
	effect  func() error

	issued int    // the step
	run    string // the one that was announced when it was permitted, if any
	err    error
	answer string
	done   chan struct{}

	// Under World.mu, as far as its task is concerned.
	stalled bool
	served  bool
	gone    bool // nobody waits for it any more, and it never was sent
}

func (r *request) String() string {
	text := r.name
	if r.end != nil {
		text = fmt.Sprintf("%s %s %s", r.end.side, r.name, r.key)
	}
	switch {
	case r.cond.Absent:
		text += " if absent"
	case r.cond.Match != "":
		text += " if " + string(r.cond.Match)
	}
	return text
}

var (
	errDead     = errors.New("the process is dead")
	errInjected = errors.New("injected")
)

// do is a request of a task: it waits for the scheduler, which has it take
// effect. Without a task it takes effect at once.
func (w *World) do(ctx context.Context, r *request) error {
	t, _ := ctx.Value(taskKey{}).(*task)
	if t == nil {
		return r.effect()
	}
	w.mu.Lock()
	if t.dead {
		w.mu.Unlock()
		return errDead
	}
	r.task, r.done = t, make(chan struct{})
	w.inbox = append(w.inbox, r)
	w.mu.Unlock()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
	}
	w.mu.Lock()
	if r.stalled {
		w.mu.Unlock()
		<-r.done // it is on its way, whoever still waits for it
		return r.err
	}
	defer w.mu.Unlock()
	if r.served {
		return r.err
	}
	r.gone = true
	return ctx.Err()
}

// rest waits until nobody can go on without the scheduler, and serves what does
// not wait for it.
func (w *World) rest() {
	for {
		synctest.Wait()
		w.reap()
		w.order()
		i := slices.IndexFunc(w.pending, func(r *request) bool { return r.instant })
		if i < 0 {
			return
		}
		w.take(w.pending[i], calm)
	}
}

// order takes the requests that have come and gives them an order that does not depend on which goroutine came
// first.
func (w *World) order() {
	w.mu.Lock()
	w.pending = slices.DeleteFunc(append(w.pending, w.inbox...), func(r *request) bool { return r.gone })
	w.inbox = nil
	w.mu.Unlock()
	for _, r := range w.pending {
		if r.issued == 0 {
			r.issued = w.step
			w.issue(r)
		}
	}
	slices.SortStableFunc(w.pending, func(a, b *request) int {
		return cmp.Or(cmp.Compare(a.task.id, b.task.id), cmp.Compare(a.String(), b.String()))
	})
}

// serve lets a request happen, with what befalls it.
func (w *World) serve(r *request, f fault) {
	w.step++
	w.take(r, f)
	w.rest()
}

func (w *World) take(r *request, f fault) {
	w.pending = slices.DeleteFunc(w.pending, func(o *request) bool { return o == r })
	t := r.task
	w.cur = r
	switch f {
	case calm:
		r.err = r.effect()
		w.learned(r)
	case fails:
		r.err = &store.Error{Op: r.name, Key: r.key, Kind: store.Unavailable, Err: errInjected}
	case lost:
		_ = r.effect()
		r.err = &store.Error{Op: r.name, Key: r.key, Kind: store.Unknown, Err: errInjected}
	case orphan:
		_ = r.effect()
		r.err = errDead
	case killed:
		r.err = errDead
	}
	w.cur = nil
	t.last = r
	if !r.instant {
		text := fmt.Sprintf("%s: %s", t.name, r)
		if f != calm {
			text += " [" + faultNames[f] + "]"
		}
		if r.err != nil {
			text += ": " + store.KindOf(r.err).String()
		} else if r.answer != "" && r.end != w.ctl {
			text += ": " + r.answer
		}
		w.note("%s", text)
	}
	w.mu.Lock()
	r.served = true
	w.mu.Unlock()
	close(r.done)
	if f == killed || f == orphan {
		w.kill(t)
	}
}

// kill ends a process: nothing more of it takes effect.
func (w *World) kill(t *task) {
	w.mu.Lock()
	t.dead = true
	w.pending = slices.DeleteFunc(w.pending, func(r *request) bool {
		if r.task != t {
			return false
		}
		r.served, r.err = true, errDead
		close(r.done)
		return true
	})
	w.mu.Unlock()
	t.cancel()
	synctest.Wait()
	w.note("%s is dead", t.name)
}

// begin starts a task.
func (w *World) begin(name string, p *process, f func(ctx context.Context, t *task)) *task {
	w.tasks++
	ctx, cancel := context.WithCancel(w.ctx)
	t := &task{id: w.tasks, name: fmt.Sprintf("%s %d", name, w.tasks), proc: p, began: w.step, cancel: cancel}
	w.live = append(w.live, t)
	w.note("%s begins", t.name)
	go func() {
		f(context.WithValue(ctx, taskKey{}, t), t)
		cancel()
		w.mu.Lock()
		t.ended = true
		w.mu.Unlock()
	}()
	return t
}

// reap does what follows the end of a task.
func (w *World) reap() {
	w.mu.Lock()
	var ended []*task
	for _, t := range w.live {
		if t.ended {
			ended = append(ended, t)
		}
	}
	w.live = slices.DeleteFunc(w.live, func(t *task) bool { return t.ended })
	w.mu.Unlock()
	for _, t := range ended {
		if t.events != nil {
			w.judged(t)
			continue
		}
		w.note("%s ends: %v", t.name, t.err)
	}
}
