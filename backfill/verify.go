package backfill

import (
	"context"
	"fmt"

	"github.com/crossfade-io/crossfade/store"
)

// VerifyOptions configure a comparison. Of Options, DryRun, Policy, Ends,
// Delete and MaxDelete have no meaning here.
type VerifyOptions struct {
	Options

	// Checksum reads the bodies of both sides and compares their bytes. Without
	// it bytes are compared by the checksums that the stores keep, and where
	// they keep none of the same kind, by the one in the stamp.
	Checksum bool

	// Listed believes a stamp that describes what the listing of the source
	// says of an object, though that listing has no attributes (S3): it saves a
	// HEAD an object. A change of attributes that left time and version as they
	// were does not show then.
	Listed bool
}

// looks is how often a key that changes while it is compared is looked at.
const looks = 3

// Verify compares all of src and dst and changes nothing. Keys are looked at
// again before they are called anything but equal, so that changes under way do
// not show unless they outlast that. The error is for the comparison as a
// whole: ErrInterrupted, or a listing that failed.
func Verify(ctx context.Context, src, dst store.Store, syncer Syncer, opts VerifyOptions) (Report, error) {
	opts.Options = opts.withDefaults()
	seconds := opts.stopwatch()
	v := &verifier{VerifyOptions: opts, src: src, dst: dst, sync: syncer, p: opts.Progress, tally: newTally()}
	complete, err := v.pass(ctx, v.feedMerged)
	if e, ok := unordered(err); ok {
		// What was merged until now is compared again: counts start over.
		v.Log.Warn("a listing is not in byte order of keys: each key is looked up on the other side", "error", oneLine(e))
		v.p.reset()
		v.tally = newTally()
		if complete, err = v.pass(ctx, v.feedSource); complete && err == nil {
			complete, err = v.pass(ctx, v.feedTarget)
		}
	}
	if v.stopped(ctx) && !complete {
		err = ErrInterrupted
	}
	r := v.tally.report()
	r.Bytes, r.Read, r.Seconds = v.p.seenBytes.Load(), v.p.read.Load(), seconds()
	r.Checksum, r.Interrupted = v.Checksum, err == ErrInterrupted //nolint:errorlint // set above
	return r, err
}

type verifier struct {
	VerifyOptions
	src, dst store.Store
	sync     Syncer
	p        *Progress
	tally    *tally
}

// comparison is a key for a worker, with what the listings said of it.
type comparison struct {
	pair
	unlisted  bool // the other side was not listed
	extraOnly bool // counts only if the source does not have it
}

func (v *verifier) pass(ctx context.Context, feed func(context.Context, func(comparison) bool) error) (complete bool, err error) {
	return forEach(ctx, v.Options, func(put func(comparison) bool) error {
		ctx, cancel := v.untilStop(ctx)
		defer cancel()
		return feed(ctx, put)
	}, v.compare)
}

// feedMerged merges the listings and puts every key that they do not settle.
func (v *verifier) feedMerged(ctx context.Context, put func(comparison) bool) error {
	err := v.eachPair(ctx, v.src, v.dst, func(p pair) bool {
		return !v.Filter.Match(p.key()) || v.route(comparison{pair: p}, put)
	})
	if err == nil {
		v.p.listed.Store(true)
	}
	return err
}

// feedSource and feedTarget do for stores that do not list in byte order what
// feedMerged does: every key of the source is looked up on the target, then
// every key of the target on the source.
func (v *verifier) feedSource(ctx context.Context, put func(comparison) bool) error {
	return v.feedAnyOrder(ctx, sourceSide, v.src, func(o *store.Object) bool {
		return v.route(comparison{pair: pair{src: o}, unlisted: true}, put)
	})
}

func (v *verifier) feedTarget(ctx context.Context, put func(comparison) bool) error {
	return v.feedAnyOrder(ctx, targetSide, v.dst, func(o *store.Object) bool {
		return put(comparison{pair: pair{dst: o}, unlisted: true, extraOnly: true})
	})
}

