package cutover

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

const (
	// clockDifference is how far the clocks of functions may be from the
	// operator's: entries of the journal are named by them.
	clockDifference = 2 * time.Minute

	// nearby is the part of the journal that every look reads; all that may still
	// grow is read every so often, and at the end.
	nearby   = 20 * time.Second
	farEvery = 5 * time.Second

	// slotLength is how much time one part of the journal spans.
	slotLength = 10 * time.Second

	journalTries = 3
	journalPause = 50 * time.Millisecond
)

// journal reads the entries of a run's journal, each once. It is not for several
// goroutines at once.
type journal struct {
	*Engine
	run   string
	begin time.Time // no entry is older

	near, far time.Time // when the last look of each sort began

	// The entries that were read, by their slot. What cannot grow any more is
	// dropped.
	mu   sync.Mutex
	seen map[int64]map[string]bool
}

func newJournal(e *Engine, run string, s control.State) *journal {
	j := &journal{Engine: e, run: run, seen: map[int64]map[string]bool{}, begin: e.o.Now()}
	if s.Run != nil && s.Run.ID == run {
		j.begin = s.Run.Announced
	}
	j.begin = j.begin.Add(-clockDifference)
	return j
}

// read calls add for each key of the entries that are new; all is to read
// everything that may have grown since it was last read. Slots and entries are
// read at once: of a busy journal each slot has many.
func (j *journal) read(ctx context.Context, all bool, add func(key string)) error {
	now := j.o.Now()
	since, until := j.near.Add(-nearby), now.Add(nearby)
	if all = all || j.far.IsZero() || now.Sub(j.far) >= farEvery; all {
		since, until = j.far.Add(-clockDifference-slotLength), now.Add(clockDifference)
	}
	if since.Before(j.begin) {
		since = j.begin
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(tailConcurrency)
	// The entries are read beside the listings, so with a limit of their own; and
	// not under gctx, which ends when the listings are done.
	entries, ectx := errgroup.WithContext(ctx)
	entries.SetLimit(tailConcurrency)
	for _, slot := range control.EntrySlots(since, until) {
		g.Go(func() error {
			return j.try(gctx, func() error {
				for name, err := range j.docs.EntriesOf(gctx, j.run, slot) {
					if err != nil {
						return err
					}
					if !j.first(slot, name) {
						continue
					}
					entries.Go(func() error {
						keys, err := j.entry(ectx, name)
						if err != nil {
							j.forget(slot, name)
							return err
						}
						mu.Lock()
						defer mu.Unlock()
						for _, key := range keys {
							add(key)
						}
						return nil
					})
				}
				return nil
			})
		})
	}
	err := g.Wait()
	if eerr := entries.Wait(); err == nil {
		err = eerr
	}
	if err != nil {
		return err
	}
	if j.near = now; all {
		j.far = now
		j.drop(now.Add(-clockDifference - 2*slotLength))
	}
	return nil
}

func (j *journal) entry(ctx context.Context, name string) (keys []string, err error) {
	err = j.try(ctx, func() error {
		keys, err = j.docs.Keys(ctx, name)
		return err
	})
	return keys, err
}

// first reports whether an entry was not read before.
func (j *journal) first(slot time.Time, name string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	of := j.seen[slot.Unix()]
	if of == nil {
		of = map[string]bool{}
		j.seen[slot.Unix()] = of
	}
	if of[name] {
		return false
	}
	of[name] = true
	return true
}

// forget has an entry read again, for it could not be.
func (j *journal) forget(slot time.Time, name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.seen[slot.Unix()], name)
}

// drop forgets the slots that will not be read again.
func (j *journal) drop(before time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for slot := range j.seen {
		if slot < before.Unix() {
			delete(j.seen, slot)
		}
	}
}

// try calls f again where its error may pass.
func (j *journal) try(ctx context.Context, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		retryable := slices.Contains([]store.Kind{store.Unknown, store.Throttled, store.Unavailable}, store.KindOf(err))
		if err == nil || !retryable || n == journalTries || j.o.Sleep(ctx, journalPause) != nil {
			return err
		}
	}
}
