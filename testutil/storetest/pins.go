package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/crossfade-io/crossfade/store"
)

func pinCases() []testCase {
	return []testCase{
		{"Pin/Current", pinCurrent},
		{"Pin/Overwritten", func(t *T) { pinOverwritten(t, false) }},
		{"Pin/OverwrittenSameSize", func(t *T) { pinOverwritten(t, true) }},
		{"Pin/Deleted", pinDeleted},
		{"Pin/Recreated", pinRecreated},
		{"Pin/ByListedVersion", pinListed},
		{"Pin/OpenReaderSurvivesOverwrite", pinOpenReader},
		{"Pin/ReadsUnderOverwrite", pinUnderOverwrite},
	}
}

func pinCurrent(t *T) {
	for _, n := range []int64{0, t.small(), t.MultipartSize} {
		body := t.body(n)
		v := t.put("k", store.Bytes(body), store.PutOptions{}).Version
		o, got := t.read("k", store.ReadOptions{Version: v})
		if !bytes.Equal(got, body) || o.Version != v {
			t.Errorf("pinned to %q: version %q with %s", v, o.Version, sketch(got))
		}
	}
}

// wantPinned requires the pinned bytes or a refusal, never other bytes.
func (t *T) wantPinned(opts store.ReadOptions, want []byte) {
	t.Helper()
	if opts.Length > 0 {
		want = want[opts.Offset : opts.Offset+opts.Length]
	}
	o, got, err := t.tryRead("k", opts)
	if err != nil {
		t.wantKind("reading a pinned version that is gone", err, store.Precondition, store.NotFound)
		return
	}
	if !bytes.Equal(got, want) {
		t.Errorf("pinned to %q, but got version %q with other bytes: %s", opts.Version, o.Version, sketch(got))
	}
}

func pinOverwritten(t *T, sameSize bool) {
	for _, n := range []int64{t.small(), t.MultipartSize} {
		one, two := t.body(n), t.body(n)
		if !sameSize {
			two = two[:n/2]
		}
		v := t.put("k", store.Bytes(one), store.PutOptions{}).Version
		t.put("k", store.Bytes(two), store.PutOptions{})
		t.wantPinned(store.ReadOptions{Version: v}, one)
		t.wantPinned(store.ReadOptions{Version: v, Offset: 10, Length: 20}, one)
		t.wantObject("k", two)
	}
}

func pinDeleted(t *T) {
	body := t.body(t.small())
	v := t.put("k", store.Bytes(body), store.PutOptions{}).Version
	if err := t.Store.Delete(t.ctx, "k", store.Condition{}); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	t.wantPinned(store.ReadOptions{Version: v}, body)
	t.wantPinned(store.ReadOptions{Version: v, Offset: 1, Length: 2}, body)
}

func pinRecreated(t *T) {
	one, two := t.body(t.small()), t.body(t.small())
	v := t.put("k", store.Bytes(one), store.PutOptions{}).Version
	if err := t.Store.Delete(t.ctx, "k", store.Condition{}); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	t.put("k", store.Bytes(two), store.PutOptions{})
	t.wantPinned(store.ReadOptions{Version: v}, one)
}

// pinListed: a backfill reads what it listed, by the listed version.
func pinListed(t *T) {
	one, two := t.body(t.small()), t.body(t.small())
	t.put("k", store.Bytes(one), store.PutOptions{})
	listed := t.list(store.ListOptions{})
	if len(listed) != 1 {
		t.Fatalf("List yields %d objects, want 1", len(listed))
	}
	v := listed[0].Version
	if _, got := t.read("k", store.ReadOptions{Version: v}); !bytes.Equal(got, one) {
		t.Errorf("pinned to the listed version: %s", sketch(got))
	}
	t.put("k", store.Bytes(two), store.PutOptions{})
	t.wantPinned(store.ReadOptions{Version: v}, one)
}

