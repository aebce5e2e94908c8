package backfill

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// anyKeys draws keys as buckets have them: //, control bytes, what lies beyond
// ASCII, and one long prefix that all share.
func anyKeys(most int) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string {
		prefix := rapid.SampledFrom([]string{"", "a", "//", strings.Repeat("shared/", 40), "\x01", "\U0001f600", "z\U0010ffff", "\uffff"}).Draw(t, "prefix")
		part := rapid.OneOf(
			rapid.StringMatching(`[a-c/]{0,3}[0-9]{0,4}`),
			rapid.SampledFrom([]string{"\x00", "\x1f", "~", "\x7f", "\u00e9", "e\u0301", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\U0001f600", "\U0010ffff"}),
			rapid.StringN(1, 4, 12),
		)
		keys := map[string]bool{}
		for range rapid.IntRange(0, most).Draw(t, "n") {
			k := prefix + strings.Join(rapid.SliceOfN(part, 0, 3).Draw(t, "parts"), "")
			if k != "" && utf8.ValidString(k) {
				keys[k] = true
			}
		}
		sorted := make([]string, 0, len(keys))
		for k := range keys {
			sorted = append(sorted, k)
		}
		slices.Sort(sorted)
		return sorted
	})
}

// Whatever the keys, and in whatever order the listers go on, each key is
// reached by just one of them.
func TestSpansPartitionTheKeys(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		keys := anyKeys(60).Draw(t, "keys")
		after, until := "", ""
		if len(keys) > 2 && rapid.Bool().Draw(t, "bounded") {
			after, until = keys[0], keys[len(keys)-2]
		}
		s := newSpans(after, until, 1, rapid.IntRange(1, 5).Draw(t, "listers"))
		type lister struct {
			sp   *span
			keys []string // still to come, as listed when it began
		}
		begin := func(sp *span) lister {
			l := lister{sp: sp}
			for _, k := range keys {
				if k > sp.after && (sp.until == "" || k <= sp.until) {
					l.keys = append(l.keys, k)
				}
			}
			return l
		}
		listers := []lister{begin(s.take())}
		got := map[string]int{}
		for len(listers) > 0 {
			if sp := s.rob(); sp != nil && len(listers) < 8 {
				s.live = append(s.live, sp)
				listers = append(listers, begin(sp))
				continue
			} else if sp != nil { // nobody is free: it waits its turn
				s.live = append(s.live, sp)
				listers = append(listers, begin(sp))
			}
			i := rapid.IntRange(0, len(listers)-1).Draw(t, "lister")
			l := &listers[i]
			if len(l.keys) == 0 || !s.reached(l.sp, l.keys[0]) {
				s.finished(l.sp)
				listers = slices.Delete(listers, i, i+1)
				continue
			}
			got[l.keys[0]]++
			l.keys = l.keys[1:]
		}
		for _, k := range keys {
			want := 1
			if k <= after || until != "" && k > until {
				want = 0
			}
			if got[k] != want {
				t.Fatalf("%q was reached %d times, not %d", k, got[k], want)
			}
		}
		if s.take() != nil {
			t.Fatal("something is left")
		}
	})
}

func TestBetweenLiesBetween(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		keys := anyKeys(8).Draw(t, "keys")
		if len(keys) == 0 {
			return
		}
		low, high := keys[0], ""
		if len(keys) > 1 {
			high = keys[1]
		}
		mid, ok := between(low, high, rapid.SampledFrom([]int{0, common(low, keys[len(keys)/2])}).Draw(t, "least"))
		if ok && (mid <= low || high != "" && mid >= high || !utf8.ValidString(mid)) {
			t.Fatalf("%q is not between %q and %q", mid, low, high)
		}
	})
	for _, c := range []struct{ low, high, want string }{
		{"img/0001", "", "t"},
		{"img/0001", "img/9", "img/4"},
		{"a9", "b", "a\\"},
		{"a", "a ", ""},
		{"~", "", "\U0001003d"},
		{"\xff", "", ""},
	} {
		if got, ok := between(c.low, c.high, 0); got != c.want && ok || ok != (c.want != "") {
			t.Errorf("between %q and %q: %q, want %q", c.low, c.high, got, c.want)
		}
	}
}

// Wherever the keys lie, halving finds the way to them: all listers come to have
// their share.
func TestSpansShareTheWork(t *testing.T) {
	t.Parallel()
	const n, page, workers = 50_000, 100, 16
	for _, prefix := range []string{"", strings.Repeat("one/long/shared/prefix/", 6)} {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = fmt.Sprintf("%s%06d", prefix, i)
		}
		s := newSpans("", "", page, workers)
		live := []*span{s.take()}
		rounds, halves := 0, 0
		for ; len(live) > 0; rounds++ { // in a round each worker lists one page
			for len(live) < workers {
				sp := s.rob()
				if sp == nil {
					break
				}
				s.live, live = append(s.live, sp), append(live, sp)
				halves++
			}
			live = slices.DeleteFunc(live, func(sp *span) bool {
				i, found := slices.BinarySearch(keys, max(sp.after, sp.last))
				if found {
					i++
				}
				for _, k := range keys[i:min(i+page, n)] {
					if !s.reached(sp, k) {
						s.finished(sp)
						return true
					}
				}
				if i+page >= n {
					s.finished(sp)
				}
				return i+page >= n
			})
		}
		t.Logf("prefix of %d bytes: %d pages in %d rounds, with %d halves taken", len(prefix), n/page, rounds, halves)
		if rounds > n/page/4 || halves > workers+n/page/worthwhile {
			t.Errorf("%d pages took %d rounds with %d workers, and %d halves", n/page, rounds, workers, halves)
		}
	}
}
