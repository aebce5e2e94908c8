package replicate

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/crossfade-io/crossfade/store"
)

// copy sends the bytes and attributes of src, bound to dst. body, if not nil, is
// src opened. It returns the source object as copied.
func (s *syncing) copy(ctx context.Context, src, dst *store.Object, body *store.Reader) (*store.Object, error) {
	cond := store.IfAbsent()
	if dst != nil {
		cond = store.IfMatch(dst.Version)
	}
	if src.Size > s.opts.SmallBytes {
		closeReader(body)
		return src, s.copyLarge(ctx, src, cond)
	}
	weight := min(src.Size, s.opts.MemoryBytes)
	if err := s.memory.Acquire(ctx, weight); err != nil {
		return nil, s.errorf(s.key, store.Unknown, "waiting for memory: %w", err)
	}
	defer s.memory.Release(weight)

	if body == nil {
		opened, err := s.src.Open(ctx, s.key, store.ReadOptions{Version: src.Version})
		if err != nil {
			s.readErr = err
			return nil, err
		}
		defer closeReader(opened)
		if opened.Size != src.Size {
			s.readErr = s.errorf(s.key, store.Precondition, "the source changed without a change of its version")
			return nil, s.readErr
		}
		body = opened
	}
	data := make([]byte, src.Size)
	sums, err := readWhole(body, data)
	if err != nil {
		kind := store.KindOf(err)
		s.readErr = &store.Error{Op: "read", Store: strings.TrimSuffix(s.ends.Source, "/"), Key: s.key, Kind: kind, Err: err}
		return nil, s.readErr
	}
	stamp := newStamp(s.ends.Source, src, sums)
	stamp.Created = cond.Absent
	put, err := s.dst.Put(ctx, s.key, store.Bytes(data), store.PutOptions{
		If: cond, Attrs: carried(src.Attrs, stamp), Checksums: sums,
	})
	if err != nil {
		return nil, err
	}
	s.res.Bytes += src.Size
	s.wrote = put.Version
	return src, nil
}

// readWhole fills data from r, which must end there, and verifies what the
// source says of the bytes.
func readWhole(r *store.Reader, data []byte) (store.Checksums, error) {
	if err := store.ReadExactly(r.Body, data); err != nil {
		return store.Checksums{}, err
	}
	hash := store.NewHasher(r.Checksums)
	hash.Write(data) //nolint:errcheck // never fails
	if err := hash.Verify(int64(len(data))); err != nil {
		return store.Checksums{}, &store.Error{Op: "read", Kind: store.Corrupt, Err: err}
	}
	return hash.Sum(), nil
}

// copyLarge lets the target's driver read ranges of the pinned source, several
// at once, in bounded memory.
func (s *syncing) copyLarge(ctx context.Context, src *store.Object, cond store.Condition) error {
	content := &pinned{src: s.src, object: src}
	stamp := newStamp(s.ends.Source, src, src.Checksums)
	stamp.Created = cond.Absent
	put, err := s.dst.Put(ctx, s.key, content, store.PutOptions{
		If: cond, Attrs: carried(src.Attrs, stamp), Checksums: src.Checksums.Cheapest(),
	})
	if err != nil {
		if ctx.Err() == nil {
			s.readErr = content.failure()
		}
		return err
	}
	s.res.Bytes += src.Size
	s.wrote = put.Version
	return nil
}

// updateMetadata gives dst the attributes of src, and copies where the target
// cannot do that in one step.
func (s *syncing) updateMetadata(ctx context.Context, src, dst *store.Object, body *store.Reader) (*store.Object, error) {
	if s.update != nil {
		sums := dst.Checksums
		if !sums.Known() {
			sums = src.Checksums
		}
		stamp := newStamp(s.ends.Source, src, sums)
		updated, err := s.update.UpdateMetadata(ctx, s.key, carried(src.Attrs, stamp), store.IfMatch(dst.Version))
		if err == nil {
			s.wrote = updated.Version
			return src, nil
		}
		if store.KindOf(err) != store.Invalid {
			return nil, err
		}
	}
	return s.copy(ctx, src, dst, body)
}

// pinned is one version of a source object as Content. It remembers why it could
// not be read, however the reader of it words that.
type pinned struct {
	src    store.Store
	object *store.Object

	mu  sync.Mutex
	err error
}

func (p *pinned) Size() int64 { return p.object.Size }

func (p *pinned) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	r, err := p.src.Open(ctx, p.object.Key, store.ReadOptions{Version: p.object.Version, Offset: offset, Length: length})
	if err != nil {
		return nil, p.note(err)
	}
	return &notingReader{ReadCloser: r.Body, p: p, left: length}, nil
}

// note keeps the first error that is the source's own.
func (p *pinned) note(err error) error {
	if err != nil && !errors.Is(err, io.EOF) && !isContext(err) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.err == nil {
			p.err = err
		}
	}
	return err
}

func (p *pinned) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// notingReader notes read errors, a body that ends early among them.
type notingReader struct {
	io.ReadCloser
	p    *pinned
	left int64
}

func (n *notingReader) Read(b []byte) (int, error) {
	c, err := n.ReadCloser.Read(b)
	n.left -= int64(c)
	if err == io.EOF && n.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return c, n.p.note(err)
}
