package follow_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/replicate/control"
)

// Over to the target, back, and over again, with the application writing and
// deleting on whichever side is the authority: each time both sides are equal,
// and nothing is kept, for nothing was late.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carrying).begin()
	keys := []string{"stays", "overwritten", "deleted", "comes and goes"}
	for _, key := range keys {
		w.put(w.src, key, "0")
		w.sync(w.forward, key)
	}
	authority := control.Source
	for i := 1; i <= 4; i++ {
		authority = authority.Other()
		w.turn(authority, keys...)
		st := w.side(authority)
		w.put(st, "overwritten", fmt.Sprint(i))
		w.put(st, fmt.Sprint("new ", i), fmt.Sprint(i))
		if i%2 == 1 {
			w.remove(st, "comes and goes")
			w.remove(st, "deleted")
		} else {
			w.put(st, "comes and goes", fmt.Sprint(i))
		}
		keys = append(keys, fmt.Sprint("new ", i))
		// The events of the one side's changes, and those that the copies cause on
		// the other.
		for range 2 {
			for _, key := range keys {
				w.sync(w.away(authority), key)
				w.sync(w.away(authority.Other()), key)
			}
		}
		for _, key := range keys {
			body := w.body(st, key)
			w.want(key, body, body)
		}
	}
	if body := w.body(w.src, "stays") + w.body(w.src, "overwritten") + w.body(w.src, "comes and goes") + w.body(w.src, "deleted"); body != "044" {
		t.Errorf("%q", body)
	}
	if got := w.kept(); len(got) > 0 {
		t.Errorf("kept %q", got)
	}
}

// history is a random one: the application writes on the authority, somebody who
// has not heard of the turn on the other side, and events come at any time, in
// any order, twice.
type history struct {
	*world
	authority control.Side
	keys      []string
	owed      map[string]bool   // "side key" of events under way
	wrote     map[string]string // by the application, by key
	late      map[string]bool   // "side key body" of late writes that nobody overwrote unseen
}

func (h *history) deliver(id string) {
	var side control.Side
	var key string
	if _, err := fmt.Sscan(id, &side, &key); err != nil {
		h.t.Fatal(err)
	}
	src, dst := h.version(h.src, key), h.version(h.dst, key)
	h.sync(h.away(side), key)
	if h.version(h.src, key) != src {
		h.owed["source "+key] = true
	}
	if h.version(h.dst, key) != dst {
		h.owed["target "+key] = true
	}
}

// settle delivers all events, and those that they cause.
func (h *history) settle() {
	for range 4 { // a change, its copy, and that one's
		ids := slices.Sorted(maps.Keys(h.owed))
		clear(h.owed)
		for _, id := range ids {
			h.deliver(id)
		}
	}
	if len(h.owed) > 0 {
		h.t.Fatalf("events do not end: %v", h.owed)
	}
	// What had no event of its own, as the engine's comparison would.
	for _, key := range h.keys {
		h.sync(h.away(h.authority), key)
	}
	clear(h.owed)
}

// write puts body, or deletes where it is "", on a side.
func (h *history) write(side control.Side, key, body string) {
	st := h.side(side)
	if side == h.authority {
		h.wrote[key] = body
	} else {
		delete(h.late, fmt.Sprint(side, " ", key, " ", h.body(st, key)))
		if body != "" {
			h.late[fmt.Sprint(side, " ", key, " ", body)] = true
		}
	}
	if body == "" {
		h.remove(st, key)
	} else {
		h.put(st, key, body)
	}
	h.owed[string(side)+" "+key] = true
}

// The authority has what the application wrote, whatever came late; the other
// side is equal to it in the end; and of the late writes each is kept but those
// that another late one overwrote before anyone saw them.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{
			world: newWorld(t, carrying).begin(), authority: control.Source, keys: []string{"a", "b"},
			owed: map[string]bool{}, wrote: map[string]string{}, late: map[string]bool{},
		}
		turned := false
		for i := range rapid.IntRange(1, 20).Draw(rt, "steps") {
			key, body := rapid.SampledFrom(h.keys).Draw(rt, "key"), fmt.Sprint(i)
			if rapid.IntRange(0, 3).Draw(rt, "delete") == 0 {
				body = ""
			}
			switch what := rapid.IntRange(0, 8).Draw(rt, "what"); {
			case what < 3:
				h.write(h.authority, key, body)
			case what < 5 && turned:
				h.write(h.authority.Other(), key, body)
			case what < 8 && len(h.owed) > 0:
				id := rapid.SampledFrom(slices.Sorted(maps.Keys(h.owed))).Draw(rt, "event")
				if !rapid.Bool().Draw(rt, "twice") {
					delete(h.owed, id)
				}
				h.deliver(id)
			case what == 8:
				h.settle()
				h.authority, turned = h.authority.Other(), true
				h.turn(h.authority, h.keys...)
			}
		}
		h.settle()
		kept := h.kept()
		for _, key := range h.keys {
			now, other := h.body(h.side(h.authority), key), h.body(h.side(h.authority.Other()), key)
			if now != h.wrote[key] || other != now {
				rt.Errorf("%s: the application wrote %q, the authority has %q and the other side %q", key, h.wrote[key], now, other)
			}
		}
		for l := range h.late {
			if !slices.Contains(kept, l) {
				rt.Errorf("the late write %q is lost, kept are %q", l, kept)
			}
		}
	})
}
