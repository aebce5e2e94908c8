package fence

import (
	"context"
	"slices"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/follow"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// event says that a key may have changed, and is delivered until an invocation
// for it ends well.
type event struct {
	key       string
	direction control.Direction
	removed   bool
	at        int  // the step
	running   int  // invocations that work on it
	delivered int  // how often
	failed    int  // the step at which one failed
	acked     bool // one that began after the last failure has ended well
	lost      bool // it never comes
	held      bool // it comes after the turn

	journaled string // the run that it is in the journal of
}

// process is one of a function's, or an operator's.
type process struct {
	direction control.Direction // "" where it is not bound to one
	functions *functions.Processor

	// What it last read of the control object, and when.
	state  control.State
	readAt time.Time
}

// announce tells the functions that read a side of a change there.
func (w *World) announce(side control.Side, key string, removed bool) {
	w.events = append(w.events, &event{key: key, direction: control.Away(side), removed: removed, at: w.step})
}

// newProcess starts one of direction d.
func (w *World) newProcess(d control.Direction) *process {
	docs := w.documents()
	guard := control.NewGuard(docs, d, time.Now, lease)
	to := guard.Guarded(w.store(d.To()))
	if w.cfg.Weak == Unguarded {
		to = w.store(d.To())
	}
	f, err := follow.New(follow.Options{
		From: w.store(d.From()), To: to, Documents: docs, Guard: guard, Now: time.Now,
		Replicate: replicate.Options{
			SourceID: w.ids[d.From()], TargetID: w.ids[d.To()], Policy: replicate.Policy{Deletes: true},
			Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }, Jitter: func() float64 { return 0 },
		},
	})
	if err != nil {
		panic(err)
	}
	p := &process{direction: d}
	var hook functions.Migration = f
	var sync functions.Syncer = f
	if w.cfg.Weak == JournalAfter {
		late := journalAfter{f}
		hook, sync = late, late
	}
	if p.functions, err = functions.New(sync, functions.Options{Bucket: "b", Migration: hook, Now: time.Now, Timeout: timeout}); err != nil {
		panic(err)
	}
	return p
}

// newOperator starts an operator's process, and returns what it syncs with.
func (w *World) newOperator(d control.Direction) (*process, *replicate.Replicator) {
	guard := control.NewGuard(w.documents(), d, time.Now, lease)
	r, err := replicate.New(w.store(d.From()), guard.Guarded(w.store(d.To())), replicate.Options{
		SourceID: w.ids[d.From()], TargetID: w.ids[d.To()], Log: quietLog,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }, Jitter: func() float64 { return 0 },
	})
	if err != nil {
		panic(err)
	}
	return &process{direction: d}, r
}

// process returns one for the next invocation.
func (w *World) process(d control.Direction) *process {
	if w.cfg.Processes == 0 {
		return w.newProcess(d)
	}
	if len(w.procs[d]) < w.cfg.Processes {
		w.procs[d] = append(w.procs[d], w.newProcess(d))
		return w.procs[d][len(w.procs[d])-1]
	}
	return w.procs[d][w.choose.Choose(len(w.procs[d]))]
}

// deliver begins an invocation for events of one direction.
func (w *World) deliver(evs ...*event) {
	d := evs[0].direction
	batch := make([]functions.Event, len(evs))
	for i, ev := range evs {
		ev.running++
		ev.delivered++
		batch[i] = functions.Event{Bucket: "b", Key: ev.key, Created: !ev.removed, Removed: ev.removed, Deliveries: ev.delivered}
	}
	p := w.process(d)
	t := w.begin(string(d), p, func(ctx context.Context, t *task) {
		verdicts := p.functions.Process(ctx, batch)
		w.mu.Lock()
		defer w.mu.Unlock()
		t.verdicts = verdicts
	})
	t.events = evs
	for _, ev := range evs {
		w.note("%s: for %s, delivery %d", t.name, ev.key, ev.delivered)
	}
	w.rest()
}

// judged is the end of an invocation.
func (w *World) judged(t *task) {
	for i, ev := range t.events {
		ev.running--
		v := t.verdicts[i]
		w.note("%s ends for %s: %v, %s", t.name, ev.key, v.Outcome, v.Reason)
		switch {
		case t.dead || v.Outcome == functions.Retry:
			ev.acked, ev.failed = false, w.step
		case v.Outcome == functions.DeadLetter:
			w.breaks(turned, ev.key, "its event is taken for one that no retry can help: %v", v.Reason)
		case t.began > ev.failed || ev.failed == 0:
			ev.acked = true
		}
	}
}

// waiting lists the events that nobody works on and that may be delivered.
func (w *World) waiting() []*event {
	var evs []*event
	for _, ev := range w.events {
		if !ev.acked && ev.running == 0 && !ev.lost && !ev.held {
			evs = append(evs, ev)
		}
	}
	return evs
}

// carried is a question whether all events that are there now have been
// acknowledged, or are with an invocation that stalls.
func (w *World) carried() func() bool {
	until := -1
	return func() bool {
		if until < 0 {
			until = len(w.events)
		}
		for _, ev := range w.events[:until] {
			if !ev.acked && !ev.lost && !ev.held && !w.stalls(ev) {
				return false
			}
		}
		return true
	}
}

// stalls reports whether an invocation that works on ev has a request that stalls.
func (w *World) stalls(ev *event) bool {
	for _, r := range w.pending {
		if r.stalled && slices.Contains(r.task.events, ev) {
			return true
		}
	}
	return false
}

// until asks the world until the answer is yes.
func (w *World) until(ctx context.Context, name string, yes func() bool) error {
	for {
		ok := false
		if err := w.do(ctx, &request{name: name, instant: true, effect: func() error { ok = yes(); return nil }}); err != nil {
			return err
		}
		if ok {
			return nil
		}
		if err := store.Sleep(ctx, 300*time.Millisecond); err != nil {
			return err
		}
	}
}

// tell does something to the world at once, in the name of a task.
func (w *World) tell(ctx context.Context, name string, f func()) error {
	return w.do(ctx, &request{name: name, instant: true, effect: func() error { f(); return nil }})
}

// journalAfter notes keys when they have been synced.
type journalAfter struct{ *follow.Follower }

func (journalAfter) Begin(context.Context, []string) error { return nil }

func (j journalAfter) Sync(ctx context.Context, key string, hint replicate.Hint) (replicate.Result, error) {
	res, err := j.Follower.Sync(ctx, key, hint)
	if jerr := j.Follower.Begin(ctx, []string{key}); err == nil {
		err = jerr
	}
	return res, err
}
