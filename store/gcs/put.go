package gcs

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"cloud.google.com/go/storage"
	gax "github.com/googleapis/gax-go/v2"
	"google.golang.org/api/googleapi"
	rawstorage "google.golang.org/api/storage/v1"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/parts"
)

// Put stores small bodies with one request whose checksums the service
// verifies before it stores anything. Larger ones go up in chunks; the last
// request, without which there is no object, is sent only after the whole was
// found to have its size and checksums.
func (s *Store) Put(ctx context.Context, key string, content store.Content, opts store.PutOptions) (*store.Object, error) {
	name, err := s.name("put", key)
	if err != nil {
		return nil, err
	}
	invalid := func(kind store.Kind, err error) (*store.Object, error) {
		return nil, &store.Error{Op: "put", Store: s.id, Key: key, Kind: kind, Err: err}
	}
	conds, conditional := conditions(opts.If.Match)
	switch {
	case opts.If.Match != "" && (!conditional || opts.If.Absent):
		return nil, s.unmet("put", key, errForeignVersion)
	case content.Size() < 0:
		return invalid(store.Invalid, errors.New("the content has no size"))
	case content.Size() > maxObject:
		return invalid(store.TooLarge, fmt.Errorf("%d bytes; Cloud Storage takes 5 TiB", content.Size()))
	}
	resource, err := s.raw(name, opts.Attrs)
	if err != nil {
		return invalid(store.Invalid, err)
	}
	up := &upload{s: s, key: key, resource: resource, absent: opts.If.Absent, conds: conds, want: opts.Checksums}
	put := up.large
	if content.Size() <= s.opts.SmallBytes {
		put = up.small
	}
	stored, sums, err := put(ctx, content)
	if err != nil {
		return nil, err
	}
	o, err := s.rawObject(stored)
	switch {
	case err != nil:
		return invalid(store.Unknown, err)
	case o.Size != content.Size():
		return invalid(store.Corrupt, fmt.Errorf("%d bytes were stored of %d", o.Size, content.Size()))
	case o.Checksums.Differ(sums) != "":
		return invalid(store.Corrupt, fmt.Errorf("%s of what was stored is not that of what was sent", o.Checksums.Differ(sums)))
	}
	return o, nil
}

// upload is one Put.
type upload struct {
	s        *Store
	key      string
	resource *rawstorage.Object
	absent   bool
	conds    storage.Conditions // zero: none
	want     store.Checksums
}

// insert makes the call. Every upload is sent on its conditions, and each
// request of it that many times at most.
func (u *upload) insert(ctx context.Context, attempts int, media io.Reader, opts ...googleapi.MediaOption) (*rawstorage.Object, error) {
	tries := &budget{max: int32(attempts) - 1}
	tries.reset()
	opts = append(opts, googleapi.ContentType(u.resource.ContentType))
	call := u.s.client.raw.Objects.Insert(u.s.bucket, u.resource).Context(ctx).Name(u.resource.Name).Projection("noAcl").
		Media(media, opts...).
		ProgressUpdater(func(int64, int64) { tries.reset() }).
		WithRetry(&gax.Backoff{Initial: u.s.opts.Backoff, Max: 25 * u.s.opts.Backoff, Multiplier: 2}, tries.again)
	if u.absent {
		call.IfGenerationMatch(0)
	}
	if u.conds != (storage.Conditions{}) {
		call.IfGenerationMatch(u.conds.GenerationMatch).IfMetagenerationMatch(u.conds.MetagenerationMatch)
	}
	return call.Do()
}

// sums tells the service the checksums that it is to verify.
func (u *upload) sums(c store.Checksums) {
	u.resource.Crc32c = base64.StdEncoding.EncodeToString(c.CRC32C)
	u.resource.Md5Hash = base64.StdEncoding.EncodeToString(c.MD5)
}

func (u *upload) small(ctx context.Context, content store.Content) (*rawstorage.Object, store.Checksums, error) {
	body, sums, err := parts.Whole(ctx, content, u.want)
	if err != nil {
		return nil, sums, u.s.contentError(u.key, err)
	}
	u.sums(sums)
	ctx, cancel := context.WithTimeout(ctx, u.s.opts.WriteTimeout)
	defer cancel()
	o, err := u.insert(ctx, u.s.opts.Attempts, bytes.NewReader(body), googleapi.ChunkSize(0))
	if err != nil {
		return nil, sums, u.s.fail("put", u.key, err)
	}
	return o, sums, nil
}

// large feeds a resumable upload. The feed ends without an error, which is
// what makes the SDK complete the upload, only after everything was verified.
func (u *upload) large(ctx context.Context, content store.Content) (*rawstorage.Object, store.Checksums, error) {
	if err := u.s.large.Acquire(ctx, 1); err != nil {
		return nil, store.Checksums{}, u.s.fail("put", u.key, err)
	}
	defer u.s.large.Release(1)
	u.sums(u.want)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pr, pw := io.Pipe()
	var sums store.Checksums
	var feeding sync.WaitGroup
	feeding.Go(func() {
		var err error
		if sums, err = u.feed(ctx, content, pw); err != nil {
			_ = pw.CloseWithError(&feedError{err})
			return
		}
		_ = pw.Close()
	})
	o, err := u.insert(ctx, u.s.opts.ChunkAttempts, pr,
		googleapi.ChunkSize(u.s.opts.ChunkSize),
		googleapi.ChunkRetryDeadline(u.s.opts.ChunkTimeout), googleapi.ChunkTransferTimeout(u.s.opts.ChunkTimeout),
		googleapi.EnableAutoChecksum(),
	)
	cancel()
	_ = pr.Close()
	feeding.Wait()
	if e, ok := errors.AsType[*feedError](err); ok {
		return nil, sums, u.s.contentError(u.key, e.err)
	}
	if err != nil {
		return nil, sums, u.s.fail("put", u.key, err)
	}
	return o, sums, nil
}

// feedError is a failure of the content, on its way through the SDK.
type feedError struct{ err error }

func (e *feedError) Error() string { return e.err.Error() }
func (e *feedError) Unwrap() error { return e.err }

// feed reads ahead in parallel and writes in order.
func (u *upload) feed(ctx context.Context, content store.Content, w io.Writer) (store.Checksums, error) {
	var mu sync.Mutex
	turn := sync.NewCond(&mu)
	next, ended := 0, false
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		ended = true
		turn.Broadcast()
	})
	defer stop()
	return u.s.pool.Upload(ctx, content, u.s.opts.ReadSize, u.s.opts.Readers, u.want, func(_ context.Context, p parts.Part) error {
		mu.Lock()
		defer mu.Unlock()
		for next != p.Number && !ended {
			turn.Wait()
		}
		if ended {
			return ctx.Err()
		}
		if _, err := w.Write(p.Data); err != nil {
			ended = true
			turn.Broadcast()
			return err
		}
		next++
		turn.Broadcast()
		return nil
	})
}

// budget bounds the tries of a request, or of a chunk.
type budget struct {
	max  int32
	left atomic.Int32
}

func (b *budget) reset() { b.left.Store(b.max) }

func (b *budget) again(err error) bool {
	return storage.ShouldRetry(err) && b.left.Add(-1) >= 0
}
