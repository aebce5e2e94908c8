package model

import (
	"fmt"
	"strings"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// line is one of the schedule. It is put into words only when someone reads it.
type line struct {
	step int
	text string
	task *task
	end  bool
	req  *request
	out  outcome
	err  error

	answer store.Version
}

func (w *World) note(l line) {
	l.step = w.step
	w.lines = append(w.lines, l)
}

// Schedule is the run in words, one line a step.
func (w *World) Schedule() string {
	var b strings.Builder
	fmt.Fprintf(&b, "world: %v\n", w.cfg)
	for _, l := range w.lines {
		fmt.Fprintf(&b, "%4d  %s\n", l.step, l)
	}
	return b.String()
}

var hints = [...]string{"none", "new", "removed"}

func (l line) String() string {
	if l.task == nil {
		return l.text
	}
	who := fmt.Sprintf("sync %d", l.task.id)
	if l.task.ev.reverse {
		who = fmt.Sprintf("sync back %d", l.task.id)
	}
	switch {
	case l.req != nil:
		return fmt.Sprintf("%s: %s%s", who, l.req, outcomeText(l))
	case !l.end:
		return fmt.Sprintf("%s %s: key %s, hint %s", who, l.text, l.task.ev.key, hints[l.task.hint])
	case l.task.dead:
		return who + " is dead"
	case l.task.err != nil:
		return fmt.Sprintf("%s fails: %v", who, l.task.err)
	default:
		return fmt.Sprintf("%s ends and is acknowledged: %v, %s", who, l.task.res.Action, l.task.res.Reason)
	}
}

func (r *request) String() string {
	var b strings.Builder
	if r.onSource {
		b.WriteString("source ")
	} else {
		b.WriteString("target ")
	}
	b.WriteString(r.name + " " + r.key)
	if r.version != "" {
		fmt.Fprintf(&b, " pinned to %s", r.version)
	}
	if r.offset > 0 || r.length > 0 {
		fmt.Fprintf(&b, " bytes %d+%d", r.offset, r.length)
	}
	switch {
	case r.cond.Absent:
		b.WriteString(" if absent")
	case r.cond.Match != "":
		fmt.Fprintf(&b, " if %s", r.cond.Match)
	case r.write:
		b.WriteString(" without a condition")
	}
	return b.String()
}

func outcomeText(l line) string {
	var b strings.Builder
	if l.text != "" {
		b.WriteString(" " + l.text)
	}
	if l.out.fault != calm {
		b.WriteString(" [" + faultNames[l.out.fault] + "]")
	}
	switch {
	case l.err != nil:
		b.WriteString(": " + store.KindOf(l.err).String())
	case l.answer != "":
		fmt.Fprintf(&b, ": %s", l.answer)
	}
	return b.String()
}

// stampText is what a stamp says, briefly.
func stampText(o *object) string {
	s, err := replicate.ParseStamp(o.Metadata[replicate.StampName])
	if err != nil {
		return "no stamp"
	}
	return "stamped as " + string(s.Version)
}

// seen is what an answer showed.
func (w *World) seen(o *object) string {
	return fmt.Sprintf("%s %q, %s", o.Version, o.body, stampText(o))
}
