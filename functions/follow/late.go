package follow

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// replace makes the side that is not the authority equal to it where something
// is, or is gone, there that nobody has seen. That is kept first, and just what
// was kept is replaced.
func (f *Follower) replace(ctx context.Context, s control.State, key string, src *store.Object) (replicate.Result, error) {
	dst, err := definite(ctx, f.opts.To, key)
	if err != nil {
		return replicate.Result{}, err
	}
	policy := f.policy(s)
	if replicate.Plan(src, dst, f.ends, policy).Action != replicate.Conflict {
		return replicate.Result{}, errAgain
	}
	reason := "compared at the turn: "
	if dst == nil {
		policy.Kept, reason = store.IfAbsent(), "late delete kept: "
		err = f.keepDelete(ctx, s, key, f.direction.To())
	} else {
		policy.Kept = store.IfMatch(dst.Version)
		seen, verr := f.wasVerified(ctx, s.Turn, f.direction.To(), dst)
		if err = verr; err == nil && !seen {
			reason = "late write kept: "
			err = f.keep(ctx, s, f.opts.To, f.direction.To(), dst)
		}
	}
	if err != nil {
		return replicate.Result{}, err
	}
	res, err := f.base.With(policy).Sync(ctx, key, replicate.HintNone)
	if control.IsFenced(err) || err == nil && res.Action == replicate.Conflict {
		return res, errAgain
	}
	res.Reason = reason + res.Reason
	return res, err
}

// straggling answers an event of the side that was the authority, or is not yet.
// It writes to neither. That side is read first: what was changed there since by
// the copies from the other one, is then seen there too.
func (f *Follower) straggling(ctx context.Context, s control.State, key string) (replicate.Result, error) {
	turn, side := s.Turn, f.direction.From()
	if turn == nil || turn.To != s.Authority {
		return replicate.Result{Reason: "the " + string(s.Authority) + " is the authority"}, nil
	}
	old, err := definite(ctx, f.opts.From, key)
	if err != nil {
		return replicate.Result{}, err
	}
	res := replicate.Result{Source: old}
	if old != nil {
		if d := replicate.Plan(old, nil, f.ends, replicate.Policy{}); d.Action == replicate.Skip {
			res.Reason = d.Reason
			return res, nil
		}
		if old.ModTime.Unix() < turn.Cut.Unix() {
			res.Reason = "written before the turn"
			return res, nil
		}
	}
	current, err := definite(ctx, f.opts.To, key)
	if err != nil {
		return res, err
	}
	if old == nil {
		if res.Reason, err = f.notDeletedLate(ctx, turn, current); err != nil || res.Reason != "" {
			return res, err
		}
		res.Action, res.Reason = replicate.Conflict, "late delete kept"
		return res, f.keepDelete(ctx, s, key, side)
	}
	switch d := replicate.Plan(old, current, f.ends, replicate.Policy{}); {
	case d.Action == replicate.Skip:
		res.Reason = d.Reason
		return res, nil
	case d.Action == replicate.UpdateMetadata && replicate.SameAttrs(old.Attrs, current.Attrs):
		res.Reason = "the same on both sides"
		return res, nil
	}
	switch seen, err := f.wasVerified(ctx, turn, side, old); {
	case err != nil:
		return res, err
	case seen:
		res.Reason = "compared at the turn"
		return res, nil
	}
	res.Action, res.Reason = replicate.Conflict, "late write kept"
	return res, f.keep(ctx, s, f.opts.From, side, old)
}

// notDeletedLate says why the absence of a key on the old side is not a late
// delete, or "". current is the authority's object: the key was on the old side
// when it is a copy from there that was made before the turn and that nobody has
// touched since.
func (f *Follower) notDeletedLate(ctx context.Context, turn *control.Turn, current *store.Object) (string, error) {
	switch {
	case current == nil:
		return "on neither side", nil
	case !f.opts.Replicate.Policy.Deletes:
		return "gone, deletes are off", nil
	}
	if _, ok := replicate.CopiedFrom(current, f.ends.Source); !ok {
		return "the other side's own", nil
	}
	if current.ModTime.Unix() < turn.Born.Unix() {
		return "", nil
	}
	// Copied in the second of the turn, or by a straggler.
	seen, err := f.wasVerified(ctx, turn, f.direction.To(), current)
	if err != nil || seen {
		return "", err
	}
	return "copied over since the turn", nil
}

