// Package replicate holds the one rule of crossfade: Sync makes one key of the
// target equal to the source, whatever happened before and whoever else is at
// it. Plan decides, purely; Sync acts on conditions and confirms.
package replicate

import (
	"context"
	"log/slog"
	"time"

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
	Action   Action
	Reason   string
	Bytes    int64         // copied
	Attempts int           // rounds of the loop
	Source   *store.Object // as last read; nil when absent
}

// Replicator syncs keys from one store to another.
type Replicator struct {
	src, dst store.Store
	opts     Options
}

// New returns a Replicator. The stores remain the caller's to close.
func New(src, dst store.Store, opts Options) (*Replicator, error) {
	return &Replicator{src: src, dst: dst, opts: opts}, nil
}

// Sync makes key on the target equal to the source, or says why not. A nil
// error means that the key was in order when Sync returned, or is a Conflict
// that the policy leaves alone. An event for key may then be acknowledged.
// Errors carry a store.Kind.
func (r *Replicator) Sync(ctx context.Context, key string, hint Hint) (Result, error) {
	return Result{}, nil
}

// InSync reports whether two listed objects are surely in order, so that no
// Sync is needed. dst's stamp must have been listed; false means unknown.
func (r *Replicator) InSync(src, dst *store.Object) bool { return false }

// Ours reports whether an object on the target carries a valid stamp of this
// migration for its key. Meaningless for Partial objects.
func (r *Replicator) Ours(dst *store.Object) bool { return false }
