package backfill

import "sync/atomic"

// Progress counts what a run has done so far. The zero value is ready. Snapshot
// may be called at any time from any goroutine.
type Progress struct {
	seen, seenBytes                   atomic.Int64
	done, doneBytes                   atomic.Int64
	copied, updated, skipped, deleted atomic.Int64
	failed, conflicts, extra          atomic.Int64
	bytes, read                       atomic.Int64
	listed                            atomic.Bool
}

// Snapshot is the state of a run at one moment. Bytes are those of bodies.
type Snapshot struct {
	Seen, SeenBytes int64 // objects of the source listed so far
	Done, DoneBytes int64 // of these, those that are dealt with
	Copied          int64
	Updated         int64
	Skipped         int64
	Deleted         int64
	Failed          int64
	Bytes           int64 // copied, of objects that are complete
	Read            int64 // read from the source, those of unfinished objects included
	Listed          bool  // the listing is complete: Seen is all
}

// Snapshot returns the counts. They are read one by one: their sums may be off
// by what happens meanwhile.
func (p *Progress) Snapshot() Snapshot {
	return Snapshot{
		// Done first: it must not seem to be more than Seen.
		Done: p.done.Load(), DoneBytes: p.doneBytes.Load(),
		Seen: p.seen.Load(), SeenBytes: p.seenBytes.Load(),
		Copied: p.copied.Load(), Updated: p.updated.Load(), Skipped: p.skipped.Load(),
		Deleted: p.deleted.Load(), Failed: p.failed.Load(),
		Bytes: p.bytes.Load(), Read: p.read.Load(), Listed: p.listed.Load(),
	}
}

// reset forgets what was counted, for a comparison that starts over.
func (p *Progress) reset() {
	for _, n := range []*atomic.Int64{&p.seen, &p.seenBytes, &p.done, &p.doneBytes, &p.failed} {
		n.Store(0)
	}
}
