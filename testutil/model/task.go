package model

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// fault is what befalls a request.
type fault uint8

const (
	calm    fault = iota
	fails         // it is refused with a kind, and has no effect
	lost          // it takes effect, the answer is lost
	again         // as lost, but the client library sent it once more
	lies          // HEAD on the source says that there is nothing
	short         // the rest of a body is missing
	corrupt       // a byte of a body is another
	killed        // the process dies before the request takes effect
	orphan        // the process dies after it took effect
	late          // the process dies, and the request takes effect later
)

var faultNames = [...]string{"", "fails", "answer lost", "answer lost, sent again", "lies", "body cut short", "body corrupted", "killed before", "killed after", "killed, request under way"}

type outcome struct {
	fault fault
	kind  store.Kind // of fails
}

// request is one that waits for the scheduler.
type request struct {
	onSource bool
	write    bool
	name     string
	key      string
	cond     store.Condition
	version  store.Version // a pin

	offset, length int64
	damage         func(fault) // of a body
}

// task is one Sync, as a coroutine that stops before each request.
type task struct {
	id     int
	call   int // as id; what objects remember
	ev     *event
	hint   replicate.Hint
	began  int
	pend   *request
	out    outcome
	dead   bool
	yield  func(struct{}) bool
	next   func() (struct{}, bool)
	cancel context.CancelFunc

	res replicate.Result
	err error

	wrote   bool          // a write took effect
	sawOurs bool          // what the target last showed it was not foreign
	answer  store.Version // what the current request showed or wrote
}

// begin starts a Sync for ev and runs it to its first request.
func (w *World) begin(ev *event, hint replicate.Hint) *task {
	w.calls++
	w.step++
	t := &task{id: w.calls, call: w.calls, ev: ev, hint: hint, began: w.step}
	ctx, cancel := context.WithCancel(context.Background())
	t.cancel = cancel
	r := w.replicator(ev.reverse)
	t.next, _ = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		t.res, t.err = r.Sync(ctx, ev.key, hint)
	})
	ev.running++
	w.tasks = append(w.tasks, t)
	w.note(line{task: t, text: "begins"})
	w.advance(t)
	return t
}

// advance runs t to its next request, or to its end.
func (w *World) advance(t *task) {
	w.cur = t
	_, more := t.next()
	w.cur = nil
	if more {
		return
	}
	t.cancel()
	w.tasks = slices.DeleteFunc(w.tasks, func(o *task) bool { return o == t })
	t.ev.running--
	failed := t.dead || t.err != nil
	switch {
	case failed && !w.cfg.Forgets:
		// Then one has to end well that began after this, also where another
		// delivery of the event was acknowledged or still will be.
		t.ev.acked, t.ev.failed = false, w.step
	case !failed && t.began > t.ev.failed:
		t.ev.acked = true
	}
	if t.wrote && failed {
		w.stranded[t.ev.key] = true
	}
	w.note(line{task: t, end: true})
}

// release lets the request that t waits for happen, with an outcome.
func (w *World) release(t *task, out outcome) {
	w.step++
	t.out = out
	w.advance(t)
}

var errKilled = errors.New("the process died")

// do is one request of the running Sync: it waits for the scheduler, and then
// calls effect, or not.
func (w *World) do(ctx context.Context, r request, effect func() error) error {
	t := w.cur
	if t.dead {
		return context.Canceled
	}
	t.pend = &r
	t.yield(struct{}{})
	t.pend = nil
	var err error
	switch out := t.out; out.fault {
	case calm:
		err = effect()
	case fails:
		err = w.failed(r, out.kind)
	case lost:
		_ = effect()
		err = w.failed(r, store.Unknown)
	case again:
		_ = effect()
		// That the second answer is about its own write, a Sync cannot know.
		w.stranded[r.key] = w.stranded[r.key] || t.wrote
		err = effect()
	case lies:
		err = w.failed(r, store.NotFound)
	case short, corrupt:
		r.damage(out.fault)
	case orphan:
		_ = effect()
		err = w.kill(t)
	case late:
		w.late = append(w.late, func() {
			w.cur = t
			err := effect()
			w.cur = nil
			w.note(line{task: t, req: &r, text: "takes effect", err: err})
		})
		err = w.kill(t)
	case killed:
		err = w.kill(t)
	}
	if err == nil {
		err = ctx.Err()
	}
	w.note(line{task: t, req: &r, out: t.out, err: err, answer: t.answer})
	t.answer = ""
	return err
}

func (w *World) kill(t *task) error {
	t.dead = true
	t.cancel()
	return errKilled
}

var errInjected = errors.New("injected")

func (w *World) failed(r request, kind store.Kind) error {
	id := targetID
	if r.onSource {
		id = sourceID
	}
	return &store.Error{Op: r.name, Store: id, Key: r.key, Kind: kind, Err: errInjected}
}

// outcomes lists what may befall the request that t waits for.
func (w *World) outcomes(t *task) []outcome {
	r := t.pend
	out := []outcome{{fault: killed}}
	if r.name == "read" {
		out = append(out, outcome{fault: fails}, outcome{fault: short})
		if !w.cfg.SilentSource {
			out = append(out, outcome{fault: corrupt})
		}
		return out
	}
	for _, k := range []store.Kind{store.Unavailable, store.Unknown, store.Throttled, store.Denied} {
		out = append(out, outcome{fails, k})
	}
	switch {
	case r.write:
		out = append(out, outcome{fault: lost}, outcome{fault: again}, outcome{fault: orphan})
		// A write that lands after its Sync is dead is harmless only where its
		// condition cannot come true again: see the documents.
		if w.cfg.Target == Unique && w.cfg.Source != Recurring && r.cond.Match != "" {
			out = append(out, outcome{fault: late})
		}
		if r.name == "update" {
			out = append(out, outcome{fails, store.Invalid})
		}
	case r.onSource && r.name == "head":
		out = append(out, outcome{fault: lies})
	case r.onSource:
		out = append(out, outcome{fails, store.Archived})
	}
	return out
}
