package replicate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

func TestRequestsPerCase(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		prepare func(*world)
		hint    replicate.Hint
		want    string
		action  replicate.Action
	}{
		{"new, hinted", func(w *world) { w.write("x") }, replicate.HintNew, "source open head; target put", replicate.Copy},
		{"new, not hinted", func(w *world) { w.write("x") }, replicate.HintNone, "source open head; target head put", replicate.Copy},
		{"satisfied", func(w *world) { w.write("x"); w.sync(0) }, replicate.HintNone, "source head; target head", replicate.Skip},
		{"satisfied, duplicate of a creation", func(w *world) { w.write("x"); w.sync(replicate.HintNew) }, replicate.HintNew, "source open; target head", replicate.Skip},
		{"overwritten", func(w *world) { w.write("x"); w.sync(0); w.write("y") }, replicate.HintNone, "source head open head; target head put", replicate.Copy},
		{"overwritten, by an event soon after", func(w *world) { w.write("x"); w.sync(replicate.HintNew); w.write("y") }, replicate.HintNew, "source open head; target head put", replicate.Copy},
		{"deleted", func(w *world) { w.write("x"); w.sync(0); w.remove(w.src) }, replicate.HintRemoved, "source open; target head delete", replicate.Delete},
		{"deleted, not hinted", func(w *world) { w.write("x"); w.sync(0); w.remove(w.src) }, replicate.HintNone, "source head open; target head delete", replicate.Delete},
		{"deleted on both sides", func(*world) {}, replicate.HintRemoved, "source open; target head", replicate.Skip},
		{"new, but gone already", func(*world) {}, replicate.HintNew, "source open open; target head", replicate.Skip},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			row.prepare(w)
			w.reset()
			res := w.sync(row.hint)
			if res.Action != row.action {
				t.Errorf("%v (%s), want %v", res.Action, res.Reason, row.action)
			}
			if got := strings.ReplaceAll(w.requests(), " ;", ";"); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
			w.wantEqual()
		})
	}
}

// Where versions recur, a delete is confirmed: its condition may have held for a
// newer object with the same bytes.
func TestDeleteIsConfirmedWhereVersionsRecur(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	opts := replicate.Options{SourceID: "s3://src/", TargetID: "s3://dst/", Policy: replicate.Policy{Deletes: true}}
	w.r = w.replicator(w.dst, opts) // the spy does not promise unique versions
	w.write("x")
	w.sync(0)
	w.remove(w.src)
	w.reset()
	// Written again while the delete is under way: another handler would find
	// everything in order, and be acknowledged.
	w.dst.before = func(op string, n int) error {
		if op == "delete" && n == 1 {
			w.write("x")
		}
		return nil
	}
	if res := w.sync(replicate.HintRemoved); res.Action != replicate.Copy {
		t.Errorf("%+v", res)
	}
	w.wantEqual()
}

func TestCopyCarriesAttributesAndStamp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.put(w.src, "body", map[string]string{"owner": "Zoë", replicate.StampName: "an older migration's"})
	res := w.sync(replicate.HintNew)
	if res.Bytes != 4 {
		t.Errorf("%d bytes", res.Bytes)
	}
	w.wantEqual()
	_, src := w.read(w.src)
	_, dst := w.read(w.dst)
	stamp, err := replicate.ParseStamp(dst.Metadata[replicate.StampName])
	if err != nil {
		t.Fatal(err)
	}
	if stamp.From != "s3://src/" || stamp.Version != src.Version || stamp.Size != 4 ||
		!bytes.Equal(stamp.Sums.CRC32C, store.ChecksumsOf([]byte("body"), store.Checksums{}).CRC32C) {
		t.Errorf("%+v", stamp)
	}
	if dst.Metadata["owner"] != "Zoë" || !w.r.Ours(dst) || !w.r.InSync(src, dst) {
		t.Errorf("%+v", dst)
	}
}

