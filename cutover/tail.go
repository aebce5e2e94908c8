package cutover

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
)

const (
	tailPoll = 250 * time.Millisecond

	// tailSettle is how long after a key was journaled it is looked at: the
	// function that did so is still to sync it.
	tailSettle = time.Second

	// tailConcurrency is how many keys are looked at, and entries read, at once.
	tailConcurrency = 64
)

// tail reads the journal of a run as it grows, and looks at each key in it, so
// that in the freeze only the last ones are left. It remembers each key that was
// journaled: about 300 bytes and the key. That is bounded by the changes between
// announcement and freeze, not by the size of the bucket.
type tail struct {
	*comparer
	journal *journal
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu   sync.Mutex
	keys map[string]*tailed
	due  []dueKey // in the order of time
}

// tailed is a key of the journal.
type tailed struct {
	journaled int // how often
	looks     int // in vain, since it was journaled last

	// The last look that found it equal, or the last one in the freeze, and how
	// often it had been journaled when that began.
	seen   int
	class  backfill.Class
	mended bool
	pair   control.EndPair
}

// dueKey is a key that is to be looked at.
type dueKey struct {
	at  time.Time
	key string
}

// Follow reads the journal of run, from its beginning on, until Stop or Final.
func (c *comparer) Follow(ctx context.Context, run string) *tail {
	ctx, cancel := context.WithCancel(ctx)
	t := &tail{comparer: c, cancel: cancel, keys: map[string]*tailed{}}
	t.journal = newJournal(c.Engine, run, c.since)
	c.handOver = t.takes
	t.wg.Go(func() {
		for {
			if err := t.step(ctx); err != nil && ctx.Err() == nil {
				c.log.WarnContext(ctx, "the journal cannot be read now", slog.Any("error", err))
			}
			if c.o.Sleep(ctx, tailPoll) != nil {
				return
			}
		}
	})
	return t
}

// Stop ends the reading. It may be called more than once.
func (t *tail) Stop() {
	t.cancel()
	t.wg.Wait()
}

// step reads what is new and looks at what is due.
func (t *tail) step(ctx context.Context) error {
	err := t.journal.read(ctx, false, t.add)
	t.lookAt(ctx, t.takeDue(), func(key string) looked {
		if t.lookedInVain(key) == 0 {
			return t.look(ctx, key)
		}
		return t.mend(ctx, key)
	})
	return err
}

// add notes that a key was journaled.
func (t *tail) add(key string) {
	if !t.filter.Match(key) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.keys[key]
	if k == nil {
		k = &tailed{}
		t.keys[key] = k
	}
	k.journaled++
	k.looks = 0
	if k.journaled-1 == k.seen { // else it is due already
		t.due = append(t.due, dueKey{t.o.Now().Add(tailSettle), key})
	}
}

// takes reports whether a key is in the journal, and if so has it looked at once
// more, in the freeze at the latest.
func (t *tail) takes(key string) bool {
	t.mu.Lock()
	_, is := t.keys[key]
	t.mu.Unlock()
	if is {
		t.add(key)
	}
	return is
}

func (t *tail) takeDue() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, n := t.o.Now(), 0
	for n < len(t.due) && !t.due[n].at.After(now) {
		n++
	}
	keys := make([]string, n)
	for i := range keys {
		keys[i] = t.due[i].key
	}
	t.due = append([]dueKey(nil), t.due[n:]...)
	return keys
}

func (t *tail) lookedInVain(key string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.keys[key].looks
}

// lookAt looks at keys, and has those looked at again that were not equal.
func (t *tail) lookAt(ctx context.Context, keys []string, look func(key string) looked) {
	var g errgroup.Group
	g.SetLimit(tailConcurrency)
	for _, key := range keys {
		g.Go(func() error {
			t.mu.Lock()
			before := t.keys[key].journaled
			t.mu.Unlock()
			l := look(key)
			t.mu.Lock()
			defer t.mu.Unlock()
			if k := t.keys[key]; l.class == backfill.Equal && ctx.Err() == nil {
				k.verdict(before, l, t.direction)
			} else {
				k.looks++
			}
			if k := t.keys[key]; k.seen < k.journaled {
				t.due = append(t.due, dueKey{t.o.Now().Add(tailSettle), key})
			}
			return nil
		})
	}
	g.Wait() //nolint:errcheck // none returns an error
}

// verdict notes a look that began when k had been journaled so often.
func (k *tailed) verdict(journaled int, l looked, d control.Direction) {
	k.seen, k.class, k.looks = journaled, l.class, 0
	k.mended = k.mended || l.mended
	k.pair = l.pair(d)
}

// Final ends the reading, within the freeze, once the barriers have come through:
// it reads the end of the journal, and looks at each key that was journaled after
// it was last seen to be equal. One that is not equal now is synced. It returns
// the versions of all keys of the journal that are equal.
func (t *tail) Final(ctx context.Context) (control.Verified, report.Comparison, error) {
	t.Stop()
	start := t.o.Now()
	if err := t.journal.read(ctx, true, t.add); err != nil {
		return control.Verified{}, report.Comparison{}, fmt.Errorf("reading the journal: %w", err)
	}
	var g errgroup.Group
	g.SetLimit(tailConcurrency)
	for key, k := range t.keys {
		if k.seen == k.journaled {
			continue
		}
		g.Go(func() error {
			// Nobody else is at the keys any more.
			k.verdict(k.journaled, t.mend(ctx, key), t.direction)
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return control.Verified{}, report.Comparison{}, err
	}
	v := control.Verified{Run: t.journal.run, Keys: make(map[string]control.EndPair, len(t.keys))}
	out := report.Comparison{Kind: report.CompareChanged, Start: start.UTC().Round(0), Keys: int64(len(t.keys))}
	for key, k := range t.keys {
		if k.class == backfill.Extra && !t.m.Deletes {
			k.class = backfill.Equal // it is to stay there
		}
		count(&out, key, k.class, k.mended)
		if k.class == backfill.Equal {
			v.Keys[key] = k.pair
		}
	}
	out.Seconds = t.o.Now().Sub(start).Seconds()
	return v, out, nil
}
