package fence

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// after is what follows a turn: when the invocations that the platform bounds
// have ended, the sweep; when no machine is paused any more, and one was, another
// as of finish; and a person who settles what was kept.
func (o *operator) after(ctx context.Context) error {
	if o.held.Turn == nil {
		return nil
	}
	if err := store.Sleep(ctx, timeout); err != nil {
		return err
	}
	for {
		if err := o.sweep(ctx); err != nil {
			return err
		}
		again := false
		if err := o.w.tell(ctx, "swept", func() { again = o.w.sweptTo() }); err != nil {
			return err
		}
		if !again {
			break
		}
		if err := o.w.until(ctx, "no stalls", o.w.noStalls); err != nil {
			return err
		}
	}
	return o.resolve(ctx)
}

// sweep is the real one, until it has done all it wanted.
func (o *operator) sweep(ctx context.Context) error {
	if err := o.w.tell(ctx, "sweep", func() {
		o.t.proc = &process{}
		o.w.landed, o.w.sweeping = 0, true
		o.w.note("the sweep begins")
	}); err != nil {
		return err
	}
	for {
		out, err := o.w.engine(o.t).Sweep(ctx)
		if err == nil && out.Failed == 0 {
			return nil
		}
		if err := store.Sleep(ctx, settle); err != nil {
			return err
		}
	}
}

// sweptTo judges what the sweep has left, and reports whether another is needed:
// for something came under way or is still to come.
func (w *World) sweptTo() (again bool) {
	w.note("the sweep is over")
	w.sweeping = false
	w.Stats["sweeps"]++
	if w.landed > 0 || !w.noStalls() {
		return true
	}
	for key, why := range w.excused {
		cur := w.ends[w.app.side].objects[key]
		if w.app.record[key].is(cur) {
			delete(w.excused, key)
		} else if !w.isKept(key, w.app.record[key]) && !w.recurred[key] {
			w.breaks(swept, key, "%s: after the sweep the application sees %v, and wrote %v", why, cur, w.app.record[key])
		}
	}
	return false
}

// resolve is a person who applies what is kept and is the application's last
// word, and drops the rest.
func (o *operator) resolve(ctx context.Context) error {
	w := o.w
	for {
		e := w.engine(o.t)
		late, err := e.Late(ctx)
		if err == nil && len(late) == 0 {
			return nil
		}
		for _, l := range late {
			action := cutover.Drop
			var kept *value
			if err := w.tell(ctx, "resolve", func() {
				w.resolving = l.Key // the application is told to leave it alone
				v := w.app.record[l.Key]
				kept = valueOf(w.lateObject(l))
				if v.is(w.lateObject(l)) && !v.is(w.ends[w.app.side].objects[l.Key]) {
					action = cutover.Apply
				}
				w.note("%s is to be resolved: %s", l.Key, action)
			}); err != nil {
				return err
			}
			_, err := e.Resolve(ctx, l.ID, action)
			if err := w.tell(ctx, "resolved", func() {
				w.resolving = ""
				if err == nil {
					w.dropped[l.Key+kept.String()] = true
					if kept != nil {
						w.dropped[l.Key+(&value{kept.body, anyAttrs}).String()] = true
					}
				}
			}); err != nil {
				return err
			}
		}
		if err := store.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// lateEntries are those in the control store.
func (w *World) lateEntries() []control.Late {
	var all []control.Late
	for key, o := range w.ctl.objects {
		if strings.Contains(key, "/late/") && strings.HasSuffix(key, ".json") {
			var l control.Late
			if json.Unmarshal(o.body, &l) == nil {
				all = append(all, l)
			}
		}
	}
	return all
}

// lateObject is what an entry keeps; nil for a delete.
func (w *World) lateObject(l control.Late) *object {
	if l.Removed {
		return nil
	}
	body := w.ctl.objects[control.Prefix(migration)+"late/"+l.ID+".body"]
	if body == nil {
		return &object{body: []byte("lost")}
	}
	o := &object{body: body.body}
	o.Attrs = l.Attrs
	return o
}

// isKept reports whether a value of a key is kept for resolve, or was.
func (w *World) isKept(key string, v *value) bool {
	for _, l := range w.lateEntries() {
		if l.Key == key && v.is(w.lateObject(l)) {
			return true
		}
	}
	return w.dropped[key+v.String()]
}
