package retry_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/retry"
)

// lister lists keys, and fails behind as many of them as breaks say: one entry
// for each call, -1 for none.
type lister struct {
	script
	keys   []string
	breaks []int
	kind   store.Kind
}

func (l *lister) List(_ context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		left := -1
		if l.calls < len(l.breaks) {
			left = l.breaks[l.calls]
		}
		l.calls++
		for _, k := range l.keys {
			if k <= opts.After || opts.Until != "" && k > opts.Until {
				continue
			}
			if left == 0 {
				break
			}
			left--
			if !yield(&store.Object{Key: k}, nil) {
				return
			}
		}
		if left == 0 {
			yield(nil, kinded(l.kind))
		}
	}
}

func (l *lister) Uploads(ctx context.Context) iter.Seq2[store.Upload, error] {
	return func(yield func(store.Upload, error) bool) {
		for o, err := range l.List(ctx, store.ListOptions{}) {
			if err != nil {
				yield(store.Upload{}, err)
				return
			}
			if !yield(store.Upload{Key: o.Key}, nil) {
				return
			}
		}
	}
}

// decorated hides that of script, which would decorate the script alone.
func (l *lister) decorated(opts retry.Options) *retry.Store {
	r := l.script.decorated(opts)
	r.Store = l
	return r
}

func manyKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("k%03d", i)
	}
	return keys
}

// TestListProperty: a listing that fails in passing yields each key once and in
// order; one that fails for good ends in the error, and what it yielded is a
// beginning of the whole.
func TestListProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		l := &lister{
			keys:   manyKeys(rapid.IntRange(0, 30).Draw(rt, "keys")),
			breaks: rapid.SliceOfN(rapid.IntRange(-1, 10), 0, 12).Draw(rt, "breaks"),
			kind:   rapid.SampledFrom([]store.Kind{store.Throttled, store.Unavailable, store.Unknown}).Draw(rt, "kind"),
		}
		opts := store.ListOptions{}
		if rapid.Bool().Draw(rt, "bounded") {
			opts.After, opts.Until = "k004", "k020"
		}
		var want []string
		for _, k := range l.keys {
			if k > opts.After && (opts.Until == "" || k <= opts.Until) {
				want = append(want, k)
			}
		}
		var got []string
		var failed error
		for o, err := range l.decorated(retry.Options{Attempts: 4, Burst: 1e6}).List(t.Context(), opts) {
			if failed != nil {
				rt.Fatal("goes on after an error")
			}
			if failed = err; err == nil {
				got = append(got, o.Key)
			}
		}
		stuck, worst := 0, 0 // failures in a row without a key between
		for _, b := range l.breaks[:min(l.calls, len(l.breaks))] {
			if stuck++; b != 0 {
				stuck = 1
			}
			worst = max(worst, stuck)
		}
		switch {
		case failed == nil && !slices.Equal(got, want):
			rt.Fatalf("listed %v, want %v", got, want)
		case failed != nil && !slices.Equal(got, want[:len(got)]):
			rt.Fatalf("listed %v, no beginning of %v", got, want)
		case failed != nil && worst < 4:
			rt.Fatalf("gave up after %d failures in a row", worst)
		}
	})
}

// TestListOnce: what cannot be taken up where it broke is not begun again once
// something was yielded, and nothing is after an answer.
func TestListOnce(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name   string
		breaks []int
		opts   store.ListOptions
		kind   store.Kind
		calls  int
		keys   int
	}{
		{"any order, at once", []int{0, 0}, store.ListOptions{AnyOrder: true}, store.Unavailable, 3, 5},
		{"any order, later", []int{2}, store.ListOptions{AnyOrder: true}, store.Unavailable, 1, 2},
		{"denied", []int{2}, store.ListOptions{}, store.Denied, 1, 2},
		{"invalid", []int{0}, store.ListOptions{}, store.Invalid, 1, 0},
		{"progress begins anew", []int{1, 0, 1, 0, 1, 0, 1}, store.ListOptions{}, store.Throttled, 8, 5},
	} {
		l := &lister{keys: manyKeys(5), breaks: x.breaks, kind: x.kind}
		n, failed := 0, error(nil)
		for _, err := range l.decorated(retry.Options{Attempts: 3}).List(t.Context(), x.opts) {
			if failed = err; err == nil {
				n++
			}
		}
		if l.calls != x.calls || n != x.keys || (failed == nil) != (x.keys == 5) {
			t.Errorf("%s: %d calls, %d keys, %v", x.name, l.calls, n, failed)
		}
	}
	for breaks, want := range map[int]int{0: 2, 2: 1} {
		l := &lister{keys: manyKeys(5), breaks: []int{breaks}, kind: store.Unavailable}
		u, _ := store.As[store.UploadAborter](l.decorated(retry.Options{}))
		for _, err := range u.Uploads(t.Context()) {
			if err != nil && breaks == 0 {
				t.Error(err)
			}
		}
		wantCalls(t, &l.script, want)
	}
}

// TestListStops: a reader that has enough ends the listing, and an error of its
// own making is not the store's.
func TestListStops(t *testing.T) {
	t.Parallel()
	l := &lister{keys: manyKeys(5), breaks: []int{2}, kind: store.Unavailable}
	for o, err := range l.decorated(retry.Options{}).List(t.Context(), store.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if o.Key == "k001" {
			break
		}
	}
	wantCalls(t, &l.script, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l = &lister{keys: manyKeys(5), breaks: []int{2}, kind: store.Unavailable}
	var failed error
	for o, err := range l.decorated(retry.Options{}).List(ctx, store.ListOptions{}) {
		if failed = err; o != nil {
			cancel()
		}
	}
	if !errors.As(failed, new(*store.Error)) || l.calls != 1 {
		t.Errorf("%v after %d calls", failed, l.calls)
	}
}
