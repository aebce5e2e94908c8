package model

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // what an ETag is made of
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// state is one moment of a key on the source, from one change to the next.
type state struct {
	gone  bool
	obj   store.Object
	body  []byte
	until int // the step at which the next one came; -1 for the current one
}

// source is the source as a Sync sees it.
type source struct{ w *World }

type uniqueSource struct{ *source }

// UniqueVersions marks the store.
func (uniqueSource) UniqueVersions() {}

func (w *World) state(key string) *state {
	h := w.history[key]
	return h[len(h)-1]
}

// lastAbsent returns the last step at which the source had no such key, or -1.
func (w *World) lastAbsent(key string) int {
	h := w.history[key]
	if h[len(h)-1].gone {
		return w.step
	}
	for _, s := range slices.Backward(h) {
		if s.gone {
			return s.until
		}
	}
	return -1
}

func etag(body []byte) store.Version {
	sum := md5.Sum(body) //nolint:gosec // see the import
	return store.Version(hex.EncodeToString(sum[:4]))
}

// write gives key on the source a new state.
func (w *World) write(key string, body []byte, attrs store.Attrs) {
	w.counter++
	o := store.Object{Key: key, Size: int64(len(body)), ModTime: time.Unix(w.clock, 0).UTC(), Attrs: attrs}
	switch w.cfg.Source {
	case Recurring:
		o.Version = etag(body)
	case Kept:
		o.Version = store.Version(fmt.Sprintf("%s@%d", etag(body), w.counter))
	default:
		o.Version = store.Version(fmt.Sprint(w.counter))
	}
	if !w.cfg.SilentSource {
		o.Checksums = store.ChecksumsOf(body, store.Checksums{})
	}
	w.change(key, &state{obj: o, body: body, until: -1})
	w.note(line{text: fmt.Sprintf("source: %s becomes version %s, %q, %s", key, o.Version, body, attrs.CacheControl)})
}

// remove deletes key from the source.
func (w *World) remove(key string) {
	w.hadTarget[key] = w.target[key] != nil
	w.change(key, &state{gone: true, until: -1})
	w.note(line{text: fmt.Sprintf("source: %s is deleted", key)})
}

func (w *World) change(key string, s *state) {
	w.state(key).until = w.step
	w.history[key] = append(w.history[key], s)
}

// find returns the first and the last index in key's history of what has just
// these bytes and attributes under the version, or -1.
func (w *World) find(key string, v store.Version, body []byte, same func(*store.Object) bool) (first, last int) {
	first, last = -1, -1
	for i, s := range w.history[key] {
		if !s.gone && s.obj.Version == v && bytes.Equal(s.body, body) && same(&s.obj) {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	return first, last
}

func (s *source) fail(op, key string, kind store.Kind, format string, args ...any) error {
	return &store.Error{Op: op, Store: strings.TrimSuffix(sourceID, "/"), Key: key, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// Head returns the current state.
func (s *source) Head(ctx context.Context, key string) (o *store.Object, err error) {
	err = s.w.do(ctx, request{onSource: true, name: "head", key: key}, func() error {
		cur := s.w.state(key)
		if cur.gone {
			return s.fail("head", key, store.NotFound, "no such object")
		}
		found := cur.obj
		o = &found
		s.w.cur.answer = found.Version
		return nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// Open returns bytes of the current state, or of the pinned one.
func (s *source) Open(ctx context.Context, key string, opts store.ReadOptions) (r *store.Reader, err error) {
	err = s.w.do(ctx, request{onSource: true, name: "open", key: key, version: opts.Version, offset: opts.Offset, length: opts.Length}, func() error {
		cur := s.w.state(key)
		if opts.Version != "" && s.w.cfg.Source == Kept {
			for _, old := range s.w.history[key] {
				if !old.gone && old.obj.Version == opts.Version {
					cur = old
				}
			}
		}
		switch {
		case cur.gone:
			return s.fail("open", key, store.NotFound, "no such object")
		case opts.Version != "" && cur.obj.Version != opts.Version:
			return s.fail("open", key, store.Precondition, "not that version")
		}
		s.w.cur.answer = cur.obj.Version
		// A range beyond the end is cut, as clouds do.
		from := min(opts.Offset, int64(len(cur.body)))
		to := int64(len(cur.body))
		if opts.Length > 0 {
			to = min(to, from+opts.Length)
		}
		r = &store.Reader{Object: cur.obj, Body: s.w.reader(ctx, key, cur.body[from:to])}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Put is only called by a Sync in the other direction, which has nothing to
// write as long as there is nothing foreign on the target.
func (s *source) Put(_ context.Context, key string, _ store.Content, _ store.PutOptions) (*store.Object, error) {
	s.w.breaks(7, key, "an echo was written back to the source")
	return nil, s.fail("put", key, store.Denied, "the source is not written")
}

// Delete is as Put.
func (s *source) Delete(_ context.Context, key string, _ store.Condition) error {
	s.w.breaks(7, key, "the other direction deleted from the source")
	return s.fail("delete", key, store.Denied, "the source is not written")
}

// List is not called.
func (s *source) List(context.Context, store.ListOptions) iter.Seq2[*store.Object, error] {
	panic("a Sync does not list")
}

// Close does nothing.
func (s *source) Close() error { return nil }

// body is what Open returned. Where bodies have steps, the second half is a
// request of its own.
type body struct {
	w    *World
	ctx  context.Context //nolint:containedctx // a body ends with the context it was opened with
	key  string
	rest []byte
	half int // bytes until the second half begins; -1 once it did
	err  error
}

func (w *World) reader(ctx context.Context, key string, data []byte) io.ReadCloser {
	b := &body{w: w, ctx: ctx, key: key, rest: data, half: -1}
	if w.cfg.BodySteps && len(data) > 1 {
		b.half = len(data) / 2
	}
	return b
}

func (b *body) Read(p []byte) (int, error) {
	if b.half == 0 {
		b.half = -1
		b.err = b.w.do(b.ctx, request{onSource: true, name: "read", key: b.key, damage: func(f fault) {
			switch f {
			case short:
				b.rest = nil
			case corrupt:
				b.rest = bytes.Clone(b.rest)
				b.rest[0] ^= 1
			}
		}}, func() error { return nil })
	}
	switch {
	case b.err != nil:
		return 0, b.err
	case len(b.rest) == 0:
		return 0, io.EOF
	case b.half > 0 && len(p) > b.half:
		p = p[:b.half]
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	if b.half > 0 {
		b.half -= n
	}
	return n, nil
}

func (b *body) Close() error { return nil }
