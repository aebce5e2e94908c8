package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

func (w *world) verify(src, dst store.Store, checksum bool, opts backfill.Options) (backfill.Report, error) {
	w.t.Helper()
	opts.Sleep, opts.Jitter = noSleep, func() float64 { return 0 }
	rep := w.replicator(src, dst, replicate.Policy{})
	return backfill.Verify(context.Background(), src, dst, rep, backfill.VerifyOptions{Options: opts, Checksum: checksum})
}

// sabotage stores body under key on the target behind everyone's back, with the
// attributes that are there.
func (w *world) sabotage(key, body string) {
	old := w.dst.Bucket().Get(key)
	fresh := cloudsim.NewObject(key, []byte(body))
	fresh.ContentType, fresh.Metadata = old.ContentType, old.Metadata
	if _, err := w.dst.Bucket().Put(fresh, origin, nil, nil); err != nil {
		w.t.Fatal(err)
	}
}

func TestVerifyClasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, k := range []string{"attrs", "bytes", "equal", "extra", "foreign", "missing", "size", "stale"} {
		w.put(w.src, k, "body of "+k)
	}
	w.mustRun(backfill.Options{})
	w.remove(w.src, "extra")
	w.remove(w.dst, "missing")
	w.sabotage("bytes", "BODY of bytes")
	w.sabotage("size", "shorter")
	w.put(w.src, "stale", "body OF stale")
	meta := w.dst.Bucket().Get("attrs").Metadata
	if _, err := w.dst.UpdateMetadata(t.Context(), "attrs", store.Attrs{ContentType: "text/html", Metadata: meta}, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	w.put(w.dst, "foreign", "of someone else")
	w.put(w.dst, "foreign only", "of someone else")
	w.put(w.src, "twin", "put on both sides by someone else")
	w.put(w.dst, "twin", "put on both sides by someone else")
	w.put(w.dst, ".crossfade/x", "never compared")

	for _, partial := range []bool{false, true} {
		for _, checksum := range []bool{false, true} {
			for _, scrambled := range []bool{false, true} {
				t.Run(fmt.Sprintf("partial=%v checksum=%v scrambled=%v", partial, checksum, scrambled), func(t *testing.T) {
					src := &manner{Store: w.src, partial: partial, scrambled: scrambled}
					dst := &manner{Store: w.dst, partial: partial}
					r, err := w.verify(src, dst, checksum, backfill.Options{})
					if err != nil || r.Same() {
						t.Fatalf("%+v, %v", r, err)
					}
					// The stamp's own checksum does not fit what "bytes" and "size"
					// hold now: they were changed after they were stamped.
					want := map[backfill.Class][]string{
						backfill.Missing: {"missing"}, backfill.Different: {"attrs", "stale"}, backfill.Extra: {"extra"},
						backfill.Foreign: {"bytes", "foreign", "foreign only", "size"}, backfill.Unread: {},
					}
					for class, keys := range want {
						if !slices.Equal(r.Keys[class], keys) {
							t.Errorf("%s: %q, want %q", class, r.Keys[class], keys)
						}
					}
					if src := w.bodies(w.src); r.Bytes != int64(len(strings.Join(slices.Collect(maps.Values(src)), ""))) {
						t.Errorf("%d bytes on the source", r.Bytes)
					}
					if r.Equal != 2 || r.Missing != 1 || r.Different != 2 || r.Extra != 1 || r.Foreign != 4 || r.Failed != 0 {
						t.Errorf("%+v", r)
					}
					if !strings.Contains(r.Reasons["attrs"], `content type is "text/plain" on the source, "text/html" on the target`) ||
						!strings.Contains(r.Reasons["size"], "size: ") || !strings.Contains(r.Reasons["bytes"], "CRC32C") {
						t.Errorf("%q", r.Reasons)
					}
				})
			}
		}
	}
}

