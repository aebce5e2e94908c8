// Package replicate holds the one rule of crossfade: Sync makes one key of the
// target equal to the source, whatever happened before and whoever else is at
// it. Plan decides, purely; Sync acts on conditions and confirms.
package replicate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/crossfade-io/crossfade/store"
)

// Hint is what the caller believes of a key. It only chooses the order of
// requests; a wrong one costs requests, never correctness.
type Hint uint8

// The hints.
const (
	HintNone    Hint = iota
	HintNew          // likely absent on the target: try GET source, PUT if absent
	HintRemoved      // likely absent on the source
)

// Options configure a Replicator. Zero values choose the defaults.
type Options struct {
	// SourceID and TargetID name the ends in stamps, as by config.Location.ID:
	// the same in every process that works on one migration. Required.
	SourceID string
	TargetID string

	Policy Policy
	Log    *slog.Logger // default: discard

	SmallBytes  int64 // bodies up to this are held in memory: default 8 MiB
	MemoryBytes int64 // bound on all small bodies in memory at once: default 64 MiB
	Attempts    int   // rounds of the loop before Sync gives up: default 8

	// Sleep waits between rounds, and Jitter is in [0,1): both for tests.
	Sleep  func(context.Context, time.Duration) error
	Jitter func() float64
}

// Result says what a Sync did.
type Result struct {
	Action   Action // the last one that changed the target, else what the last plan said
	Reason   string
	Bytes    int64         // copied
	Attempts int           // rounds of the loop
	Source   *store.Object // as last read; nil when absent
}

// Replicator syncs keys from one store to another. It may be used by any number
// of goroutines, and any number of Replicators may work on the same stores.
type Replicator struct {
	src, dst store.Store
	ends     Ends
	opts     Options
	memory   *semaphore.Weighted
	recent   *recent
	update   store.MetadataUpdater // nil where the target has none
	recurs   bool                  // versions on either end may recur
}

// New returns a Replicator. The stores remain the caller's to close.
func New(src, dst store.Store, opts Options) (*Replicator, error) {
	switch {
	case src == nil || dst == nil:
		return nil, errors.New("replicate: source and target are required")
	case opts.SourceID == "" || opts.TargetID == "":
		return nil, errors.New("replicate: SourceID and TargetID are required")
	case opts.SourceID == opts.TargetID:
		return nil, fmt.Errorf("replicate: source and target are the same: %s", opts.SourceID)
	}
	opts.SmallBytes = cmp.Or(opts.SmallBytes, 8<<20)
	opts.MemoryBytes = cmp.Or(opts.MemoryBytes, 64<<20)
	opts.Attempts = cmp.Or(opts.Attempts, 8)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Sleep == nil {
		opts.Sleep = store.Sleep
	}
	if opts.Jitter == nil {
		opts.Jitter = rand.Float64
	}
	r := &Replicator{
		src: src, dst: dst, opts: opts,
		ends:   Ends{Source: opts.SourceID, Target: opts.TargetID},
		memory: semaphore.NewWeighted(opts.MemoryBytes),
		recent: newRecent(4096),
	}
	r.update, _ = store.As[store.MetadataUpdater](dst)
	_, uniqueSource := store.As[store.UniqueVersions](src)
	_, uniqueTarget := store.As[store.UniqueVersions](dst)
	r.recurs = !uniqueSource || !uniqueTarget
	return r, nil
}

// With returns a Replicator under another policy that shares all else with r,
// its bound on memory too.
func (r *Replicator) With(p Policy) *Replicator {
	c := *r
	c.opts.Policy = p
	return &c
}

// InSync reports whether two listed objects are surely in order, so that no
// Sync is needed. False means only that a Sync must look.
func (r *Replicator) InSync(src, dst *store.Object) bool {
	if isOriginal(src, dst, r.ends, r.opts.Policy) {
		return true
	}
	if src.Partial {
		stamp, ok := stampOf(dst)
		return ok && !dst.Partial && stamp.From == r.ends.Source && stamp.Version.Covers(src.Version) &&
			sameTime(stamp.ModTime, src.ModTime) && stamp.Size == src.Size
	}
	return !dst.Partial && Plan(src, dst, r.ends, r.opts.Policy).Action == Skip && r.Ours(dst)
}

// Ours reports whether an object on the target carries a valid stamp of this
// migration for its key. Meaningless for Partial objects.
func (r *Replicator) Ours(dst *store.Object) bool {
	stamp, ok := stampOf(dst)
	return ok && stamp.From == r.ends.Source
}
