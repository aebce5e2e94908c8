package backfill

import (
	"context"

	"github.com/crossfade-io/crossfade/replicate"
)

// work deals with one key. It returns false where the end of the context cut it
// short: the key is then abandoned, not failed, and the next run takes it up.
func (r *runner) work(ctx context.Context, t task) bool {
	switch {
	case t.extra:
		return r.workExtra(ctx, t)
	case r.DryRun:
		return r.decide(ctx, t)
	default:
		return r.syncKey(ctx, t.key, t.hint, t.size)
	}
}

// syncKey calls Sync and counts what it did.
func (r *runner) syncKey(ctx context.Context, key string, hint replicate.Hint, size int64) bool {
	var res replicate.Result
	err := r.try(ctx, "sync", func() (err error) {
		res, err = r.sync.Sync(ctx, key, hint)
		return err
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return false
	case err != nil:
		r.fail(key, oneLine(err))
	default:
		r.Log.Debug("synced", "key", key, "action", res.Action.String(), "reason", res.Reason, "bytes", res.Bytes)
		r.count(key, res.Action, res.Reason, res.Bytes, res.Source != nil)
	}
	if hint != replicate.HintRemoved {
		r.finish(size)
	}
	return true
}

// count books the outcome for one key. onSource is false where it is gone from
// there: a foreign object under such a key stands in nobody's way.
func (r *runner) count(key string, act replicate.Action, reason string, bytes int64, onSource bool) {
	switch act {
	case replicate.Copy:
		r.p.copied.Add(1)
		r.p.bytes.Add(bytes)
	case replicate.UpdateMetadata:
		r.p.updated.Add(1)
	case replicate.Delete:
		r.p.deleted.Add(1)
	case replicate.Conflict:
		if !onSource {
			r.p.extra.Add(1)
			return
		}
		r.p.conflicts.Add(1)
		r.fail(key, reason)
	default:
		r.p.skipped.Add(1)
	}
}

// decide says what a Sync would do, of a dry run. Objects listed without
// attributes are looked up, unless the target has none and it is a plain copy.
func (r *runner) decide(ctx context.Context, t task) bool {
	src, dst := t.src, t.dst
	var err error
	if t.unlisted || dst != nil && dst.Partial {
		dst, err = r.head(ctx, r.dst, t.key)
	}
	if err == nil && dst != nil && src.Partial {
		src, err = r.head(ctx, r.src, t.key)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return false
	case err != nil:
		r.fail(t.key, oneLine(err))
	default:
		d := replicate.Plan(src, dst, r.Ends, r.Policy)
		var bytes int64
		if d.Action == replicate.Copy {
			bytes = src.Size
		}
		r.count(t.key, d.Action, d.Reason, bytes, src != nil)
	}
	r.finish(t.size)
	return true
}

// workExtra gathers a key that is only on the target, if the object is ours.
func (r *runner) workExtra(ctx context.Context, t task) bool {
	dst := t.dst
	if dst.Partial && !r.overLimit() {
		var err error
		if dst, err = r.head(ctx, r.dst, t.key); err != nil {
			if ctx.Err() != nil {
				return false
			}
			r.fail(t.key, "not deleted: "+oneLine(err))
			return true
		}
		if dst == nil {
			return true // gone meanwhile
		}
	}
	if !r.sync.Ours(dst) && r.Policy.Foreign != replicate.OverwriteForeign {
		r.p.extra.Add(1)
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.doomed) == r.MaxDelete {
		r.tooMany = true
	} else {
		r.doomed = append(r.doomed, t.key)
	}
	return true
}

func (r *runner) overLimit() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tooMany
}

// deleteDoomed deletes what was gathered. Sync asks the source once more for
// each key, and deletes only on a definite "not found".
func (r *runner) deleteDoomed(ctx context.Context) error {
	if r.tooMany {
		r.p.extra.Add(int64(len(r.doomed)))
		return errTooMany(r.MaxDelete)
	}
	if r.DryRun {
		r.p.deleted.Add(int64(len(r.doomed)))
		return nil
	}
	complete, err := forEach(ctx, r.Options, func(put func(string) bool) error {
		for _, key := range r.doomed {
			if !put(key) {
				break
			}
		}
		return nil
	}, func(ctx context.Context, key string) bool { return r.syncKey(ctx, key, replicate.HintRemoved, 0) })
	if !complete {
		return ErrInterrupted
	}
	return err
}
