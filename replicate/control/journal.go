package control

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// The bounds of one entry: so many keys, each of a KiB at most, of which JSON
// may make six times as much.
const (
	maxJournalKeys  = 4096
	maxJournalEntry = 6*1024*maxJournalKeys + 1<<20
)

// journalEntry is what an invocation notes before it syncs.
type journalEntry struct {
	Keys []string `json:"keys"`
}

// Record notes keys that are about to be synced in the journal of run. It is
// called before the Syncs, so that a write which is under way at the freeze, or
// whose writer died, is known to the comparison.
func (d *Documents) Record(ctx context.Context, run string, keys []string, now time.Time) error {
	for part := range slices.Chunk(keys, maxJournalKeys) {
		if err := d.put(ctx, d.journal(run)+slot(now)+"/"+d.random(), journalEntry{part}); err != nil {
			return err
		}
	}
	return nil
}

func (d *Documents) journal(run string) string { return Prefix(d.Migration) + journalDir + run + "/" }

// Entries yields the names of the journal's entries of run from the slot that
// since falls in on; of all slots if it is zero. Entries are named by the clocks
// of those who wrote them: allow for a difference.
func (d *Documents) Entries(ctx context.Context, run string, since time.Time) iter.Seq2[string, error] {
	prefix := d.journal(run)
	after := prefix
	if !since.IsZero() {
		after += slot(since)
	}
	return d.names(ctx, prefix, after)
}

// EntrySlots are the times to call EntriesOf with to read the slots from since to
// until at once.
func EntrySlots(since, until time.Time) []time.Time {
	var slots []time.Time
	for t := since.Truncate(slotLength); !t.After(until); t = t.Add(slotLength) {
		slots = append(slots, t)
	}
	return slots
}

// EntriesOf yields the names of the entries in the one slot of t.
func (d *Documents) EntriesOf(ctx context.Context, run string, t time.Time) iter.Seq2[string, error] {
	prefix := d.journal(run) + slot(t) + "/"
	return d.names(ctx, prefix, prefix)
}

// Keys reads one entry.
func (d *Documents) Keys(ctx context.Context, entry string) ([]string, error) {
	b, _, err := d.read(ctx, entry, maxJournalEntry)
	if err != nil {
		return nil, err
	}
	var e journalEntry
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, &store.Error{Op: "control", Key: entry, Kind: store.Invalid, Err: fmt.Errorf("the journal's entry is damaged: %w", err)}
	}
	return e.Keys, nil
}

// names lists the keys with a prefix that follow after.
func (d *Documents) names(ctx context.Context, prefix, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		// '0' follows '/': the last key that can begin with the prefix.
		until := strings.TrimSuffix(prefix, "/") + "0"
		for o, err := range d.store.List(ctx, store.ListOptions{After: after, Until: until}) {
			if err != nil {
				yield("", err)
				return
			}
			if !strings.HasPrefix(o.Key, prefix) {
				continue
			}
			if !yield(o.Key, nil) {
				return
			}
		}
	}
}

// Discard removes all documents below a prefix of the migration's own, such as
// the journal of a run, and returns how many there were.
func (d *Documents) discard(ctx context.Context, prefix string) (n int, err error) {
	for name, err := range d.names(ctx, prefix, prefix) {
		if err != nil {
			return n, err
		}
		if err := d.store.Delete(ctx, name, store.Condition{}); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// DiscardJournals removes the journals of all runs.
func (d *Documents) DiscardJournals(ctx context.Context) (int, error) {
	return d.discard(ctx, Prefix(d.Migration)+journalDir)
}
