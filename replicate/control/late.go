package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// Late is a write that reached the side which was no longer the authority. It
// is kept until someone applies or drops it.
type Late struct {
	ID      string        `json:"id"`
	Key     string        `json:"key"`
	Side    Side          `json:"side"` // where it was written
	Epoch   int64         `json:"epoch"`
	Removed bool          `json:"removed,omitempty"` // it was a delete: there is no body
	Version store.Version `json:"version,omitempty"` // on that side
	Size    int64         `json:"size"`              // bytes
	ModTime time.Time     `json:"mod_time,omitzero"` // by the clock of that side's store
	Kept    time.Time     `json:"kept"`
	Why     string        `json:"why"`
	Attrs   store.Attrs   `json:"attrs"`

	Checksums store.Checksums `json:"checksums"` // as far as that side knew them
}

const maxLate = 64 << 10

// LateID names what is kept of one version of a key, the same in every process.
func LateID(side Side, key string, version store.Version) string {
	return digest(string(side) + "\x00" + key + "\x00" + string(version))
}

func (d *Documents) lateEntry(id string) string { return Prefix(d.Migration) + lateDir + id + ".json" }

func (d *Documents) lateBody(id string) string { return Prefix(d.Migration) + lateDir + id + ".body" }

// Keep keeps a late write. body is nil for a delete. What is kept already is
// kept once; the entry is written after the body.
func (d *Documents) Keep(ctx context.Context, l Late, body store.Content) error {
	l.ID = LateID(l.Side, l.Key, l.Version)
	if !l.Removed {
		_, err := d.store.Put(ctx, d.lateBody(l.ID), body, store.PutOptions{If: store.IfAbsent(), Checksums: l.Checksums.Cheapest()})
		if err != nil && store.KindOf(err) != store.Precondition {
			return err
		}
	}
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	_, err = d.store.Put(ctx, d.lateEntry(l.ID), store.Bytes(b), store.PutOptions{If: store.IfAbsent(), Attrs: jsonAttrs})
	if store.KindOf(err) == store.Precondition {
		return nil
	}
	return err
}

// LateWrites yields what is kept, in no particular order.
func (d *Documents) LateWrites(ctx context.Context) iter.Seq2[Late, error] {
	return func(yield func(Late, error) bool) {
		prefix := Prefix(d.Migration) + lateDir
		for name, err := range d.names(ctx, prefix, prefix) {
			if err != nil {
				yield(Late{}, err)
				return
			}
			id, isEntry := strings.CutSuffix(strings.TrimPrefix(name, prefix), ".json")
			if !isEntry {
				continue
			}
			l, err := d.LateWrite(ctx, id)
			if store.KindOf(err) == store.NotFound {
				continue // settled meanwhile
			}
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// LateWrite reads the entry of one.
func (d *Documents) LateWrite(ctx context.Context, id string) (Late, error) {
	if !idPattern.MatchString(id) {
		return Late{}, &store.Error{Op: "control", Key: id, Kind: store.Invalid, Err: errors.New("is no id of a late write")}
	}
	b, _, err := d.read(ctx, d.lateEntry(id), maxLate)
	if err != nil {
		return Late{}, err
	}
	var l Late
	if err := json.Unmarshal(b, &l); err != nil || l.ID != id || l.Key == "" {
		return Late{}, &store.Error{Op: "control", Key: d.lateEntry(id), Kind: store.Invalid, Err: errors.New("the entry of a late write is damaged")}
	}
	return l, nil
}

// LateBody returns the kept bytes as content that can be put elsewhere, where
// l.Checksums hold for it.
func (d *Documents) LateBody(ctx context.Context, l Late) (store.Content, error) {
	obj, err := d.store.Head(ctx, d.lateBody(l.ID))
	if err != nil {
		return nil, err
	}
	if obj.Size != l.Size {
		return nil, &store.Error{Op: "control", Key: obj.Key, Kind: store.Corrupt, Err: fmt.Errorf("%d bytes were kept of %d", obj.Size, l.Size)}
	}
	return store.NewObjectContent(d.store, obj), nil
}

// Settle removes a late write: its entry first, so that a crash between leaves
// bytes that nobody lists rather than an entry without bytes.
func (d *Documents) Settle(ctx context.Context, l Late) error {
	if err := d.store.Delete(ctx, d.lateEntry(l.ID), store.Condition{}); err != nil {
		return err
	}
	return d.store.Delete(ctx, d.lateBody(l.ID), store.Condition{})
}