func (v *verifier) feedAnyOrder(ctx context.Context, of side, s store.Store, put func(*store.Object) bool) error {
	for o, err := range v.list(ctx, s, store.ListOptions{After: v.After, Until: v.Until, AnyOrder: true}) {
		if err != nil {
			return &listingError{of, err}
		}
		if v.stopped(ctx) || v.Filter.Match(o.Key) && !put(o) {
			return ErrInterrupted
		}
	}
	v.p.listed.Store(of == targetSide)
	return nil
}

// route puts a key on the queue unless the listings settle it.
func (v *verifier) route(c comparison, put func(comparison) bool) bool {
	v.p.seen.Add(1)
	if c.src != nil {
		v.p.seenBytes.Add(c.src.Size)
	}
	if c.src != nil && c.dst != nil && !v.Checksum && v.settledByListings(c.pair) {
		v.settle(c, Equal, "")
		return true
	}
	return put(c)
}

// settledByListings reports whether what was listed shows that both are equal.
func (v *verifier) settledByListings(p pair) bool {
	if p.src.Partial || p.dst.Partial {
		return v.Listed && p.src.Size == p.dst.Size && v.sync.InSync(p.src, p.dst)
	}
	class, _ := judge(p.src, p.dst, v.sync)
	return class == Equal
}

// settle counts a key as compared.
func (v *verifier) settle(c comparison, class Class, reason string) {
	v.tally.add(c.key(), class, reason)
	if class != Equal {
		v.p.failed.Add(1)
		v.Log.Debug("not equal", "key", c.key(), "class", string(class), "reason", reason)
	}
	v.finish(c)
}

func (v *verifier) finish(c comparison) {
	if c.extraOnly {
		return
	}
	v.p.done.Add(1)
	if c.src != nil {
		v.p.doneBytes.Add(c.src.Size)
	}
}

// compare looks at one key until two looks in a row agree on what is there. It
// returns false where the end of the context cut it short.
func (v *verifier) compare(ctx context.Context, c comparison) bool {
	var before pair
	for n := 1; ; n++ {
		now, why, err := v.look(ctx, c, n == 1)
		if ctx.Err() != nil {
			return false
		}
		if err != nil {
			v.settle(c, Unread, oneLine(err))
			return true
		}
		class, reason := v.classify(now, why)
		switch {
		case c.extraOnly && now.src != nil, now.src == nil && now.dst == nil:
			v.finish(c) // of no matter here, or gone meanwhile
			return true
		case class == Equal, n > 1 && now.alike(before), n == looks:
			v.settle(c, class, reason)
			return true
		}
		before = now
	}
}

// alike reports whether p and q are the same objects.
func (p pair) alike(q pair) bool {
	same := func(a, b *store.Object) bool {
		return (a == nil) == (b == nil) && (a == nil || a.Version == b.Version)
	}
	return same(p.src, q.src) && same(p.dst, q.dst)
}

// look reads what both sides have. The first look believes the listings as far
// as they say all that is needed.
func (v *verifier) look(ctx context.Context, c comparison, first bool) (now pair, why string, err error) {
	if v.Checksum {
		return v.readBoth(ctx, c.key())
	}
	now = c.pair
	if !first || c.unlisted && now.dst == nil || now.dst != nil && now.dst.Partial {
		if now.dst, err = v.head(ctx, v.dst, c.key()); err != nil {
			return pair{}, "", fmt.Errorf("target: %w", err)
		}
	}
	if !first || c.unlisted && now.src == nil || now.src != nil && now.src.Partial {
		if now.src, err = v.head(ctx, v.src, c.key()); err != nil {
			return pair{}, "", fmt.Errorf("source: %w", err)
		}
	}
	return now, "", nil
}

// classify adds to what the stores say a difference that was found in the bytes.
func (v *verifier) classify(p pair, why string) (Class, string) {
	if !v.Checksum || p.src == nil || p.dst == nil {
		return classify(p, v.sync)
	}
	if why == "" {
		why = difference(p.src, p.dst)
	}
	if why != "" {
		return notEqual(p.dst, v.sync, why)
	}
	return Equal, ""
}
