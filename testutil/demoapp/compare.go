package demoapp

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Finding is a fault.
type Finding struct {
	Key     string
	Verdict Verdict
	Why     string
}

// Findings are faults by key.
type Findings map[string]Finding

// add keeps the first fault of a key: what follows may be its consequence.
func (f Findings) add(key string, v Verdict, why string) {
	if _, ok := f[key]; ok || v == Fine {
		return
	}
	f[key] = Finding{Key: key, Verdict: v, Why: why}
}

// Count counts the faults of one verdict.
func (f Findings) Count(v Verdict) int {
	n := 0
	for _, x := range f {
		if x.Verdict == v {
			n++
		}
	}
	return n
}

// Sorted returns the faults in the order of their keys.
func (f Findings) Sorted() []Finding {
	return slices.SortedFunc(maps.Values(f), func(a, b Finding) int { return strings.Compare(a.Key, b.Key) })
}

// Checked are the faults that Run has found before it wrote.
func (a *App) Checked() Findings {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.findings)
}

// Merge adds the faults of keys that f has none of.
func (f Findings) Merge(other Findings) {
	for key, x := range other {
		f.add(key, x.Verdict, x.Why)
	}
}

// Compare reads every object of the bucket, and every key of the record, and
// judges them; one that cannot be read is corrupt. ignore names keys that are
// nobody's business. An error means that the comparison is not complete.
func (a *App) Compare(ctx context.Context, c Client, ignore func(key string) bool) (Findings, error) {
	keys := map[string]bool{}
	for _, key := range a.Record.Keys() {
		keys[key] = true
	}
	var listed map[string]bool
	err := a.again(ctx, func() error {
		listed = map[string]bool{} // what a failed listing told is not the whole
		return c.List(ctx, func(key string) bool {
			listed[key] = !ignore(key)
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(listed, func(_ string, ours bool) bool { return !ours })
	maps.Copy(keys, listed)

	findings := Findings{}
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		next = make(chan string)
	)
	for range a.opts.Workers {
		wg.Go(func() {
			for key := range next {
				v, why, present, err := a.judge(ctx, c, key)
				mu.Lock()
				switch {
				case err != nil:
					findings.add(key, Corrupt, "cannot be read: "+err.Error())
				case v == Fine && present != listed[key]:
					findings.add(key, Corrupt, "its listing and its reading disagree")
				default:
					findings.add(key, v, why)
				}
				mu.Unlock()
			}
		})
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		next <- key
	}
	close(next)
	wg.Wait()
	return findings, ctx.Err()
}
