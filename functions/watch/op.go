package watch

import (
	"strings"

	"github.com/fsnotify/fsnotify"
)

// op is what happened to a name, as far as that makes a difference.
type op uint8

const (
	created op = 1 << iota
	changed
	removed
	found // by a look at a directory
)

// then is p followed by o: of created and removed the later one holds.
func (p op) then(o op) op {
	switch {
	case o&removed != 0:
		p &^= created
	case o&created != 0:
		p &^= removed
	}
	return p | o
}

func (p op) String() string {
	var names []string
	for _, n := range []struct {
		bit  op
		name string
	}{{found, "found"}, {created, "created"}, {changed, "changed"}, {removed, "removed"}} {
		if p&n.bit != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, "+")
}

// opOf translates what the system tells.
func opOf(o fsnotify.Op) op {
	var p op
	if o.Has(fsnotify.Create) {
		p |= created
	}
	if o.Has(fsnotify.Write) || o.Has(fsnotify.Chmod) { // attributes are kept in the file
		p |= changed
	}
	if o.Has(fsnotify.Remove) || o.Has(fsnotify.Rename) {
		p |= removed
	}
	return p
}