// Each row changes the world at one step of a Sync; in the end the target must
// have what the source has.
func TestChangesDuringSync(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		prepare func(*world)
		onSrc   bool
		op      string
		n       int
		change  func(*world)
		rounds  int
	}{
		{"overwritten after it was read", func(w *world) { w.write("x") }, true, "open", 1, func(w *world) { w.write("y") }, 2},
		{"overwritten while it is written", func(w *world) { w.write("x") }, false, "put", 1, func(w *world) { w.write("y") }, 2},
		{"deleted after it was read", func(w *world) { w.write("x") }, true, "open", 1, func(w *world) { w.remove(w.src) }, 2},
		{"metadata changed after it was read", func(w *world) { w.write("x") }, true, "open", 1, func(w *world) { w.put(w.src, "x", map[string]string{"n": "1"}) }, 2},
		{"deleted and created again after it was read", func(w *world) { w.write("x") }, true, "open", 1, func(w *world) { w.remove(w.src); w.write("z") }, 2},
		{"created after it was found absent", func(w *world) { w.write("x"); w.sync(0); w.remove(w.src); w.reset() }, true, "open", 1, func(w *world) { w.write("y"); w.syncElsewhere() }, 2},
		{"synced by another handler meanwhile", func(w *world) { w.write("x") }, true, "open", 1, func(w *world) { w.syncElsewhere() }, 2},
		{"overwritten and synced by another handler meanwhile", func(w *world) { w.write("x") }, true, "open", 1, func(w *world) { w.write("y"); w.syncElsewhere() }, 2},
		{"deleted on the target meanwhile", func(w *world) { w.write("x"); w.sync(0); w.write("y"); w.reset() }, false, "head", 1, func(w *world) { w.remove(w.dst) }, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			fired := 0
			for _, hint := range []replicate.Hint{replicate.HintNone, replicate.HintNew, replicate.HintRemoved} {
				for _, small := range []int64{1 << 20, -1} { // with -1 every body is large
					w := newWorld(t, func(o *replicate.Options) { o.SmallBytes = small })
					row.prepare(w)
					done := false
					hook := func(op string, n int) {
						if op == row.op && n == row.n && !done {
							done = true
							fired++
							row.change(w)
						}
					}
					if row.onSrc {
						w.src.after = hook
					} else {
						w.dst.after = hook
					}
					res := w.sync(hint)
					w.wantEqual()
					if res.Attempts > row.rounds+1 {
						t.Errorf("hint %d, small %d: %d rounds", hint, small, res.Attempts)
					}
				}
			}
			if fired < 2 {
				t.Errorf("the change came only %d times", fired)
			}
		})
	}
}

// syncElsewhere is another handler that comes in between, with its own hints.
func (w *world) syncElsewhere() {
	w.t.Helper()
	r, err := replicate.New(w.src.Store, w.dst.Store, replicate.Options{SourceID: "s3://src/", TargetID: "gs://dst/", Policy: replicate.Policy{Deletes: true}})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := r.Sync(w.t.Context(), key, replicate.HintNone); err != nil {
		w.t.Fatal(err)
	}
}

// Only a definite "not found" permits a delete.
func TestNoDeleteByGuess(t *testing.T) {
	t.Parallel()
	for kind := store.Unknown; kind <= store.Unavailable; kind++ {
		for _, hint := range []replicate.Hint{replicate.HintNone, replicate.HintNew, replicate.HintRemoved} {
			// HEAD says "not found", as S3 does for a missing bucket, or fails as
			// the GET does.
			for _, headKind := range []store.Kind{store.NotFound, kind} {
				if kind == store.NotFound {
					continue
				}
				w := newWorld(t, nil)
				w.write("x")
				w.sync(0)
				w.remove(w.src)
				w.src.before = func(op string, _ int) error {
					k := kind
					if op == "head" {
						k = headKind
					}
					return &store.Error{Op: op, Store: "s3://src", Key: key, Kind: k, Err: errors.New("injected")}
				}
				_, err := w.r.Sync(t.Context(), key, hint)
				if store.KindOf(err) != kind || err == nil {
					t.Errorf("%v, hint %d: error %v", kind, hint, err)
				}
				if body, _ := w.read(w.dst); body != "x" {
					t.Errorf("%v, hint %d: the target has %s", kind, hint, body)
				}
			}
		}
	}
}

func TestForeignObjectsAreSafe(t *testing.T) {
	t.Parallel()
	for _, gone := range []bool{false, true} {
		w := newWorld(t, nil)
		if !gone {
			w.write("theirs")
		}
		w.put(w.dst, "foreign", nil)
		for _, hint := range []replicate.Hint{replicate.HintNone, replicate.HintNew, replicate.HintRemoved} {
			if res := w.sync(hint); res.Action != replicate.Conflict {
				t.Errorf("hint %d: %v", hint, res.Action)
			}
			if body, _ := w.read(w.dst); body != "foreign" {
				t.Fatalf("hint %d: the target has %q", hint, body)
			}
		}
	}
}

func TestLoopEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	back := w.replicatorBack()
	w.write("x")
	w.sync(replicate.HintNew)
	res, err := back.Sync(t.Context(), key, replicate.HintNew)
	if err != nil || res.Action != replicate.Skip {
		t.Fatalf("%+v, %v", res, err)
	}
	// The original is deleted: the echo must not bring it back.
	w.remove(w.src)
	if res, err := back.Sync(t.Context(), key, replicate.HintNew); err != nil || res.Action != replicate.Skip {
		t.Fatalf("%+v, %v", res, err)
	}
	w.sync(replicate.HintRemoved)
	if body, _ := w.read(w.dst); body != "(absent)" {
		t.Errorf("the target has %q", body)
	}
}

func (w *world) replicatorBack() *replicate.Replicator {
	r, err := replicate.New(w.dst, w.src, replicate.Options{SourceID: "gs://dst/", TargetID: "s3://src/", Policy: replicate.Policy{Deletes: true}})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestUpdateMetadata(t *testing.T) {
	t.Parallel()
	opts := replicate.Options{SourceID: "s3://src/", TargetID: "gs://dst/"}
	for _, row := range []struct {
		name   string
		invent func(op string, n int) error
		plain  bool
		want   string
	}{
		{name: "in one step", want: "head update"},
		{name: "the target cannot for this object", want: "head update put", invent: func(op string, _ int) error {
			if op == "update" {
				return &store.Error{Op: op, Kind: store.Invalid, Err: errors.New("over 5 GiB")}
			}
			return nil
		}},
		{name: "the target cannot at all", plain: true, want: "head put"},
	} {
		w := newWorld(t, nil)
		w.write("x")
		w.sync(0)
		if !row.plain {
			w.r = w.replicator(updatingSpy{uniqueSpy{w.dst}}, opts)
		}
		w.put(w.src, "x", map[string]string{"n": "2"})
		w.reset()
		w.dst.before = row.invent
		if res := w.sync(0); res.Action != replicate.UpdateMetadata {
			t.Errorf("%s: %v", row.name, res.Action)
		}
		w.wantEqual()
		if got := strings.Join(w.dst.calls, " "); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestReservedAndEmptyKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	if res, err := w.r.Sync(t.Context(), store.ControlPrefix+"m/phase", replicate.HintNew); err != nil || res.Action != replicate.Skip {
		t.Errorf("%+v, %v", res, err)
	}
	if _, err := w.r.Sync(t.Context(), "", 0); store.KindOf(err) != store.Invalid {
		t.Errorf("%v", err)
	}
	if got := w.requests(); got != "source ; target " {
		t.Error(got)
	}
}

// A source that never rests does not keep a handler for ever.
func TestRestlessSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *replicate.Options) { o.Attempts = 5 })
	w.write("0")
	w.dst.after = func(op string, n int) {
		if op == "put" {
			w.write(fmt.Sprint(n))
		}
	}
	res, err := w.r.Sync(t.Context(), key, 0)
	if store.KindOf(err) != store.Precondition || res.Attempts != 5 {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.write("x")
	ctx, cancel := context.WithCancel(t.Context())
	w.src.after = func(string, int) { cancel(); w.write("y") }
	if _, err := w.r.Sync(ctx, key, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Small bodies in memory stay within the bound, however many Syncs there are.
func TestMemoryBound(t *testing.T) {
	t.Parallel()
	const size, bound = 1000, 3500
	w := newWorld(t, func(o *replicate.Options) { o.MemoryBytes = bound })
	var held, most atomic.Int64
	for i := range 50 {
		if _, err := w.src.Store.Put(t.Context(), fmt.Sprint(i), store.Bytes(make([]byte, size)), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.dst.before = func(string, int) error {
		now := held.Add(size)
		for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
		}
		return nil
	}
	w.dst.after = func(string, int) { held.Add(-size) }
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if _, err := w.r.Sync(t.Context(), fmt.Sprint(i), replicate.HintNew); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() > bound || most.Load() == 0 {
		t.Errorf("%d bytes were held at once, allowed are %d", most.Load(), bound)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, o := range []replicate.Options{{}, {SourceID: "a"}, {TargetID: "a"}, {SourceID: "a", TargetID: "a"}} {
		if _, err := replicate.New(w.src, w.dst, o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	if _, err := replicate.New(nil, w.dst, replicate.Options{SourceID: "a", TargetID: "b"}); err == nil {
		t.Error("no error without a source")
	}
}
