package model

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// object is one on the target.
type object struct {
	store.Object
	body    []byte
	foreign bool
	call    int  // of the Sync that wrote it
	created bool // that Sync put it, or what it overwrote, where nothing was
	first   int  // indices in the history of the source that it may be a copy of
	last    int
}

// target is the target as a Sync sees it; the types below add capabilities.
type target struct{ w *World }

type (
	uniqueTarget   struct{ *target }
	updatingTarget struct{ *target }
	ableTarget     struct{ updatingTarget }
)

// UniqueVersions marks the store.
func (uniqueTarget) UniqueVersions() {}

// UniqueVersions marks the store.
func (ableTarget) UniqueVersions() {}

func (w *World) targetStore() store.Store {
	t := &target{w}
	switch unique := w.cfg.Target == Unique; {
	case unique && w.cfg.Updates:
		return ableTarget{updatingTarget{t}}
	case unique:
		return uniqueTarget{t}
	case w.cfg.Updates:
		return updatingTarget{t}
	default:
		return t
	}
}

func (t *target) fail(op, key string, kind store.Kind, format string, args ...any) error {
	return &store.Error{Op: op, Store: strings.TrimSuffix(targetID, "/"), Key: key, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// Head returns the object.
func (t *target) Head(ctx context.Context, key string) (o *store.Object, err error) {
	err = t.w.do(ctx, request{name: "head", key: key}, func() error {
		cur := t.w.target[key]
		t.w.cur.sawOurs = cur != nil && !cur.foreign
		if cur == nil {
			return t.fail("head", key, store.NotFound, "no such object")
		}
		found := cur.Object
		o = &found
		t.w.cur.answer = found.Version
		return nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// Open serves the Sync in the other direction.
func (t *target) Open(ctx context.Context, key string, opts store.ReadOptions) (r *store.Reader, err error) {
	err = t.w.do(ctx, request{name: "open", key: key, version: opts.Version}, func() error {
		cur := t.w.target[key]
		switch {
		case cur == nil:
			return t.fail("open", key, store.NotFound, "no such object")
		case opts.Version != "" && opts.Version != cur.Version:
			return t.fail("open", key, store.Precondition, "not that version")
		}
		r = &store.Reader{Object: cur.Object, Body: t.w.reader(ctx, key, cur.body)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// read takes content in two parts, as a multipart upload does.
func (t *target) read(ctx context.Context, key string, content store.Content, want store.Checksums) ([]byte, error) {
	data := make([]byte, content.Size())
	half := len(data) / 2
	for _, part := range []struct{ from, to int }{{0, half}, {half, len(data)}} {
		if part.from == part.to {
			continue
		}
		if err := store.ReadContent(ctx, content, int64(part.from), data[part.from:part.to]); err != nil {
			return nil, err
		}
	}
	hash := store.NewHasher(want)
	hash.Write(data) //nolint:errcheck // never fails
	if err := hash.Verify(int64(len(data))); err != nil {
		return nil, t.fail("put", key, store.Corrupt, "%w", err)
	}
	return data, nil
}

// Put reads the content, then stores it in one step.
func (t *target) Put(ctx context.Context, key string, content store.Content, opts store.PutOptions) (o *store.Object, err error) {
	data, err := t.read(ctx, key, content, opts.Checksums)
	if err != nil {
		return nil, err
	}
	err = t.w.do(ctx, request{name: "put", key: key, cond: opts.If, write: true}, func() error {
		if err := t.holds("put", key, opts.If); err != nil {
			return err
		}
		o = t.w.store(key, data, opts.Attrs)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// UpdateMetadata replaces the attributes. A server that ignores conditions on
// writes still heeds that on the source of a copy: an update there is a bound
// read and then an unbound write.
func (t updatingTarget) UpdateMetadata(ctx context.Context, key string, attrs store.Attrs, cond store.Condition) (o *store.Object, err error) {
	var body []byte
	read := func() error {
		cur := t.w.target[key]
		if cur == nil || cond.Match != "" && cur.Version != cond.Match {
			return t.fail("update", key, store.Precondition, "the condition does not hold")
		}
		body = cur.body
		return nil
	}
	if t.w.cfg.Target == Unbound {
		if err := t.w.do(ctx, request{name: "read for update", key: key, cond: cond}, read); err != nil {
			return nil, err
		}
		read = func() error { return nil }
	}
	err = t.w.do(ctx, request{name: "update", key: key, cond: cond, write: true}, func() error {
		if err := read(); err != nil {
			return err
		}
		o = t.w.store(key, body, attrs)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// Delete removes the object.
func (t *target) Delete(ctx context.Context, key string, cond store.Condition) error {
	return t.w.do(ctx, request{name: "delete", key: key, cond: cond, write: true}, func() error {
		if err := t.holds("delete", key, cond); err != nil {
			return err
		}
		if cur := t.w.target[key]; cur != nil {
			t.w.checkDelete(key, cur)
			delete(t.w.target, key)
			t.w.announce(key)
		}
		return nil
	})
}

func (t *target) holds(op, key string, cond store.Condition) error {
	cur := t.w.target[key]
	switch {
	case t.w.cfg.Target == Unbound:
		return nil
	case cond.Absent && cur != nil, cond.Match != "" && (cur == nil || cur.Version != cond.Match):
		return t.fail(op, key, store.Precondition, "the condition does not hold")
	}
	return nil
}

// store puts what a Sync wrote.
func (w *World) store(key string, data []byte, attrs store.Attrs) *store.Object {
	cur := w.target[key]
	fresh := w.newObject(key, data, attrs)
	fresh.call = w.cur.call
	fresh.created = cur == nil || cur.created && cur.call == fresh.call
	w.checkWrite(key, cur, fresh)
	w.target[key] = fresh
	w.cur.wrote, w.cur.answer = true, fresh.Version
	w.announce(key)
	o := fresh.Object
	return &o
}

func (w *World) newObject(key string, data []byte, attrs store.Attrs) *object {
	w.counter++
	attrs.Metadata = maps.Clone(attrs.Metadata)
	o := &object{body: bytes.Clone(data), Object: store.Object{
		Key: key, Size: int64(len(data)), ModTime: time.Unix(w.clock, 0).UTC(), Attrs: attrs,
		Version: etag(data),
	}}
	if w.cfg.Target == Unique {
		o.Version = store.Version(fmt.Sprintf("v%d", w.counter))
	}
	if !w.cfg.SilentTarget {
		o.Checksums = store.ChecksumsOf(data, store.Checksums{})
	}
	return o
}

// announce tells the other direction.
func (w *World) announce(key string) {
	if w.cfg.Reverse {
		w.events = append(w.events, &event{key: key, reverse: true})
	}
}

// List is not called.
func (t *target) List(context.Context, store.ListOptions) iter.Seq2[*store.Object, error] {
	panic("a Sync does not list")
}

// Close does nothing.
func (t *target) Close() error { return nil }