// blind hides what a store knows of its bytes, and can lie about a body.
type blind struct {
	store.Store
	lie func(key string, body []byte) []byte
}

func (b *blind) Unwrap() store.Store { return b.Store }

func (b *blind) Head(ctx context.Context, key string) (*store.Object, error) {
	o, err := b.Store.Head(ctx, key)
	if err == nil {
		o.Checksums = store.Checksums{}
	}
	return o, err
}

func (b *blind) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		for o, err := range b.Store.List(ctx, opts) {
			if err == nil {
				o.Checksums = store.Checksums{}
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

func (b *blind) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	r, err := b.Store.Open(ctx, key, opts)
	if err != nil {
		return nil, err
	}
	body := make([]byte, r.Size)
	if err := store.ReadExactly(r.Body, body); err != nil {
		return nil, err
	}
	if b.lie != nil {
		body = b.lie(key, body)
	}
	r.Checksums = store.Checksums{}
	r.Body, err = store.Bytes(body).Open(ctx, 0, int64(len(body)))
	return r, err
}

// Where the stores know no checksum of the same kind, the stamp has to do, and
// with --checksum the bytes themselves.
func TestVerifyWithoutCommonChecksums(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, k := range []string{"good", "rotten", "stale"} {
		w.put(w.src, k, "body of "+k)
	}
	w.mustRun(backfill.Options{})
	w.put(w.src, "stale", "body OF stale") // of the same size
	w.put(w.src, "twin", "twin")
	w.put(w.dst, "twin", "twin")
	src := &blind{Store: w.src}
	dst := &blind{Store: w.dst, lie: func(key string, body []byte) []byte {
		if key == "rotten" {
			body[0] ^= 1
		}
		return body
	}}
	r, err := w.verify(src, dst, false, backfill.Options{})
	if err != nil || r.Equal != 2 || !slices.Equal(r.Keys[backfill.Different], []string{"stale"}) || !slices.Equal(r.Keys[backfill.Foreign], []string{"twin"}) {
		t.Fatalf("%+v, %v", r, err)
	}
	r, err = w.verify(src, dst, true, backfill.Options{})
	if err != nil || r.Equal != 2 || !slices.Equal(r.Keys[backfill.Different], []string{"rotten", "stale"}) || r.Foreign != 0 {
		t.Fatalf("with checksum: %+v, %v", r, err)
	}
	if want := int64(2 * (len("body of good") + len("body of rotten") + 2*len("body of stale") + len("twin"))); r.Read < want/2 {
		t.Fatalf("%d bytes read", r.Read)
	}
}

// After any backfill, verify finds both sides equal; after any one change, not.
func TestVerifyNoticesAnyChange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c/d", "c//d", "\u00e9"}), 1, 5, rapid.ID).Draw(rt, "keys")
		for _, k := range keys {
			w.put(w.src, k, rapid.SampledFrom([]string{"", "x", "yy"}).Draw(rt, "body"))
		}
		w.mustRun(backfill.Options{})
		checksum := rapid.Bool().Draw(rt, "checksum")
		src := &manner{Store: w.src, partial: rapid.Bool().Draw(rt, "partial")}
		r, err := w.verify(src, w.dst, checksum, backfill.Options{Concurrency: 2})
		if err != nil || !r.Same() || r.Equal != int64(len(keys)) {
			rt.Fatalf("after a backfill: %+v, %v", r, err)
		}
		side := rapid.SampledFrom([]*memstore.Store{w.src, w.dst}).Draw(rt, "side")
		key := rapid.SampledFrom(keys).Draw(rt, "key")
		old := side.Bucket().Get(key)
		switch rapid.SampledFrom([]string{"remove", "body", "attrs", "add"}).Draw(rt, "change") {
		case "remove":
			w.remove(side, key)
		case "body":
			w.put(side, key, string(old.Body)+"!")
		case "attrs":
			attrs := store.Attrs{ContentType: "text/plain", ContentLanguage: "de", Metadata: old.Metadata}
			if _, err := side.UpdateMetadata(context.Background(), key, attrs, store.Condition{}); err != nil {
				rt.Fatal(err)
			}
		case "add":
			w.put(side, key+"+", "new")
		}
		r, err = w.verify(src, w.dst, checksum, backfill.Options{Concurrency: 2})
		if err != nil || r.Missing+r.Different+r.Extra+r.Foreign != 1 || r.Failed != 0 {
			rt.Fatalf("after a change: %+v, %v", r, err)
		}
	})
}

