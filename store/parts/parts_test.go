package parts_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/parts"
	"github.com/crossfade-io/crossfade/testutil/storetest"
)

var every = store.Checksums{CRC64NVME: []byte{}, MD5: []byte{}}

func TestPartSize(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, 50<<40).Draw(t, "size")
		smallest := rapid.Int64Range(1, 64).Draw(t, "smallest") * parts.MiB
		maxParts := rapid.SampledFrom([]int{1, 32, 10_000, 50_000}).Draw(t, "maxParts")
		p := parts.PartSize(size, smallest, maxParts)
		if p < smallest || p%parts.MiB != 0 {
			t.Fatalf("part of %d", p)
		}
		if n := (size + p - 1) / p; n > int64(maxParts) {
			t.Fatalf("%d parts", n)
		}
		if p > smallest { // no larger than needed
			if q := p - parts.MiB; (size+q-1)/q <= int64(maxParts) && q >= smallest {
				t.Fatalf("part of %d where %d suffices", p, q)
			}
		}
	})
}

// sink assembles parts, and checks what it is given.
type sink struct {
	mu    sync.Mutex
	body  []byte
	seen  []int
	extra error
}

func (s *sink) upload(_ context.Context, p parts.Part) error {
	runtime.Gosched()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, p.Number)
	copy(s.body[p.Offset:], p.Data)
	return s.extra
}

// TestUploadIsTheBody: whatever the sizes, each part comes once, and the whole
// is the body with its checksums.
func TestUploadIsTheBody(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, 5000).Draw(t, "size")
		partSize := rapid.Int64Range(1, 700).Draw(t, "partSize")
		std := rapid.Int64Range(1, 700).Draw(t, "std")
		pool := parts.NewPool(rapid.Int64Range(std, 3000).Draw(t, "max"), std)
		parallel := rapid.IntRange(1, 9).Draw(t, "parallel")
		for range 2 { // the second time with used buffers
			c := storetest.Synthetic{Seed: rapid.Uint64().Draw(t, "seed"), Length: size}
			want := store.ChecksumsOf(c.Bytes(), every)
			s := &sink{body: make([]byte, size)}
			f := &storetest.Faulty{Content: c}
			got, err := pool.Upload(context.Background(), f, partSize, parallel, want, s.upload)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(s.body, c.Bytes()) {
				t.Fatal("other bytes")
			}
			if d := got.Differ(want); d != "" || got.CRC64NVME == nil || got.MD5 == nil {
				t.Fatalf("%s: %x", d, got)
			}
			slices.Sort(s.seen)
			for i, n := range s.seen {
				if i != n {
					t.Fatalf("parts %v", s.seen)
				}
			}
			if n := int((size + partSize - 1) / partSize); len(s.seen) != n {
				t.Fatalf("%d parts, want %d", len(s.seen), n)
			}
			if opened, closed, atOnce := f.Readers(); opened != closed || atOnce > int64(parallel) {
				t.Fatalf("%d readers opened, %d closed, %d at once", opened, closed, atOnce)
			}
		}
	})
}

// TestUploadFails: no fault goes unnoticed, and no reader stays open.
func TestUploadFails(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 5000).Draw(t, "size")
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		f := &storetest.Faulty{
			Content: storetest.Synthetic{Seed: 1, Length: size}, Cancel: cancel,
			Fault: storetest.Fault(rapid.IntRange(int(storetest.FailOpen), int(storetest.CancelOnly)).Draw(t, "fault")),
			At:    rapid.Int64Range(0, size-1).Draw(t, "at"),
		}
		s := &sink{body: make([]byte, size)}
		pool := parts.NewPool(1000, 100)
		_, err := pool.Upload(ctx, f, rapid.Int64Range(1, 1500).Draw(t, "partSize"), rapid.IntRange(1, 5).Draw(t, "parallel"), store.Checksums{}, s.upload)
		if err == nil {
			t.Fatal("no error")
		}
		var is error
		switch f.Fault {
		case storetest.FailOpen, storetest.FailRead:
			is = storetest.ErrBroken
		case storetest.EndEarly:
			is = io.ErrUnexpectedEOF
		case storetest.CancelRead, storetest.CancelOnly:
			is = context.Canceled
		}
		if is != nil && !errors.Is(err, is) {
			t.Fatalf("%v is not %v", err, is)
		}
		if opened, closed, _ := f.Readers(); opened != closed {
			t.Fatalf("%d readers opened, %d closed", opened, closed)
		}
		// The pool gives back all that it lent: a body as large as it allows goes through.
		again := storetest.Synthetic{Seed: 2, Length: 1000}
		s = &sink{body: make([]byte, 1000)}
		if _, err := pool.Upload(context.Background(), again, 1000, 1, store.Checksums{}, s.upload); err != nil {
			t.Fatal(err)
		}
	})
}

func TestUploadVerifies(t *testing.T) {
	t.Parallel()
	c := storetest.Synthetic{Seed: 1, Length: 1000}
	for name, spoil := range map[string]func(*store.Checksums){
		"CRC32C": func(s *store.Checksums) { s.CRC32C[3]++ }, "CRC64NVME": func(s *store.Checksums) { s.CRC64NVME[3]++ }, "MD5": func(s *store.Checksums) { s.MD5[3]++ },
	} {
		want := store.ChecksumsOf(c.Bytes(), every)
		spoil(&want)
		s := &sink{body: make([]byte, 1000)}
		if _, err := parts.NewPool(1000, 100).Upload(t.Context(), c, 300, 2, want, s.upload); store.KindOf(err) != store.Corrupt {
			t.Errorf("Upload with a wrong %s: %v", name, err)
		}
		for _, content := range []store.Content{c, store.Bytes(c.Bytes())} {
			if _, _, err := parts.Whole(t.Context(), content, want); store.KindOf(err) != store.Corrupt {
				t.Errorf("Whole of %T with a wrong %s: %v", content, name, err)
			}
		}
	}
}

