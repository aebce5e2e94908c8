package fence

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // what an ETag is made of
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// end is a modelled store: one side of the migration, or the control store.
type end struct {
	w       *World
	side    control.Side
	etags   bool          // versions are hashes of the bytes, and times whole seconds, as on S3
	skew    time.Duration // of its clock
	objects map[string]*object
}

// object is one that is stored, and who has written it.
type object struct {
	store.Object
	body []byte
	by   author
}

// author is who wrote an object.
type author uint8

const (
	byCrossfade author = iota
	byApp              // while the side was its authority
	byLate             // on the side that was not any more
)

// The capabilities are types, as As finds them.
type (
	uniqueEnd   struct{ *end }
	updatingEnd struct{ *end }
	ableEnd     struct{ updatingEnd }
)

// UniqueVersions marks the store.
func (uniqueEnd) UniqueVersions() {}

// UniqueVersions marks the store.
func (ableEnd) UniqueVersions() {}

// open returns the store with its capabilities.
func (e *end) open(updates bool) store.Store {
	switch {
	case updates && e.etags:
		return updatingEnd{e}
	case updates:
		return ableEnd{updatingEnd{e}}
	case e.etags:
		return e
	default:
		return uniqueEnd{e}
	}
}

func (e *end) fail(op, key string, kind store.Kind) error {
	return &store.Error{Op: op, Store: string(e.side), Key: key, Kind: kind, Err: fmt.Errorf("as modelled: %s", kind)}
}

// clock is what the store says that it is now.
func (e *end) clock() time.Time {
	now := time.Now().Add(e.skew)
	if e.etags {
		return now.Truncate(time.Second)
	}
	return now.Truncate(time.Millisecond)
}

// make is an object as e would store it.
func (e *end) make(key string, body []byte, attrs store.Attrs, by author) *object {
	e.w.counter++
	attrs.Metadata = maps.Clone(attrs.Metadata)
	o := &object{body: bytes.Clone(body), by: by, Object: store.Object{
		Key: key, Size: int64(len(body)), ModTime: e.clock().UTC(), Attrs: attrs,
		Version: store.Version(fmt.Sprintf("v%d", e.w.counter)), Checksums: store.ChecksumsOf(body, store.Checksums{}),
	}}
	if e.etags {
		sum := md5.Sum(body) //nolint:gosec // see the import
		o.Version = store.Version(hex.EncodeToString(sum[:4]))
	}
	return o
}

// Head returns the object.
func (e *end) Head(ctx context.Context, key string) (*store.Object, error) {
	var o *store.Object
	r := &request{end: e, name: "head", key: key}
	r.effect = func() error {
		cur := e.objects[key]
		if cur == nil {
			return e.fail("head", key, store.NotFound)
		}
		found := cur.Object
		o, r.answer = &found, cur.String()
		return nil
	}
	if err := e.w.do(ctx, r); err != nil {
		return nil, err
	}
	return o, nil
}

// Open returns the object and its bytes.
func (e *end) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	var rd *store.Reader
	r := &request{end: e, name: "open", key: key}
	r.effect = func() error {
		cur := e.objects[key]
		switch {
		case cur == nil:
			return e.fail("open", key, store.NotFound)
		case opts.Version != "" && opts.Version != cur.Version:
			return e.fail("open", key, store.Precondition)
		}
		r.answer = cur.String()
		body := cur.body[min(opts.Offset, cur.Size):]
		if opts.Length > 0 {
			body = body[:min(opts.Length, int64(len(body)))]
		}
		rd = &store.Reader{Object: cur.Object, Body: io.NopCloser(bytes.NewReader(body))}
		return nil
	}
	if err := e.w.do(ctx, r); err != nil {
		return nil, err
	}
	return rd, nil
}

