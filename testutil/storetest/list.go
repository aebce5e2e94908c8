package storetest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/crossfade-io/crossfade/store"
)

func listCases() []testCase {
	return []testCase{
		{"List/Order", listOrder},
		{"List/Bounds", listBounds},
		{"List/Paging", listPaging},
		{"List/StopsEarly", listStops},
		{"List/ConcurrentDeletes", listConcurrentDeletes},
		{"List/ConcurrentPuts", listConcurrentPuts},
	}
}

// orderKeys sort differently by byte, by path segment, by UTF-16 unit and
// without regard to case.
func orderKeys() []string {
	return []string{
		"A", "B", "Z", "a", "a-b", "a-b/c", "a.b", "a.b/c", "a/", "a/b", "a/b-c", "a/b.c", "a/b/c", "a/b0", "a0", "aB", "ab",
		"ab/c", "b", "b!", "b!/x", "b/", "b/x", "b0/x", "é", "z", "z/\U0001F600", "z/～", "～", "\U0001F600", "ﬀ", "10", "2", "_", "~",
	}
}

func listOrder(t *T) {
	keys := slices.DeleteFunc(orderKeys(), t.BadKey)
	if t.NoKeyBelowKey {
		keys = withoutClashes(keys)
	}
	t.putAll(keys)
	t.wantKeys(keys...)
}

// withoutClashes drops keys that lie below another key.
func withoutClashes(keys []string) []string {
	set := map[string]bool{}
	for _, k := range keys {
		set[k] = true
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k string) bool {
		for i := range len(k) {
			if k[i] == '/' && set[k[:i]] {
				return true
			}
		}
		return false
	})
}

// bodyFor is a body that tells its key.
func bodyFor(key string) []byte { return []byte("body of <" + key + ">") }

// putAll stores bodyFor each key, several at once.
func (t *T) putAll(keys []string) {
	t.Helper()
	t.each(keys, func(key string) {
		o, err := t.Store.Put(t.ctx, key, store.Bytes(bodyFor(key)), store.PutOptions{})
		if err != nil {
			t.Errorf("Put %q: %v", key, err)
		} else if o.Key != key {
			t.Errorf("Put %q returned key %q", key, o.Key)
		}
	})
}

// each calls f for each key, 16 at once.
func (t *T) each(keys []string, f func(key string)) {
	var wg sync.WaitGroup
	todo := make(chan string)
	for range 16 {
		wg.Go(func() {
			for key := range todo {
				f(key)
			}
		})
	}
	for _, k := range keys {
		todo <- k
	}
	close(todo)
	wg.Wait()
}

// listBounds tries bounds that are keys, and others between them: each alone on
// either side, with itself, and with some that are drawn.
func listBounds(t *T) {
	keys := []string{"a", "a-b", "a.b", "b/1", "b/2", "b/3", "b0", "c/d/e", "c/d/f", "c/e"}
	t.putAll(keys)
	bounds := append(slices.Clone(keys), "", "A", "a,", "a/", "b", "b/", "b/0", "b/2\x01", "b/22", "c/d", "c/d/", "c/d/ez", "zz")
	for _, after := range bounds {
		untils := bounds
		if after != "" {
			untils = []string{"", after}
			for range 3 {
				untils = append(untils, bounds[t.rng.IntN(len(bounds))])
			}
		}
		for _, until := range untils {
			want := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return k <= after || until != "" && k > until })
			if got := t.keys(store.ListOptions{After: after, Until: until}); !slices.Equal(got, want) {
				t.Errorf("keys in (%q, %q] are %q, want %q", after, until, got, want)
			}
		}
	}
}

func listPaging(t *T) {
	keys := make([]string, t.ListKeys)
	for i := range keys {
		keys[i] = fmt.Sprintf("dir%d/key%05d", i%7, i)
	}
	t.putAll(keys)
	slices.Sort(keys)
	t.wantKeys(keys...)
	mid := len(keys) / 3
	if got := t.keys(store.ListOptions{After: keys[mid]}); !slices.Equal(got, keys[mid+1:]) {
		t.Errorf("after %q: %d keys, want %d", keys[mid], len(got), len(keys)-mid-1)
	}
	if got := t.keys(store.ListOptions{After: keys[mid], Until: keys[len(keys)-2]}); !slices.Equal(got, keys[mid+1:len(keys)-1]) {
		t.Errorf("bounded: %d keys, want %d", len(got), len(keys)-mid-2)
	}
}

// listStops ends listings early, which must leave the store usable.
func listStops(t *T) {
	keys := []string{"a", "b", "c/d", "c/e", "f"}
	t.putAll(keys)
	for n := range len(keys) {
		var got []string
		for o, err := range t.Store.List(t.ctx, store.ListOptions{}) {
			if err != nil {
				t.Fatalf("List: %v", err)
			}
			if got = append(got, o.Key); len(got) > n {
				break
			}
		}
		if !slices.Equal(got, keys[:n+1]) {
			t.Errorf("stopped after %d: %q", n+1, got)
		}
	}
	seq := t.Store.List(t.ctx, store.ListOptions{})
	for range 2 { // a sequence can be ranged over again
		n := 0
		for _, err := range seq {
			if err != nil {
				t.Fatalf("List: %v", err)
			}
			n++
		}
		if n != len(keys) {
			t.Errorf("listed %d, want %d", n, len(keys))
		}
	}
}

// listConcurrentDeletes: a key that is deleted while it is listed may be
// yielded or not; all others are, once, in order, without an error.
func listConcurrentDeletes(t *T) {
	var stay, gone []string
	for i := range 80 {
		stay = append(stay, fmt.Sprintf("d%d/%03d-stays", i/20, i))
		gone = append(gone, fmt.Sprintf("d%d/%03d-goes", i/20, i), fmt.Sprintf("gone%d/x", i))
	}
	t.putAll(append(slices.Clone(stay), gone...))
	t.during(func(during func()) {
		t.each(gone, func(key string) {
			if err := t.Store.Delete(t.ctx, key, store.Condition{}); err != nil {
				t.Errorf("Delete %q: %v", key, err)
			}
			during()
		})
	}, stay)
	t.wantKeys(stay...)
}

// listConcurrentPuts: likewise for keys that are overwritten or new.
func listConcurrentPuts(t *T) {
	var there, fresh []string
	for i := range 60 {
		there = append(there, fmt.Sprintf("d%d/%03d", i/15, i))
		fresh = append(fresh, fmt.Sprintf("d%d/%03d-new", i/15, i), fmt.Sprintf("new%d/x", i))
	}
	t.putAll(there)
	all := append(slices.Clone(there), fresh...)
	t.during(func(during func()) {
		t.each(all, func(key string) {
			if _, err := t.Store.Put(t.ctx, key, store.Bytes(bodyFor(key)), store.PutOptions{}); err != nil {
				t.Errorf("Put %q: %v", key, err)
			}
			during()
		})
	}, there)
	t.wantKeys(all...)
}

// during lists again and again while change runs, and requires that each
// listing has all of want. change calls its argument after each step.
func (t *T) during(change func(step func()), want []string) {
	steps := make(chan struct{}, 1)
	go func() {
		defer close(steps)
		change(func() {
			select {
			case steps <- struct{}{}:
			default:
			}
		})
	}()
	defer func() {
		for range steps { // also when the case ends here: change reports to t
			continue
		}
	}()
	for range steps {
		got := t.keys(store.ListOptions{})
		for _, k := range want {
			if _, ok := slices.BinarySearch(got, k); !ok {
				t.Errorf("a listing during changes misses %q, which nobody touched", k)
			}
		}
	}
}
