package cutover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// Action is what is done with a late write.
type Action string

// The actions.
const (
	Apply Action = "apply" // the authority is made what was written late
	Drop  Action = "drop"  // the authority stays as it is
)

// Resolved says what became of a late write.
type Resolved struct {
	Action    Action       `json:"action"`
	Late      control.Late `json:"late"`
	Authority control.Side `json:"authority"`

	// What the authority had under the key, and has; nil is nothing.
	Before *Shown `json:"before"`
	After  *Shown `json:"after"`

	// Note says what else is to be known, such as that the authority had just
	// this already.
	Note string `json:"note,omitempty"`
}

// Shown is what people are shown of an object.
type Shown struct {
	Size    int64         `json:"size"`
	ModTime time.Time     `json:"mod_time"`
	Version store.Version `json:"version"`
	Type    string        `json:"content_type,omitempty"`
}

func shown(o *store.Object) *Shown {
	if o == nil {
		return nil
	}
	return &Shown{Size: o.Size, ModTime: o.ModTime.UTC(), Version: o.Version, Type: o.ContentType}
}

// Late returns the late writes that are kept.
func (e *Engine) Late(ctx context.Context) ([]control.Late, error) {
	var late []control.Late
	for l, err := range e.docs.LateWrites(ctx) {
		if err != nil {
			return nil, err
		}
		late = append(late, l)
	}
	return late, nil
}

// Resolve applies or drops what is kept under id. Apply is bound to what the
// authority has when Resolve looks: if the application is faster, it fails and
// nothing is changed. In either case the other side is then made equal to the
// authority, and what was kept is removed.
func (e *Engine) Resolve(ctx context.Context, id string, action Action) (Resolved, error) {
	held, err := e.load(ctx)
	if err != nil {
		return Resolved{}, err
	}
	switch {
	case action != Apply && action != Drop:
		return Resolved{}, fmt.Errorf("%q is nothing to do with a late write: use apply or drop", action)
	case !held.Steady() && held.Phase != control.Switched || held.Phase == control.Done:
		return Resolved{}, fmt.Errorf("the migration is %s: settle late writes when it follows again", held.Phase)
	}
	l, err := e.docs.LateWrite(ctx, id)
	if store.KindOf(err) == store.NotFound {
		return Resolved{}, fmt.Errorf("no late write is kept under %s: crossfade resolve lists them", id)
	}
	if err != nil {
		return Resolved{}, err
	}
	p, err := e.newPairing(control.Away(held.Authority), held.State)
	if err != nil {
		return Resolved{}, err
	}
	r := Resolved{Action: action, Late: l, Authority: held.Authority}
	now, err := definite(ctx, p.from, l.Key)
	if err != nil {
		return Resolved{}, err
	}
	r.Before, r.After = shown(now), shown(now)
	if action == Apply {
		if now, r.Note, err = e.apply(ctx, p.from, l, now); err != nil {
			return r, err
		}
		r.After = shown(now)
	}
	if err := e.levelOut(ctx, p, l); err != nil {
		return r, fmt.Errorf("the %s is as it should be, but the %s could not be made equal: run the same command again: %w", held.Authority, held.Authority.Other(), err)
	}
	return r, e.docs.Settle(ctx, l)
}

// apply makes the authority what was written late, if it still has just now.
func (e *Engine) apply(ctx context.Context, authority store.Store, l control.Late, now *store.Object) (_ *store.Object, note string, err error) {
	cond := store.IfAbsent()
	if now != nil {
		cond = store.IfMatch(now.Version)
	}
	changed := func(err error) error {
		if kind := store.KindOf(err); kind == store.Precondition || kind == store.NotFound {
			return fmt.Errorf("key %q was changed on the authority meanwhile, and nothing was done: look at it, and decide again: %w", l.Key, err)
		}
		return err
	}
	switch {
	case l.Removed && now == nil:
		return nil, "it is gone there already", nil
	case l.Removed:
		return nil, "", changed(authority.Delete(ctx, l.Key, cond))
	case now != nil && sameContent(l, now):
		return now, "it is the same there already", nil
	}
	body, err := e.docs.LateBody(ctx, l)
	if err != nil {
		return nil, "", fmt.Errorf("what was kept of key %q cannot be read: %w", l.Key, err)
	}
	put, err := authority.Put(ctx, l.Key, body, store.PutOptions{If: cond, Attrs: unstamped(l.Attrs), Checksums: l.Checksums.Cheapest()})
	return put, "", changed(err)
}

// sameContent reports whether o is provably what was kept.
func sameContent(l control.Late, o *store.Object) bool {
	return l.Size == o.Size && l.Checksums.Comparable(o.Checksums) && l.Checksums.Differ(o.Checksums) == "" && replicate.SameAttrs(l.Attrs, o.Attrs)
}

// levelOut makes the other side equal to the authority, replacing what was kept
// if it is still there. Anything else there that nobody has seen stays: it is
// kept by the functions, as another late write.
func (e *Engine) levelOut(ctx context.Context, p *pairing, l control.Late) error {
	other, err := definite(ctx, p.to, l.Key)
	if err != nil {
		return err
	}
	kept := l.Side == p.direction.To() && (l.Removed && other == nil || other != nil && other.Version == l.Version)
	var res replicate.Result
	if kept {
		res, err = p.replace(ctx, l.Key, other)
	} else {
		res, err = p.Sync(ctx, l.Key, replicate.HintNone)
	}
	if err == nil && res.Action == replicate.Conflict && kept {
		err = errors.New(res.Reason)
	}
	return err
}

// unstamped are attributes as the application's own object has them.
func unstamped(a store.Attrs) store.Attrs {
	meta := make(map[string]string, len(a.Metadata))
	for k, v := range a.Metadata {
		if strings.ToLower(k) != replicate.StampName {
			meta[k] = v
		}
	}
	a.Metadata = meta
	return a
}
