package backfill

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// Run makes every key of dst equal to src. Keys that could not be copied are
// counted and named in the Summary; the error is for the run as a whole:
// ErrInterrupted, ErrTooManyDeletes, or a listing that failed. The Summary is
// valid in either case, for what was done until then.
func Run(ctx context.Context, src, dst store.Store, syncer Syncer, opts Options) (Summary, error) {
	opts = opts.withDefaults()
	r := &runner{Options: opts, src: src, dst: dst, sync: syncer, p: opts.Progress}
	seconds := opts.stopwatch()
	err := r.run(ctx)
	s := r.summary()
	s.Seconds, s.Interrupted = seconds(), err == ErrInterrupted //nolint:errorlint // r.run returns it unwrapped
	return s, err
}

type runner struct {
	Options
	src, dst store.Store
	sync     Syncer
	p        *Progress
	excluded atomic.Int64
	others   atomic.Int64 // objects of the source in other shards
	aborted  atomic.Int64 // uploads
	failures failures

	mu      sync.Mutex
	doomed  []string // keys to delete, up to MaxDelete
	tooMany bool     // there are more
}

// task is a key for a worker.
type task struct {
	key  string
	hint replicate.Hint
	size int64 // on the source, as listed

	extra    bool          // not on the source
	unlisted bool          // dst is unknown
	src, dst *store.Object // as listed; only where the worker needs them
}

func (r *runner) run(ctx context.Context) error {
	if r.Delete && r.MaxDelete < 0 {
		return fmt.Errorf("MaxDelete is %d: it cannot be negative", r.MaxDelete)
	}
	cleaner, err := r.newCleaner(ctx)
	if err != nil {
		return err
	}
	err = r.copyAndDelete(ctx)
	if cleaner == nil || errors.Is(err, ErrInterrupted) {
		return err
	}
	return joined(err, cleaner.run(ctx))
}

func (r *runner) copyAndDelete(ctx context.Context) error {
	complete, err := forEach(ctx, r.Options, func(put func(task) bool) error { return r.feed(ctx, put) }, r.work)
	switch {
	case r.stopped(ctx) && !complete:
		return ErrInterrupted
	case err != nil:
		return err
	case !r.Delete:
		return nil
	case r.NeverEmpty && len(r.doomed) > 0 && r.p.seen.Load()+r.excluded.Load()+r.others.Load() == 0:
		return errEmptySource
	}
	return r.deleteDoomed(ctx)
}

// feed compares the listings and puts what needs a worker.
func (r *runner) feed(ctx context.Context, put func(task) bool) error {
	ctx, cancel := r.untilStop(ctx)
	defer cancel()
	bounds := store.ListOptions{After: r.After, Until: r.Until}
	var last string
	var failed error
	for p, err := range merge(r.list(ctx, r.src, bounds), r.list(ctx, r.dst, bounds)) {
		if err != nil {
			failed = err
			break
		}
		if last = p.key(); r.stopped(ctx) || !r.route(p, false, put) {
			return ErrInterrupted
		}
	}
	if e, ok := unordered(failed); ok {
		failed = r.feedUnordered(ctx, e, last, put)
	}
	if failed == nil {
		r.p.listed.Store(true)
	}
	return failed
}

// route puts the key on the queue if a worker has to see it. unlisted says that
// p.dst is nil for want of a listing. It returns false when no more are wanted.
func (r *runner) route(p pair, unlisted bool, put func(task) bool) bool {
	key := p.key()
	if !r.Filter.Match(key) {
		if p.src != nil && !reserved(key) {
			r.excluded.Add(1)
		}
		return true
	}
	switch {
	case !r.Shard.Has(key):
		if p.src != nil {
			r.others.Add(1)
		}
		return true
	case p.src == nil && !r.Delete:
		r.p.extra.Add(1)
		return true
	case p.src == nil:
		return put(task{key: key, extra: true, dst: p.dst})
	}
	t := task{key: key, size: p.src.Size, unlisted: unlisted}
	r.p.seen.Add(1)
	r.p.seenBytes.Add(t.size)
	switch {
	case unlisted:
	case p.dst == nil:
		t.hint = replicate.HintNew
	case r.sync.InSync(p.src, p.dst):
		r.p.skipped.Add(1)
		r.finish(t.size)
		return true
	}
	if r.DryRun {
		t.src, t.dst = p.src, p.dst
	}
	return put(t)
}

// feedUnordered goes on without a merge after the listing of e turned out not
// to be in byte order: every key of the source gets its Sync, and what is only
// on the target stays unknown. last is the key that the merge came to.
func (r *runner) feedUnordered(ctx context.Context, e *listingError, last string, put func(task) bool) error {
	if r.Delete {
		return fmt.Errorf("deleting needs both listings in byte order of keys; run without it: %w", e)
	}
	r.Log.Warn("a listing is not in byte order of keys: each key is looked at by itself, and those only on the target are not counted", "error", oneLine(e))
	r.p.extra.Store(0)
	// Up to its first key out of order, the listing repeats what was merged.
	repeats, before := true, ""
	for obj, err := range r.list(ctx, r.src, store.ListOptions{After: r.After, Until: r.Until, AnyOrder: true}) {
		if err != nil {
			return &listingError{sourceSide, err}
		}
		if repeats = repeats && before < obj.Key && obj.Key <= last; repeats {
			before = obj.Key
			continue
		}
		if r.stopped(ctx) || !r.route(pair{src: obj}, true, put) {
			return ErrInterrupted
		}
	}
	return nil
}

// finish counts a key of the source as dealt with.
func (r *runner) finish(size int64) {
	r.p.done.Add(1)
	r.p.doneBytes.Add(size)
}

// fail counts and names a key that is not in order.
func (r *runner) fail(key, reason string) {
	r.p.failed.Add(1)
	r.failures.add(key, reason)
	r.Log.Warn("not copied", "key", key, "reason", reason)
}

func (r *runner) summary() Summary {
	s := Summary{
		Listed: r.p.seen.Load(), Copied: r.p.copied.Load(), Updated: r.p.updated.Load(),
		Skipped: r.p.skipped.Load(), Deleted: r.p.deleted.Load(), Failed: r.p.failed.Load(),
		Conflicts: r.p.conflicts.Load(), Extra: r.p.extra.Load(), Excluded: r.excluded.Load(),
		UploadsAborted: r.aborted.Load(), Bytes: r.p.bytes.Load(), DryRun: r.DryRun,
	}
	s.Failures, s.Truncated = r.failures.list()
	return s
}
