// Package model runs replicate.Sync against two modelled stores under a
// scheduler that decides, at each request, who goes on and what befalls it.
// Only one Sync runs at a time, as a coroutine, and everything that happens
// follows from the numbers of a Chooser: the same numbers, the same run.
//
// A request takes effect when the scheduler lets its Sync go on. What a Sync
// computes between two requests touches no store, so the orders of requests are
// all the orders there are.
package model

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// Chooser makes the decisions of a run.
type Chooser interface {
	// Choose returns a number in [0, n). Zero is always the calmest choice, so
	// that shrinking towards zero gives the simplest run. n is at least 1.
	Choose(n int) int
}

// Versions says how a store names versions.
type Versions uint8

// The ways.
const (
	Unique    Versions = iota // a counter, as on GCS, Azure and files
	Recurring                 // a hash of the bytes only, as an ETag of S3
	Kept                      // on a source: unique, and old versions can still be read by a pin, as in a versioned bucket
	Unbound                   // on a target: recurring, and conditions on writes are ignored
)

func (v Versions) String() string {
	return [...]string{"unique", "recurring", "kept", "unbound"}[v]
}

// Config is the world of a run.
type Config struct {
	Keys   int // 1 to 3
	Source Versions
	Target Versions

	SilentSource bool // tells no checksums, as S3 for some multipart objects
	SilentTarget bool
	Updates      bool // the target can update metadata in one step
	Shared       bool // one Replicator for all Syncs, else one each
	BodySteps    bool // bodies are read in two steps, with the scheduler in between
	Reverse      bool // writes to the target are events to a Sync in the other direction
	Forgets      bool // a Sync that fails is not delivered again if another for its event was acknowledged

	SmallBytes int64
	Attempts   int
	Policy     replicate.Policy

	// How often each may happen.
	Changes, Foreign, Faults, Duplicates, Ticks int
}

func (c Config) String() string {
	return fmt.Sprintf("%d keys, source %v (silent %v), target %v (silent %v, updates %v), deletes %v, foreign %v, small %d, attempts %d, shared %v, reverse %v",
		c.Keys, c.Source, c.SilentSource, c.Target, c.SilentTarget, c.Updates, c.Policy.Deletes, c.Policy.Foreign, c.SmallBytes, c.Attempts, c.Shared, c.Reverse)
}

// The names of the two ends in stamps.
const (
	sourceID = "s3://source/"
	targetID = "gs://target/"
)

// event says that a key may have changed, and is delivered until a Sync for it
// ends without error.
type event struct {
	key     string
	hint    replicate.Hint
	reverse bool // came from the target
	running int  // Syncs that work on it now
	failed  int  // the step at which one failed
	acked   bool
}

// World is one run.
type World struct {
	cfg    Config
	choose Chooser

	clock   int64 // seconds, of both stores
	step    int
	counter int // of versions and of fresh bodies

	history map[string][]*state // of the source; never empty
	target  map[string]*object  // absent keys are not in it
	keys    []string

	forward, back *replicate.Replicator // where they are shared
	events        []*event
	tasks         []*task // those that are not done
	calls         int     // Syncs begun
	cur           *task   // the one that runs

	meddled   map[string]bool // keys that a foreigner wrote or deleted on the target
	stranded  map[string]bool // keys where a write took effect whose Sync then failed
	hadTarget map[string]bool // whether the target had the key when it was last deleted from the source
	quiet     bool            // no write is expected any more: invariant 7
	broken    string          // the first invariant that broke
	lines     []line
	late      []func()         // requests of dead Syncs that are still under way
	lastHints []replicate.Hint // of the Syncs at the end that have nothing to do
}

func newWorld(cfg Config, c Chooser) *World {
	w := &World{
		cfg: cfg, choose: c, clock: 1_700_000_000,
		history: map[string][]*state{}, target: map[string]*object{},
		meddled: map[string]bool{}, stranded: map[string]bool{}, hadTarget: map[string]bool{},
	}
	for i := range cfg.Keys {
		k := string(rune('a' + i))
		w.keys = append(w.keys, k)
		w.history[k] = []*state{{gone: true, until: -1}}
	}
	return w
}

// breaks notes the first violation. The run ends at the next step.
func (w *World) breaks(invariant int, key, format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf("breaks invariant %d (%s) for key %s: %s", invariant, invariants[invariant], key, fmt.Sprintf(format, args...))
		w.note(line{text: w.broken})
	}
}

// invariants are named as in the documents.
var invariants = map[int]string{
	1: "nothing lost", 2: "never backwards", 3: "nothing resurrected", 4: "no delete by guess",
	5: "all or nothing", 6: "foreign objects are safe", 7: "loops end",
}

// replicator returns the Replicator for the next Sync.
func (w *World) replicator(reverse bool) *replicate.Replicator {
	shared := &w.forward
	if reverse {
		shared = &w.back
	}
	if *shared != nil {
		return *shared
	}
	var src, dst store.Store = &source{w}, w.targetStore()
	opts := replicate.Options{
		SourceID: sourceID, TargetID: targetID, Policy: w.cfg.Policy,
		Log: quietLog, SmallBytes: w.cfg.SmallBytes, Attempts: w.cfg.Attempts,
		Sleep:  func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Jitter: func() float64 { return 0 },
	}
	if w.cfg.Source != Recurring {
		src = uniqueSource{&source{w}}
	}
	if reverse {
		src, dst = dst, src
		opts.SourceID, opts.TargetID = targetID, sourceID
		opts.Policy.Foreign = replicate.KeepForeign
	}
	r, err := replicate.New(src, dst, opts)
	if err != nil {
		panic(err)
	}
	if w.cfg.Shared {
		*shared = r
	}
	return r
}

var quietLog = slog.New(slog.DiscardHandler)