// A change that is replicated while verify is at it does not show.
func TestVerifyLooksAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(w.src, "k", "v1")
	w.mustRun(backfill.Options{})
	w.put(w.src, "k", "v2")
	rep := w.replicator(w.src, w.dst, replicate.Policy{})
	for late := range 2 { // the copy lands while the first, or the second, look has the old target
		var looks atomic.Int64
		src := &manner{Store: w.src, partial: true}
		src.headFails = func(string) bool {
			if looks.Add(1) == int64(late)+1 {
				w.put(w.src, "k", fmt.Sprintf("v3 %d", late))
				if _, err := rep.Sync(context.Background(), "k", replicate.HintNone); err != nil {
					t.Error(err)
				}
			}
			return false
		}
		if r, err := w.verify(src, w.dst, false, backfill.Options{}); err != nil || !r.Same() || r.Equal != 1 {
			t.Fatalf("%d: %+v, %v", late, r, err)
		}
		w.put(w.src, "k", "v4")
	}
}

// Failures are failures: of a key, of a listing.
func TestVerifyFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(w.src, "a", "a")
	w.put(w.src, "b", "b")
	w.mustRun(backfill.Options{})
	src := &manner{Store: w.src, partial: true, headFails: func(key string) bool { return key == "b" }}
	r, err := w.verify(src, w.dst, false, backfill.Options{})
	if err != nil || r.Same() || r.Failed != 1 || r.Equal != 1 || !strings.Contains(r.Reasons["b"], "source: ") || strings.Contains(r.Reasons["b"], "\n") {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, onSource := range []bool{true, false} {
		broken := &manner{Store: w.src, fail: &store.Error{Op: "list", Kind: store.Denied}, failAfter: 1}
		src, dst := store.Store(broken), store.Store(w.dst)
		if !onSource {
			broken.Store, src, dst = w.dst, w.src, broken
		}
		if r, err := w.verify(src, dst, false, backfill.Options{}); store.KindOf(err) != store.Denied || r.Missing+r.Extra+r.Foreign != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	stop := make(chan struct{})
	close(stop)
	if r, err := w.verify(w.src, w.dst, false, backfill.Options{Stop: stop}); !errors.Is(err, backfill.ErrInterrupted) || !r.Interrupted || r.Same() {
		t.Fatalf("%+v, %v", r, err)
	}
}

// A body that does not end where it should, or that is not what its store says,
// cannot be compared.
func TestVerifyTornBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(w.src, "k", "body")
	w.mustRun(backfill.Options{})
	dst := &blind{Store: w.dst, lie: func(_ string, body []byte) []byte { return body[:2] }}
	r, err := w.verify(w.src, dst, true, backfill.Options{})
	if err != nil || r.Failed != 1 || !strings.Contains(r.Reasons["k"], "corrupt") {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestVerifyBoundsTheKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 10_050 {
		w.put(w.dst, fmt.Sprint(i), "")
	}
	r, err := w.verify(w.src, w.dst, false, backfill.Options{})
	if err != nil || r.Foreign != 10_050 || len(r.Keys[backfill.Foreign]) != 10_000 || !r.Truncated {
		t.Fatalf("%d foreign, %d named, %v, %v", r.Foreign, len(r.Keys[backfill.Foreign]), r.Truncated, err)
	}
}