// keep keeps one version of an object that was written late.
func (f *Follower) keep(ctx context.Context, s control.State, st store.Store, side control.Side, o *store.Object) error {
	l := control.Late{
		Key: o.Key, Side: side, Epoch: s.Epoch, Version: o.Version, Size: o.Size, ModTime: o.ModTime,
		Kept: f.opts.Now(), Why: "written on the " + string(side) + " when the " + string(s.Authority) + " was the authority",
		Attrs: o.Attrs, Checksums: o.Checksums,
	}
	body := &watched{Content: store.NewObjectContent(st, o)}
	err := f.opts.Documents.Keep(ctx, l, body)
	if err != nil && body.gone.Load() {
		return errors.Join(errAgain, err)
	}
	return f.kept(ctx, l, err)
}

// watched notices that another version is there by now, however the store that
// reads it words that.
type watched struct {
	store.Content
	gone atomic.Bool
}

func (w *watched) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	r, err := w.Content.Open(ctx, offset, length)
	if kind := store.KindOf(err); err != nil && (kind == store.Precondition || kind == store.NotFound) {
		w.gone.Store(true)
	}
	return r, err
}

// keepDelete keeps the fact that an object was deleted late.
func (f *Follower) keepDelete(ctx context.Context, s control.State, key string, side control.Side) error {
	l := control.Late{
		Key: key, Side: side, Epoch: s.Epoch, Removed: true, Kept: f.opts.Now(),
		Why: "deleted on the " + string(side) + " when the " + string(s.Authority) + " was the authority",
	}
	return f.kept(ctx, l, f.opts.Documents.Keep(ctx, l, nil))
}

func (f *Follower) kept(ctx context.Context, l control.Late, err error) error {
	if err == nil {
		f.log.LogAttrs(ctx, slog.LevelWarn, "late write kept: see crossfade status, and settle it with crossfade resolve",
			slog.String("id", control.LateID(l.Side, l.Key, l.Version)), slog.String("key", l.Key),
			slog.String("side", string(l.Side)), slog.Bool("removed", l.Removed))
	}
	return err
}

// wasVerified reports whether o is the version that the freeze found equal.
func (f *Follower) wasVerified(ctx context.Context, turn *control.Turn, side control.Side, o *store.Object) (bool, error) {
	f.mu.Lock()
	v := f.verified
	f.mu.Unlock()
	if v.Run != turn.Run {
		var err error
		v, err = f.opts.Documents.Verified(ctx, turn.Run)
		switch kind := store.KindOf(err); {
		case kind == store.NotFound || kind == store.Invalid:
			// Without the list more is kept than need be.
			f.log.LogAttrs(ctx, slog.LevelWarn, "no list of what was compared at the turn", slog.String("error", functions.LogText(err.Error())))
			v = control.Verified{Run: turn.Run}
		case err != nil:
			return false, control.Withheld("sync", o.Key, err)
		}
		f.mu.Lock()
		f.verified = v
		f.mu.Unlock()
	}
	return v.Is(side, o), nil
}

// definite returns nil where the store said for sure that there is nothing: a
// HEAD is not believed that, as in Replicator.Sync.
func definite(ctx context.Context, st store.Store, key string) (*store.Object, error) {
	o, err := st.Head(ctx, key)
	if store.KindOf(err) != store.NotFound {
		return o, err
	}
	r, err := st.Open(ctx, key, store.ReadOptions{})
	if store.KindOf(err) == store.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &r.Object, r.Body.Close()
}
