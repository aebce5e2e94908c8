package fence

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// value is what the application wrote.
type value struct {
	body  string
	attrs string // Cache-Control
}

// application writes to the side that it was told, and remembers what it wrote.
type application struct {
	w     *World
	keys  []string
	side  control.Side
	held  bool
	epoch int64 // of the last hook: an older one is refused

	record  map[string]*value   // the last acknowledged write of each key; nil: deleted, or never there
	past    map[string][]value  // what each key was
	seconds map[string]bool     // what each key was, and in which second
	maybe   map[string][]*value // written where the application was just leaving: either may be seen
}

// is reports whether o is just v.
func (v *value) is(o *object) bool {
	if v == nil || o == nil {
		return v == nil && o == nil
	}
	return v.body == string(o.body) && (v.attrs == o.CacheControl || v.attrs == anyAttrs)
}

// anyAttrs is what matches all attributes.
const anyAttrs = "*"

func valueOf(o *object) *value {
	if o == nil {
		return nil
	}
	return &value{string(o.body), o.CacheControl}
}

func (v *value) String() string {
	if v == nil {
		return "nothing"
	}
	return fmt.Sprintf("%q %s", v.body, v.attrs)
}

// Change is one by the application.
type Change uint8

// The changes.
const (
	Write      Change = iota // other bytes
	Delete                   // the key
	Again                    // just what the key once was
	Attributes               // other ones of the same bytes
	Touch                    // the same bytes and attributes once more
)

var changeNames = [...]string{"write", "delete", "again", "attributes", "touch"}

func (c Change) String() string { return changeNames[c] }

// possible lists what can be done to a key.
func (a *application) possible(key string, on control.Side) []Change {
	all := []Change{Write}
	if on != a.side && a.w.ends[on].etags {
		// Where a late write leaves the version as it was, no condition tells it
		// from what was there.
		if a.w.ends[on].objects[key] != nil {
			all = append(all, Delete)
		}
		return all
	}
	if a.w.ends[on].objects[key] != nil {
		all = append(all, Delete, Attributes, Touch)
	}
	if len(a.past[key]) > 0 {
		all = append(all, Again)
	}
	return all
}

// change changes a key on a side. It is an acknowledged write of the
// application's, unless by says that it came too late.
func (a *application) change(key string, c Change, on control.Side, by author) {
	w := a.w
	e := w.ends[on]
	cur := e.objects[key]
	w.counter++
	v := &value{fmt.Sprintf("%04d", w.counter), fmt.Sprintf("n=%d", w.counter)}
	switch c {
	case Delete:
		v = nil
	case Again:
		if by == byApp {
			past := a.past[key]
			v = &past[w.choose.Choose(len(past))]
		}
	case Attributes:
		v.body = string(cur.body)
	case Touch:
		v = &value{string(cur.body), cur.CacheControl}
	case Write:
	}
	if e.etags {
		// What comes back within the second looks as if it had never been away.
		now := fmt.Sprintf("%s %v %d", key, v, e.clock().Unix())
		w.flickers[key] = w.flickers[key] || a.seconds[now]
		a.seconds[now] = true
	}
	who := "the application"
	if by == byLate {
		who = "a forgotten writer"
	}
	w.note("%s on the %s: %s of %s, %v over %v", who, on, c, key, v, cur)
	if cur != nil && cur.by == byLate && by == byApp {
		w.note("and so it loses a late write")
	}
	if v == nil {
		e.change(key, nil)
	} else {
		e.change(key, e.make(key, []byte(v.body), store.Attrs{CacheControl: v.attrs}, by))
		if by == byApp && !slices.Contains(a.past[key], *v) {
			a.past[key] = append(a.past[key], *v)
		}
	}
	switch {
	case by == byLate:
		w.forgot[key] = true
	case a.leaving(on):
		// Without a freeze, what is written while the run makes sure of what is
		// there is carried or kept.
		a.maybe[key] = append(a.maybe[key], a.record[key], v)
		a.record[key] = v
		if o := e.objects[key]; o != nil {
			o.by = byLate
		}
	default:
		a.record[key] = v
		delete(a.maybe, key)
		delete(w.excused, key)
	}
}

// leaving reports whether the side is about to be left.
func (a *application) leaving(on control.Side) bool {
	return a.w.leaving && a.side == on
}

// hold stops the application.
func (a *application) hold(epoch int64) bool {
	if epoch < a.epoch {
		return false
	}
	a.epoch, a.held = epoch, true
	a.w.note("the application holds")
	return true
}

// move tells it where to go on.
func (a *application) move(side control.Side, epoch int64) bool {
	if epoch < a.epoch {
		a.w.note("the application refuses a hook of epoch %d, after %d", epoch, a.epoch)
		return false
	}
	was := a.side
	a.epoch, a.side, a.held = epoch, side, false
	if was == side && a.w.leaving {
		for _, o := range a.w.ends[side].objects {
			o.by = byApp // it stays, so nothing there is late
		}
	}
	a.w.leaving, a.w.verifying = false, false
	a.w.note("the application goes on at the %s", side)
	if was != side {
		a.w.moved()
	}
	clear(a.w.after)
	return true
}

// equal reports whether two objects are of the same bytes and attributes.
func equal(a, b *object) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.body, b.body) && a.CacheControl == b.CacheControl
}
