package killtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// Objects that the application has at the start. From 8 MiB on, crossfade sends
// them to S3 in parts.
const (
	smallObjects = 200
	largeObjects = 4
	largeLeast   = 8<<20 + 1
	largeMost    = 9 << 20
)

// app is an application that creates, overwrites and deletes objects in a
// bucket, and keeps a record.
type app struct {
	client demoapp.Client
	judge  *demoapp.App // with the record
	keys   []*key

	mu      sync.Mutex
	rng     *rand.Rand
	offered map[string]map[demoapp.Print]bool // what was ever sent to a key
}

// key has one operation at a time.
type key struct {
	sync.Mutex
	name  string
	large bool
	live  bool
}

func newApp(seed uint64, client demoapp.Client) *app {
	a := &app{
		client: client, judge: demoapp.NewApp(nil, demoapp.Options{}),
		rng: rand.New(rand.NewPCG(seed, 1)), offered: map[string]map[demoapp.Print]bool{},
	}
	for i := range smallObjects {
		a.keys = append(a.keys, &key{name: fmt.Sprintf("input/%02d/%04d.jpg", i%20, i)})
	}
	for i := range largeObjects {
		a.keys = append(a.keys, &key{name: fmt.Sprintf("large/%d.mp4", i), large: true})
	}
	return a
}

func (a *app) draw(n int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rng.IntN(n)
}

// seed stores all keys.
func (a *app) seed(t testing.TB) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(8)
	for _, k := range a.keys {
		g.Go(func() error { return a.put(ctx, k) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// start goes on at about rate operations a second until stop is called, which
// returns when nothing is in flight any more.
func (a *app) start(ctx context.Context, rate int) (stop func()) {
	const workers = 4
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			tick := time.NewTicker(time.Second * workers / time.Duration(rate))
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-ctx.Done():
					return
				case <-tick.C:
					a.operate(ctx)
				}
			}
		})
	}
	return sync.OnceFunc(func() {
		close(done)
		wg.Wait()
	})
}

// operate does one thing: one in five deletes, one in a hundred concerns a large
// object. What fails is in the record.
func (a *app) operate(ctx context.Context) {
	k := a.keys[a.draw(smallObjects)]
	if a.draw(100) == 0 {
		k = a.large()
	}
	if a.draw(5) > 0 {
		a.put(ctx, k) //nolint:errcheck // see above
		return
	}
	k.Lock()
	defer k.Unlock()
	if !k.live {
		return
	}
	if err := a.client.Delete(ctx, k.name); err != nil {
		a.judge.Record.Failed(k.name, nil, err)
		return
	}
	k.live = false
	a.judge.Record.Deleted(k.name)
}

func (a *app) large() *key { return a.keys[smallObjects+a.draw(largeObjects)] }

func (a *app) put(ctx context.Context, k *key) error {
	size := a.size()
	if k.large {
		size = largeLeast + a.draw(largeMost-largeLeast)
	}
	a.mu.Lock()
	seed := a.rng.Uint64()
	a.mu.Unlock()
	body := content(seed, size)
	attrs := demoapp.Attrs{ContentType: "image/jpeg", Metadata: map[string]string{"revision": strconv.FormatUint(seed, 36)}}
	stored := demoapp.NewContent(body, attrs)

	k.Lock()
	defer k.Unlock()
	a.mu.Lock()
	if a.offered[k.name] == nil {
		a.offered[k.name] = map[demoapp.Print]bool{}
	}
	a.offered[k.name][stored.Print()] = true // before a copy of it can be seen
	a.mu.Unlock()
	if err := a.client.Put(ctx, k.name, body, attrs); err != nil {
		a.judge.Record.Failed(k.name, &stored, err)
		return err
	}
	kind := demoapp.Create
	if k.live {
		kind = demoapp.Overwrite
	}
	k.live = true
	a.judge.Record.Stored(kind, k.name, stored)
	return nil
}

// content is bytes of which no two pieces are alike, cheaply made.
func content(seed uint64, size int) []byte {
	const piece = 64 << 10
	out := make([]byte, size)
	random := demoapp.Body{Seed: seed, Size: min(size, piece)}.Bytes()
	for at := 0; at < size; at += piece {
		n := copy(out[at:], random)
		if at > 0 && n >= 8 {
			binary.BigEndian.PutUint64(out[at:], uint64(at))
		}
	}
	return out
}

func (a *app) size() int {
	switch r := a.draw(100); {
	case r < 3:
		return 0
	case r < 80:
		return 16 + a.draw(16<<10)
	case r < 98:
		return 16<<10 + a.draw(128<<10)
	default:
		return 1<<20 + a.draw(1<<20)
	}
}

// whole reads what has changed on b since seen was filled, and returns an error
// if any of it is something that was never stored on the source as a whole.
func (a *app) whole(ctx context.Context, b Bucket, seen map[string]string) error {
	now, err := b.versions(ctx)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for name, version := range now {
		if seen[name] == version || strings.HasPrefix(name, store.ControlPrefix) {
			continue // a killed program leaves its probe of the server there
		}
		g.Go(func() error {
			got, err := b.App.Get(gctx, name)
			for n := 0; err != nil && !errors.Is(err, demoapp.ErrAbsent) && n < 2; n++ {
				// The last request of a dead process may change it between
				// two of ours.
				got, err = b.App.Get(gctx, name)
			}
			if errors.Is(err, demoapp.ErrAbsent) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("%s %q cannot be read: %w", b.URL, name, err)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			if !a.offered[name][got.Print()] {
				return fmt.Errorf("%s %q holds %d bytes, %+v, that the source never had", b.URL, name, got.Size, got.Attrs)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	clear(seen)
	for name, version := range now {
		seen[name] = version
	}
	return nil
}

// same fails the test for each object on b that is not as the record says.
func (a *app) same(t testing.TB, b Bucket) {
	t.Helper()
	found, err := a.judge.Compare(t.Context(), b.App, func(name string) bool {
		return strings.HasPrefix(name, store.ControlPrefix)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found.Sorted() {
		t.Errorf("%s %q is %s: %s", b.URL, f.Key, f.Verdict, f.Why)
	}
	if c := a.judge.Record.Counts(); c.Errors > 0 {
		t.Errorf("%d operations of the application failed, the first with %v", c.Errors, a.judge.Record.FirstError())
	}
}
