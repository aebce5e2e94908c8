package model

import (
	"fmt"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// Limits of a run. Reaching the first means that it does not come to rest.
const (
	maxSteps = 1000
	maxTasks = 4
)

// Draw chooses the world of a run.
func Draw(c Chooser) Config {
	pick := func(n int) int { return c.Choose(n) }
	flag := func() bool { return c.Choose(2) == 1 }
	cfg := Config{
		Keys:         1 + []int{0, 0, 1}[pick(3)],
		Source:       []Versions{Unique, Recurring, Kept}[pick(3)],
		Target:       []Versions{Unique, Unique, Recurring, Unbound}[pick(4)],
		SilentSource: flag(), SilentTarget: flag(), Updates: flag(), Shared: flag(),
		BodySteps: flag(), Reverse: pick(4) == 3,
		SmallBytes: []int64{100, -1, 5}[pick(3)],
		Attempts:   []int{8, 2}[pick(2)],
		Policy: replicate.Policy{
			Deletes: pick(3) != 2,
			Foreign: []replicate.Foreign{replicate.KeepForeign, replicate.AdoptForeign, replicate.OverwriteForeign}[pick(3)],
		},
		Changes: 1 + pick(6), Faults: pick(4), Duplicates: pick(3), Ticks: pick(3),
	}
	// A server without conditions cannot guard what is foreign. In the other
	// direction what is foreign here is something new, and is copied.
	if cfg.Target != Unbound && !cfg.Reverse {
		cfg.Foreign = pick(3)
	}
	return cfg
}

// Run runs one schedule in the world cfg. Failure and Schedule tell the rest.
func Run(cfg Config, c Chooser) *World {
	w := newWorld(cfg, c)
	w.lastHints = []replicate.Hint{replicate.HintNone, replicate.HintNew, replicate.HintRemoved}
	for _, k := range w.keys {
		switch c.Choose(3) {
		case 1:
			w.changeKey(k)
			w.settle()
		case 2:
			w.changeKey(k)
		}
	}
	for w.broken == "" {
		acts := w.actions()
		if len(acts) == 0 {
			break
		}
		acts[c.Choose(len(acts))]()
		if w.step > maxSteps {
			w.breaks(1, "", "no rest after %d steps", maxSteps)
		}
	}
	w.finish()
	return w
}

// Failure says which invariant broke and how, or "".
func (w *World) Failure() string { return w.broken }

// Steps is the number of requests that were scheduled.
func (w *World) Steps() int { return w.step }

// actions lists what may happen next, the calmest first. What happens mostly is
// listed more than once.
func (w *World) actions() []func() {
	var acts []func()
	for range 2 {
		for _, t := range w.tasks {
			acts = append(acts, func() { w.release(t, outcome{}) })
		}
	}
	if waiting := w.waiting(); len(waiting) > 0 && len(w.tasks) < maxTasks {
		acts = append(acts, func() { w.deliver(waiting[w.choose.Choose(len(waiting))]) })
	}
	spend := func(left *int, possible bool, act func()) {
		if *left > 0 && possible {
			acts = append(acts, func() { *left--; w.step++; act() })
		}
	}
	spend(&w.cfg.Changes, true, func() { w.changeKey(w.anyKey()) })
	spend(&w.cfg.Duplicates, len(w.events) > 0 && len(w.tasks) < maxTasks, func() {
		w.deliver(w.events[w.choose.Choose(len(w.events))])
	})
	spend(&w.cfg.Foreign, true, func() { w.meddle(w.anyKey()) })
	spend(&w.cfg.Ticks, len(w.tasks) > 0, func() { w.tick() })
	spend(&w.cfg.Faults, len(w.tasks) > 0, func() {
		t := w.tasks[w.choose.Choose(len(w.tasks))]
		outs := w.outcomes(t)
		w.release(t, outs[w.choose.Choose(len(outs))])
	})
	if len(w.late) > 0 {
		acts = append(acts, w.land)
	}
	return acts
}

func (w *World) anyKey() string { return w.keys[w.choose.Choose(len(w.keys))] }

func (w *World) tick() {
	w.clock++
	w.note(line{text: "a second passes"})
}

// land lets a request of a dead Sync take effect.
func (w *World) land() {
	w.step++
	f := w.late[0]
	w.late = w.late[1:]
	f()
}

// waiting lists the events that nobody works on.
func (w *World) waiting() []*event {
	var evs []*event
	for _, ev := range w.events {
		if !ev.acked && ev.running == 0 {
			evs = append(evs, ev)
		}
	}
	return evs
}

// deliver begins a Sync with the event's own hint, or with a wrong one.
func (w *World) deliver(ev *event) {
	hint := ev.hint
	if h := w.choose.Choose(4); h > 0 {
		hint = replicate.Hint(h - 1)
	}
	w.begin(ev, hint)
}

// changeKey changes the source in some way, which is an event.
func (w *World) changeKey(key string) {
	cur := w.state(key)
	var earlier []*state
	for _, s := range w.history[key] {
		if !s.gone {
			earlier = append(earlier, s)
		}
	}
	w.counter++
	attrs := store.Attrs{CacheControl: fmt.Sprintf("n=%d", w.counter)}
	hint := replicate.HintNew
	ways := []func(){
		func() { w.write(key, fmt.Appendf(nil, "%04d", w.counter), attrs) },
	}
	if len(earlier) > 0 {
		ways = append(ways, func() { // exactly as it once was
			old := earlier[w.choose.Choose(len(earlier))]
			w.write(key, old.body, old.obj.Attrs)
		})
	}
	if !cur.gone {
		ways = append(
			ways,
			func() { w.remove(key); hint = replicate.HintRemoved },
			func() { w.write(key, cur.body, attrs); hint = replicate.HintNone },
			func() { w.write(key, fmt.Appendf(nil, "%04d", w.counter), cur.obj.Attrs) },
		)
	}
	ways = append(
		ways,
		func() { w.write(key, fmt.Appendf(nil, "%08d", w.counter), attrs) },
		func() { w.write(key, nil, attrs) },
	)
	ways[w.choose.Choose(len(ways))]()
	w.events = append(w.events, &event{key: key, hint: hint})
}

// meddle is a foreigner at the target.
func (w *World) meddle(key string) {
	w.meddled[key] = true
	cur, s := w.target[key], w.state(key)
	put := func(body []byte, attrs store.Attrs) {
		o := w.newObject(key, body, attrs)
		o.foreign = true
		w.target[key] = o
		w.note(line{text: fmt.Sprintf("target: a foreigner writes %s, %s", key, w.seen(o))})
	}
	w.counter++
	ways := []func(){
		func() { put(fmt.Appendf(nil, "f%03d", w.counter), store.Attrs{}) },
	}
	if cur != nil {
		ways = append(ways,
			func() {
				delete(w.target, key)
				w.note(line{text: fmt.Sprintf("target: a foreigner deletes %s", key)})
			},
			func() { put(cur.body, store.Attrs{CacheControl: "theirs"}) },
		)
		// Other bytes of the same size under our stamp are known only where the
		// stamp has a checksum, and the target tells one.
		if stamp, err := replicate.ParseStamp(cur.Metadata[replicate.StampName]); err == nil && stamp.Sums.Comparable(cur.Checksums) && len(cur.body) > 0 {
			ways = append(ways, func() { put(fmt.Appendf(nil, "g%0*d", len(cur.body)-1, w.counter), cur.Attrs) })
		}
	}
	if !s.gone {
		ways = append(ways,
			func() { put(s.body, s.obj.Attrs) },
			func() { put(s.body, store.Attrs{CacheControl: "theirs"}) },
		)
	}
	ways[w.choose.Choose(len(ways))]()
}

// settle runs all Syncs to their ends and delivers what was not acknowledged,
// in order and with nothing going wrong.
func (w *World) settle() {
	for len(w.late) > 0 {
		w.land()
	}
	for i := 0; w.broken == ""; i++ {
		waiting := w.waiting()
		switch {
		case i > maxSteps:
			w.breaks(1, "", "events are never acknowledged")
		case len(w.tasks) > 0:
			w.release(w.tasks[0], outcome{})
		case len(waiting) > 0:
			w.begin(waiting[0], waiting[0].hint)
		default:
			return
		}
	}
}

// finish settles the run and judges its end.
func (w *World) finish() {
	defer w.abandon()
	w.settle()
	for _, k := range w.keys {
		if w.broken == "" && !w.meddled[k] {
			w.checkEnd(k)
		}
	}
	// What a foreigner does is no event: the next repair looks at it.
	for _, k := range w.keys {
		if w.broken == "" && w.meddled[k] {
			w.again(k, replicate.HintNone)
			w.checkEnd(k)
		}
	}
	w.quiet = true
	for _, k := range w.keys {
		for _, hint := range w.lastHints {
			// Without conditions a creation is not refused.
			if w.broken == "" && (w.cfg.Target != Unbound || hint != replicate.HintNew) {
				w.again(k, hint)
				w.checkEnd(k)
			}
		}
	}
}

// again runs one Sync with nothing going wrong.
func (w *World) again(key string, hint replicate.Hint) {
	w.events = append(w.events, &event{key: key, hint: hint})
	w.settle()
}

// abandon ends the coroutines of a run that broke.
func (w *World) abandon() {
	for len(w.tasks) > 0 {
		w.tasks[0].dead = true
		w.tasks[0].cancel()
		w.release(w.tasks[0], outcome{fault: killed})
	}
}