// pinOpenReader: a body that is being read is that of one version to its end,
// or the reader fails.
func pinOpenReader(t *T) {
	n := max(t.MultipartSize, 2<<20)
	one := t.body(n)
	t.put("k", store.Bytes(one), store.PutOptions{})
	r, err := t.Store.Open(t.ctx, "k", store.ReadOptions{})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer r.Body.Close()
	head := make([]byte, 1000)
	if _, err := io.ReadFull(r.Body, head); err != nil {
		t.Fatalf("reading the first bytes: %v", err)
	}
	t.put("k", store.Bytes(t.body(n)), store.PutOptions{})
	rest, err := io.ReadAll(r.Body)
	got := slices.Concat(head, rest)
	if err == nil && !bytes.Equal(got, one) {
		t.Errorf("overwritten while it was read: got other bytes without an error (%s)", sketch(got))
	}
	if err != nil && !bytes.Equal(got, one[:len(got)]) {
		t.Errorf("overwritten while it was read: other bytes before the error %v", err)
	}
}

// pinUnderOverwrite: while a key is overwritten again and again, what a reader
// gets without an error is whole, and belongs to the version and attributes
// that it is told.
func pinUnderOverwrite(t *T) {
	const writes, readers, size = 20, 4, 300_000
	var bodies [writes + 1][]byte
	for i := range bodies {
		bodies[i] = t.body(size + int64(i))
	}
	optsOf := func(i int) store.PutOptions {
		return store.PutOptions{Attrs: store.Attrs{ContentType: fmt.Sprintf("x-write/%d", i), Metadata: map[string]string{"write": fmt.Sprint(i)}}}
	}
	var mu sync.Mutex
	seen := map[store.Version]int{}
	record := func(i int, v store.Version) {
		mu.Lock()
		defer mu.Unlock()
		if j, ok := seen[v]; ok && j != i {
			t.Errorf("version %q is both write %d and %d", v, j, i)
		}
		seen[v] = i
	}
	record(0, t.put("k", store.Bytes(bodies[0]), optsOf(0)).Version)
	done := make(chan struct{})
	var wg sync.WaitGroup
	var whole sync.Map
	for range readers {
		wg.Go(func() {
			for finished := false; !finished; {
				select {
				case <-done:
					finished = true // one more, which nothing disturbs
				default:
				}
				o, got, err := t.tryRead("k", store.ReadOptions{})
				if err != nil {
					if k := store.KindOf(err); k == store.NotFound || finished {
						t.Errorf("reading while it is overwritten: %v", err)
					}
					continue
				}
				i := len(got) - size
				if i < 0 || i > writes || !bytes.Equal(got, bodies[i]) {
					t.Errorf("reading while it is overwritten: %d bytes that nobody wrote", len(got))
					continue
				}
				if o.Size != int64(len(got)) {
					t.Errorf("told size %d, got %d bytes", o.Size, len(got))
				}
				if d := attrsDiffer(o.Attrs, optsOf(i).Attrs); d != "" {
					t.Errorf("the bytes of write %d came with other attributes: %s", i, d)
				}
				record(i, o.Version)
				whole.Store(i, true)
				h, err := t.Store.Head(t.ctx, "k")
				if err != nil {
					t.Errorf("Head while it is overwritten: %v", err)
				} else if d := attrsDiffer(h.Attrs, optsOf(int(h.Size-size)).Attrs); d != "" {
					t.Errorf("Head while it is overwritten tells size %d with other attributes: %s", h.Size, d)
				}
			}
		})
	}
	var err error
	for i := 1; i <= writes && err == nil; i++ {
		var o *store.Object
		if o, err = t.Store.Put(t.ctx, "k", store.Bytes(bodies[i]), optsOf(i)); err == nil {
			record(i, o.Version)
		}
	}
	close(done)
	wg.Wait()
	if err != nil {
		t.Fatalf("Put: %v", errors.Join(fmt.Errorf("while it was read"), err))
	}
	if _, ok := whole.Load(writes); !ok {
		t.Errorf("no reader saw the last write")
	}
}