// Put stores content in one step.
func (e *end) Put(ctx context.Context, key string, content store.Content, opts store.PutOptions) (*store.Object, error) {
	var o *store.Object
	data := make([]byte, content.Size())
	if err := store.ReadContent(ctx, content, 0, data); err != nil {
		return nil, err
	}
	hash := store.NewHasher(opts.Checksums)
	hash.Write(data) //nolint:errcheck // never fails
	if err := hash.Verify(int64(len(data))); err != nil {
		return nil, e.fail("put", key, store.Corrupt)
	}
	r := &request{end: e, name: "put", key: key, cond: opts.If, write: true}
	r.effect = func() error {
		if !e.holds(key, opts.If) {
			return e.fail("put", key, store.Precondition)
		}
		return e.store(key, e.make(key, data, opts.Attrs, byCrossfade), r, &o)
	}
	if err := e.w.do(ctx, r); err != nil {
		return nil, err
	}
	return o, nil
}

// UpdateMetadata replaces the attributes.
func (u updatingEnd) UpdateMetadata(ctx context.Context, key string, attrs store.Attrs, cond store.Condition) (*store.Object, error) {
	var o *store.Object
	e := u.end
	r := &request{end: e, name: "update", key: key, cond: cond, write: true}
	r.effect = func() error {
		if !e.holds(key, cond) {
			return e.fail("update", key, store.Precondition)
		}
		fresh := e.make(key, e.objects[key].body, attrs, byCrossfade)
		if e.side == control.Target && !e.etags {
			fresh.ModTime = e.objects[key].ModTime // as on Cloud Storage
		}
		return e.store(key, fresh, r, &o)
	}
	if err := e.w.do(ctx, r); err != nil {
		return nil, err
	}
	return o, nil
}

// Delete removes the object.
func (e *end) Delete(ctx context.Context, key string, cond store.Condition) error {
	r := &request{end: e, name: "delete", key: key, cond: cond, write: true}
	r.effect = func() error {
		if !e.holds(key, cond) {
			return e.fail("delete", key, store.Precondition)
		}
		return e.store(key, nil, r, nil)
	}
	return e.w.do(ctx, r)
}

func (e *end) holds(key string, cond store.Condition) bool {
	cur := e.objects[key]
	return (!cond.Absent || cur == nil) && (cond.Match == "" || cur != nil && cur.Version == cond.Match)
}

// store puts what a task wrote in the place of what is there, or deletes it.
func (e *end) store(key string, fresh *object, r *request, to **store.Object) error {
	if e == e.w.ctl {
		if err := e.w.wroteControl(r.task, key, fresh); err != nil {
			return err
		}
	} else if strings.HasPrefix(key, store.ControlPrefix) {
		e.w.marked(e.side)
	} else if r.task != nil {
		e.w.checkWrite(e, r, e.objects[key], fresh)
	}
	e.change(key, fresh)
	if fresh != nil {
		o := fresh.Object
		*to, r.answer = &o, fresh.String()
	}
	if r.task != nil && e != e.w.ctl && !strings.HasPrefix(key, store.ControlPrefix) {
		e.w.checkView(key, r.String())
	}
	return nil
}

// change is store without a judgement, and tells the functions.
func (e *end) change(key string, fresh *object) {
	gone := e.objects[key] == nil
	if fresh != nil && e != e.w.ctl {
		e.w.shown[e.side][key+valueOf(fresh).String()] = true
	}
	if fresh == nil {
		delete(e.objects, key)
	} else {
		e.objects[key] = fresh
	}
	if e != e.w.ctl && (!gone || fresh != nil) && !strings.HasPrefix(key, store.ControlPrefix) {
		e.w.announce(e.side, key, fresh == nil)
	}
}

// List yields what is there when the listing begins. On S3 it tells no
// attributes. Whoever lists looks again at what he finds, so it never waits.
func (e *end) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		var page []*store.Object
		r := &request{end: e, name: "list", instant: e != e.w.ctl}
		r.effect = func() error {
			for _, key := range slices.Sorted(maps.Keys(e.objects)) {
				if key > opts.After && (opts.Until == "" || key <= opts.Until) {
					o := e.objects[key].Object
					if e.etags {
						o.Attrs, o.Partial, o.Checksums = store.Attrs{}, true, store.Checksums{}
					}
					page = append(page, &o)
				}
			}
			return nil
		}
		if err := e.w.do(ctx, r); err != nil {
			yield(nil, err)
			return
		}
		for _, o := range page {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// Close does nothing.
func (e *end) Close() error { return nil }
