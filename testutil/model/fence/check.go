package fence

import (
	"slices"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// issue notes what a request was permitted by when it was sent.
func (w *World) issue(r *request) {
	p := r.task.proc
	if p != nil && p.state.Run != nil && p.state.Journals() && (r.task.noted == p.state.Run.ID || w.cfg.Weak == JournalAfter) {
		r.run = p.state.Run.ID
	}
	r.task.begun = r.task.begun || r.end != nil && r.end != w.ctl
	if !r.write || r.end == nil || r.end == w.ctl || p == nil || p.direction == "" || strings.HasPrefix(r.key, store.ControlPrefix) {
		return
	}
	last := r.task.last
	asked := last != nil && last.end == w.ctl && last.key == control.StateKey(migration)
	switch {
	case r.end.side != p.direction.To():
		w.breaks(fenced, r.key, "a %s writes on the %s", p.direction, r.end.side)
	case !p.state.MayWrite(p.direction):
		w.breaks(fenced, r.key, "%s sends a write, and knows that it must not: %s, revision %d", r.task.name, p.state.Phase, p.state.Revision)
	case !asked && (!p.state.Steady() || time.Since(p.readAt) >= lease):
		w.breaks(fenced, r.key, "%s sends a write by a state that it read %v ago: %s, revision %d", r.task.name, time.Since(p.readAt), p.state.Phase, p.state.Revision)
	}
}

// learned notes what a process knows when it has had its answer.
func (w *World) learned(r *request) {
	if p := r.task.proc; p != nil && r.end == w.ctl && r.key == control.StateKey(migration) && r.name == "open" && r.err == nil {
		p.state, p.readAt = w.state, time.Now()
	}
}

// wroteControl follows the control store.
func (w *World) wroteControl(t *task, key string, fresh *object) error {
	switch {
	case key == control.StateKey(migration):
		next, err := control.ParseState(fresh.body)
		if err != nil {
			return err
		}
		w.checkState(w.state, next)
		w.state = next
		w.note("the migration is %s, epoch %d, revision %d, authority %s", next.Phase, next.Epoch, next.Revision, next.Authority)
	case strings.Contains(key, "/journal/") && t != nil:
		for _, ev := range t.events {
			if w.state.Run != nil {
				ev.journaled, t.noted = w.state.Run.ID, w.state.Run.ID
			}
		}
	}
	return nil
}

// checkState judges a change of the control object.
func (w *World) checkState(was, is control.State) {
	if was.Format == 0 {
		return
	}
	switch {
	case is.Revision != was.Revision+1:
		w.breaks(turned, "", "revision %d after %d", is.Revision, was.Revision)
	case is.Phase == control.Switching && was.Phase != control.Switching && is.Epoch <= was.Epoch:
		w.breaks(turned, "", "the authority is about to change, and the epoch stays %d", is.Epoch)
	case is.Authority != was.Authority && was.Phase != control.Switching:
		w.breaks(turned, "", "the authority changes from phase %s", was.Phase)
	case is.Authority != was.Authority && w.app.side != is.Authority:
		w.breaks(turned, "", "the %s becomes the authority, and the application uses the %s", is.Authority, w.app.side)
	}
	if is.Phase == control.Switching && was.Phase != control.Switching {
		w.switchedAt = w.step
	}
}

// front is the side that the application uses, or is about to.
func (w *World) front() control.Side {
	if w.state.Phase == control.Switching {
		return w.state.Run.Turn.To
	}
	return w.app.side
}

// checkWrite judges what a task writes over cur at the moment it takes effect.
// fresh is nil for a delete.
func (w *World) checkWrite(e *end, r *request, cur, fresh *object) {
	if w.quiet && !equal(cur, fresh) {
		w.breaks(looped, r.key, "%s though it was in order", r)
	}
	if e.side == w.front() {
		w.checkFront(e, r, cur, fresh)
	} else {
		w.checkBack(r, cur, fresh)
	}
}

// checkFront judges a write on the side that the application uses.
func (w *World) checkFront(e *end, r *request, cur, fresh *object) {
	record := w.app.record[r.key]
	if r.task.proc.direction == "" { // the sweep, or resolve
		if record.is(cur) && !record.is(fresh) && !w.recurred[r.key] {
			w.breaks(swept, r.key, "%s: %v replaced by %v, and the application wrote the former", r, cur, fresh)
		}
		return
	}
	if r.issued > w.switchedAt {
		w.breaks(fenced, r.key, "%s was sent at step %d, after the switch at step %d", r, r.issued, w.switchedAt)
		return
	}
	w.landed++
	w.Stats["stragglers"]++
	switch {
	case equal(cur, fresh) && (e.etags || w.flickers[r.key]):
		w.Stats["stragglers that change nothing"]++
		w.recurred[r.key] = w.recurred[r.key] || cur != nil && cur.by == byApp
	case r.cond.Absent && cur == nil:
		w.Stats["stragglers that create"]++
		w.excused[r.key] = "created by a straggler"
		// In the second in which it was verified, on S3, nothing tells it from that.
		w.recurred[r.key] = w.recurred[r.key] || e.etags && w.verified.Is(e.side, &fresh.Object)
	case (e.etags || w.flickers[r.key]) && r.cond.Match != "":
		w.Stats["stragglers by a version that recurred"]++
		w.excused[r.key] = "replaced by a straggler, for the version recurred"
		w.recurred[r.key] = true
	default:
		w.breaks(view, r.key, "%s: a straggler's write was not refused: %v over %v", r, fresh, cur)
	}
}

// checkBack judges a write on the side that the application does not use: what
// someone wrote there is not destroyed unless it is, or was, elsewhere.
func (w *World) checkBack(r *request, cur, fresh *object) {
	if w.verifying && !r.task.operator && (r.cond.Absent && cur == nil || r.end.etags && r.cond.Match != "") {
		w.after[r.key] = "written by a straggler after it was verified"
		w.recurred[r.key] = w.recurred[r.key] || r.cond.Match != "" && !equal(cur, fresh)
	}
	if cur == nil || equal(cur, fresh) || w.recurred[r.key] {
		return
	}
	v := valueOf(cur)
	authority := w.ends[w.front()].objects[r.key]
	record := w.app.record[r.key]
	switch {
	case v.is(authority) || w.isKept(r.key, v):
	case r.end.etags && w.isKept(r.key, &value{body: v.body, attrs: anyAttrs}):
		// Of what differs in its attributes only, on S3 one is kept: they have
		// one version.
	case cur.by == byLate && !w.shown[w.front()][r.key+v.String()]:
		w.breaks(lateKept, r.key, "%s: the late %v is replaced by %v, and is not kept", r, cur, fresh)
	case cur.by == byApp && record != nil && *v == *record:
		w.breaks(wayBack, r.key, "%s: %v, the last that the application wrote, is replaced by %v and is nowhere else", r, cur, fresh)
	}
}

// checkView judges what the application sees of a key.
func (w *World) checkView(key, why string) {
	cur, record := w.ends[w.app.side].objects[key], w.app.record[key]
	if record.is(cur) {
		if w.front() == w.app.side {
			delete(w.excused, key)
		}
		return
	}
	if w.excused[key] == "" && !w.maybe(key, cur) && !w.recurred[key] {
		w.breaks(view, key, "%s: the application sees %v, and wrote %v", why, cur, record)
	}
}

func (w *World) maybe(key string, o *object) bool {
	return slices.ContainsFunc(w.app.maybe[key], func(v *value) bool { return v.is(o) })
}

// moved judges what the application finds where it was told to go on.
func (w *World) moved() {
	for _, ev := range w.events {
		if (ev.lost || ev.held) && !ev.acked && ev.direction == control.Away(w.app.side.Other()) {
			if !w.app.record[ev.key].is(w.ends[w.app.side].objects[ev.key]) {
				w.excused[ev.key] = "its event did not come in time"
				w.Stats["keys whose event did not come"]++
			}
		}
	}
	for _, key := range w.app.keys {
		if why := w.after[key]; why != "" && !w.app.record[key].is(w.ends[w.app.side].objects[key]) {
			w.excused[key] = why
			w.Stats["stragglers in the freeze"]++
		}
		w.checkView(key, "as it moves")
	}
	w.Stats["moves"]++
}

// drained reports whether each event from before the application held has come
// to an invocation, but for those that do not come: so much is known when the
// barriers have come through.
func (w *World) drained() bool {
	for _, ev := range w.events {
		if ev.direction == control.Away(w.app.side) && ev.at <= w.left && !ev.acked && !ev.lost && !ev.held && !w.begunWith(ev) {
			return false
		}
	}
	return true
}

// begunWith reports whether an invocation has begun with ev, and noted it if it
// was to.
func (w *World) begunWith(ev *event) bool {
	return w.state.Run != nil && ev.journaled == w.state.Run.ID ||
		slices.ContainsFunc(w.live, func(t *task) bool { return t.begun && slices.Contains(t.events, ev) })
}

func (w *World) noStalls() bool {
	return !slices.ContainsFunc(w.pending, func(r *request) bool { return r.stalled })
}

// noOlderStalls reports whether nothing stalls that was permitted before the
// announcement of the run under way.
func (w *World) noOlderStalls() bool {
	return !slices.ContainsFunc(w.pending, func(r *request) bool {
		return r.stalled && (w.state.Run == nil || r.run != w.state.Run.ID)
	})
}

// marked is when the operator has written a barrier to a side: in the freeze, the
// application is about to leave that.
func (w *World) marked(side control.Side) {
	if w.state.Phase == control.Frozen && side == w.app.side {
		w.leaving, w.left = true, w.step
	}
}

// checkEnd judges what is there when nothing moves any more.
func (w *World) checkEnd() {
	s := w.state
	switch {
	case !s.Steady() || s.Run != nil:
		w.breaks(turned, "", "it ends in phase %s", s.Phase)
	case w.app.held:
		w.breaks(turned, "", "the application is still held")
	case s.Authority != w.app.side:
		w.breaks(turned, "", "the authority is the %s, and the application uses the %s", s.Authority, w.app.side)
	}
	for _, key := range w.app.keys {
		cur, other, record := w.ends[w.app.side].objects[key], w.ends[w.app.side.Other()].objects[key], w.app.record[key]
		switch {
		case w.recurred[key]:
		case !record.is(cur) && !w.maybe(key, cur) && !w.isKept(key, record):
			w.breaks(swept, key, "in the end the application sees %v, and wrote %v (%s)", cur, record, w.excused[key])
		case !equal(cur, other):
			w.breaks(wayBack, key, "in the end the other side has %v, and the authority %v", other, cur)
		}
	}
}