func TestUploadStopsWhenAPartFails(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	c := &storetest.Faulty{Content: storetest.Synthetic{Length: 1 << 20}}
	var uploads atomic.Int64
	_, err := parts.NewPool(4<<10, 1<<10).Upload(t.Context(), c, 1<<10, 2, store.Checksums{}, func(ctx context.Context, p parts.Part) error {
		uploads.Add(1)
		if p.Number == 3 {
			return boom
		}
		return nil
	})
	if !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
	if opened, _, _ := c.Readers(); opened > 16 {
		t.Errorf("%d parts of 1024 were read though the fourth failed", opened)
	}
}

// TestPoolBoundsAllUploads: many uploads share one bound, and none starves.
func TestPoolBoundsAllUploads(t *testing.T) {
	t.Parallel()
	const limit = 10_000
	pool := parts.NewPool(limit, 1000)
	var held, most atomic.Int64
	var wg sync.WaitGroup
	for u := range 8 {
		wg.Go(func() {
			c := storetest.Synthetic{Seed: uint64(u), Length: 60_000 + int64(u)}
			partSize := []int64{1000, 700, 2500, 20_000}[u%4] // the last is above the limit
			_, err := pool.Upload(t.Context(), c, partSize, 5, store.Checksums{}, func(_ context.Context, p parts.Part) error {
				now := held.Add(min(int64(len(p.Data)), limit))
				for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
				}
				runtime.Gosched()
				held.Add(-min(int64(len(p.Data)), limit))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() > limit {
		t.Errorf("%d bytes in parts at once, %d allowed", most.Load(), limit)
	}
}

// TestSlowFirstPart: parts that wait for their turn to be
// hashed hold the pool; the part whose turn it is must already have its share.
func TestSlowFirstPart(t *testing.T) {
	t.Parallel()
	c := &slowStart{Synthetic: storetest.Synthetic{Seed: 3, Length: 100}, others: make(chan struct{}, 100)}
	s := &sink{body: make([]byte, 100)}
	if _, err := parts.NewPool(40, 10).Upload(t.Context(), c, 10, 4, store.Checksums{}, s.upload); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.body, c.Bytes()) {
		t.Error("other bytes")
	}
}

// slowStart gives out its first range only after three others were opened.
type slowStart struct {
	storetest.Synthetic
	others chan struct{}
}

func (c *slowStart) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if offset > 0 {
		c.others <- struct{}{}
	} else {
		for range 3 {
			select {
			case <-c.others:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	return c.Synthetic.Open(ctx, offset, length)
}

func TestCancelledWhileWaitingForThePool(t *testing.T) {
	t.Parallel()
	pool := parts.NewPool(100, 100)
	inside, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := pool.Upload(t.Context(), storetest.Synthetic{Length: 100}, 100, 1, store.Checksums{}, func(context.Context, parts.Part) error {
			close(inside)
			<-release
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-inside
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := pool.Upload(ctx, storetest.Synthetic{Length: 100}, 100, 1, store.Checksums{}, func(context.Context, parts.Part) error {
		t.Error("uploaded though cancelled")
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(release)
	wg.Wait()
}

// TestNoGoroutineStays compares their number before and after many failures.
func TestNoGoroutineStays(t *testing.T) {
	before := runtime.NumGoroutine()
	pool := parts.NewPool(1000, 100)
	for i := range 50 {
		ctx, cancel := context.WithCancel(context.Background())
		f := &storetest.Faulty{Content: storetest.Synthetic{Length: 5000}, Fault: storetest.Fault(1 + i%6), At: int64(i * 90), Cancel: cancel}
		_, err := pool.Upload(ctx, f, 100, 7, store.Checksums{}, func(context.Context, parts.Part) error { return nil })
		cancel()
		if err == nil {
			t.Fatal("no error")
		}
	}
	// Those that ended may be counted for a moment more.
	for range math.MaxInt16 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

func TestWhole(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 1, 1000} {
		c := storetest.Synthetic{Seed: 5, Length: n}
		want := store.ChecksumsOf(c.Bytes(), every)
		for _, content := range []store.Content{c, store.Bytes(c.Bytes())} {
			b, sums, err := parts.Whole(t.Context(), content, want)
			if err != nil || !bytes.Equal(b, c.Bytes()) || sums.Differ(want) != "" {
				t.Errorf("%d bytes of %T: %v", n, content, err)
			}
		}
		for _, fault := range []storetest.Fault{storetest.FailOpen, storetest.FailRead, storetest.EndEarly, storetest.RunLong} {
			f := &storetest.Faulty{Content: c, Fault: fault}
			if n == 0 && fault == storetest.EndEarly {
				continue // an empty body cannot end early
			}
			if _, _, err := parts.Whole(t.Context(), f, store.Checksums{}); err == nil {
				t.Errorf("%d bytes with fault %d: no error", n, fault)
			}
		}
	}
}
