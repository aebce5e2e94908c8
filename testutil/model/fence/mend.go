package fence

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// mend makes a key equal, and returns the versions that it then has.
func (o *operator) mend(ctx context.Context, key string) (pair control.EndPair, err error) {
	if o.w.cfg.Weak == Trusting {
		return pair, nil
	}
	err = o.try(ctx, func() error {
		for range 6 {
			from, to, err := o.look(ctx, key)
			if err != nil {
				return err
			}
			if o.equal(from, to) {
				pair = pairOf(o.from, from, to)
				return nil
			}
			if err := o.sync(ctx, key); err != nil {
				return err
			}
		}
		return fmt.Errorf("%w: %s", errUnequal, key)
	})
	return pair, err
}

// look reads both sides at once.
func (o *operator) look(ctx context.Context, key string) (from, to *store.Object, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { from, err = definite(ctx, o.w.store(o.from), key); return err })
	g.Go(func() (err error) { to, err = definite(ctx, o.w.store(o.to), key); return err })
	return from, to, g.Wait()
}

func definite(ctx context.Context, st store.Store, key string) (*store.Object, error) {
	r, err := st.Open(ctx, key, store.ReadOptions{})
	if store.KindOf(err) == store.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &r.Object, r.Body.Close()
}

// policy is that of package cutover's own Syncs.
func (o *operator) policy() replicate.Policy {
	p := replicate.Policy{Deletes: true}
	if t := o.held.Turned(control.Away(o.from)); t != nil {
		p.Inherited, p.Born = t.Cut, t.Born
		if s := o.held.Sweep; s != nil && !s.At.Before(t.At) {
			p.Born = time.Unix(1<<40, 0).UTC() // no straggler is left
		}
	}
	return p
}

// sync is one of its own. What was written late is kept before it is replaced.
func (o *operator) sync(ctx context.Context, key string) error {
	p := o.policy()
	r := o.sound.With(p)
	res, err := r.Sync(ctx, key, replicate.HintNone)
	if err != nil || res.Action != replicate.Conflict || p.Inherited.IsZero() {
		return err
	}
	to, err := definite(ctx, o.w.store(o.to), key)
	if err != nil {
		return err
	}
	l := control.Late{Key: key, Side: o.to, Removed: to == nil, Why: "found by the comparison"}
	p.Kept = store.IfAbsent()
	var body store.Content
	if to != nil {
		l.Version, l.Size, l.ModTime, l.Attrs, l.Checksums = to.Version, to.Size, to.ModTime, to.Attrs, to.Checksums
		p.Kept, body = store.IfMatch(to.Version), store.NewObjectContent(o.w.store(o.to), to)
	}
	if err := o.docs.Keep(ctx, l, body); err != nil {
		return err
	}
	_, err = r.With(p).Sync(ctx, key, replicate.HintNone)
	return err
}

// equal reports whether both are of the same bytes and attributes, and a Sync
// would have nothing to do: else one that is under way may still replace what
// was verified by an equal object.
func (o *operator) equal(from, to *store.Object) bool {
	if from == nil || to == nil {
		return from == to
	}
	if from.Size != to.Size || from.Checksums.Differ(to.Checksums) != "" || !replicate.SameAttrs(from.Attrs, to.Attrs) {
		return false
	}
	ends := replicate.Ends{Source: o.w.ids[o.from], Target: o.w.ids[o.to]}
	return o.w.cfg.Weak == Lenient || replicate.Plan(from, to, ends, o.policy()).Action == replicate.Skip
}

func pairOf(fromSide control.Side, from, to *store.Object) control.EndPair {
	if fromSide == control.Target {
		from, to = to, from
	}
	var p control.EndPair
	if from != nil {
		p.Source, p.SourceAt = from.Version, from.ModTime.Unix()
	}
	if to != nil {
		p.Target, p.TargetAt = to.Version, to.ModTime.Unix()
	}
	return p
}

// repair is the comparison of everything before a rollback, for the keys that a
// forgotten writer has changed.
func (w *World) repair() {
	if len(w.forgot) == 0 || w.broken != "" {
		return
	}
	t := w.begin("comparison", &process{}, func(ctx context.Context, t *task) {
		o := &operator{w: w, t: t, docs: w.documents(), from: w.app.side, to: w.app.side.Other()}
		if t.err = w.tell(ctx, "comparison", func() { t.proc, o.sound = w.newOperator(control.Away(o.from)) }); t.err != nil {
			return
		}
		if o.held, t.err = o.docs.Load(ctx); t.err != nil {
			return
		}
		for _, key := range w.app.keys {
			if w.forgot[key] && t.err == nil {
				_, t.err = o.mend(ctx, key)
			}
		}
		if t.err != nil && ctx.Err() == nil {
			t.err = w.tell(ctx, "comparison", func() { w.breaks(wayBack, "", "the comparison of everything: %v", t.err) })
		}
	})
	t.operator = true
	w.rest()
}
