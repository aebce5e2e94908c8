package model

import (
	"bytes"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// checkWrite judges a write of a Sync at the moment it takes effect: fresh is
// about to replace cur, which may be nil.
func (w *World) checkWrite(key string, cur, fresh *object) {
	stamp, err := replicate.ParseStamp(fresh.Metadata[replicate.StampName])
	if err != nil || stamp.From != sourceID {
		w.breaks(5, key, "written without a valid stamp: %v", err)
		return
	}
	fresh.first, fresh.last = w.find(key, stamp.Version, fresh.body, func(o *store.Object) bool {
		return replicate.SameAttrs(o.Attrs, fresh.Attrs) && o.ModTime.Unix() == stamp.ModTime.Unix() && o.Size == stamp.Size
	})
	switch {
	case fresh.first < 0:
		w.breaks(5, key, "%q with %s stamped as %s was never on the source", fresh.body, fresh.CacheControl, stamp.Version)
	case w.quiet:
		w.breaks(7, key, "written though it was in order")
	case cur == nil:
	case !cur.foreign:
		if w.cfg.Target == Unique && fresh.last < cur.first {
			w.breaks(2, key, "%q was overwritten by the older %q", cur.body, fresh.body)
		}
	case w.cfg.Policy.Foreign == replicate.OverwriteForeign || w.mistakable():
	case w.cfg.Policy.Foreign == replicate.AdoptForeign && bytes.Equal(cur.body, fresh.body):
	default:
		w.breaks(6, key, "the foreign %q was overwritten", cur.body)
	}
}

// mistakable reports whether the running Sync saw a copy of ours under the
// version that a foreign object with the same bytes has now.
func (w *World) mistakable() bool { return w.cfg.Target != Unique && w.cur.sawOurs }

// checkDelete judges a delete by a Sync at the moment it takes effect.
func (w *World) checkDelete(key string, cur *object) {
	t := w.cur
	switch {
	case w.lastAbsent(key) < t.began:
		w.breaks(4, key, "%q was deleted, but the source had the key all the time", cur.body)
	case w.quiet:
		w.breaks(7, key, "deleted though it was in order")
	case cur.foreign && w.cfg.Policy.Foreign != replicate.OverwriteForeign && !w.mistakable():
		w.breaks(6, key, "the foreign %q was deleted", cur.body)
	case !w.cfg.Policy.Deletes && w.cfg.Target == Unique && (!cur.created || cur.call != t.call):
		w.breaks(4, key, "%q was deleted, but deletes are off and another Sync wrote it", cur.body)
	}
}

// checkEnd judges a key once nothing moves and every event is acknowledged.
func (w *World) checkEnd(key string) {
	s, cur := w.state(key), w.target[key]
	switch {
	case cur != nil && cur.foreign:
		w.checkForeign(key, s, cur)
	case s.gone && cur == nil:
	case s.gone && w.cfg.Policy.Deletes:
		w.breaks(3, key, "%q is on the target, nothing on the source", cur.body)
	case s.gone:
		// With deletes off what was there stays. What was not may not appear;
		// only a Sync that died cannot take back what it created, and without
		// conditions nobody knows whether he created it.
		if !w.hadTarget[key] && !w.stranded[key] && !w.meddled[key] && w.cfg.Target != Unbound {
			w.breaks(3, key, "%q appeared on the target after it was deleted from the source", cur.body)
		}
	case cur == nil:
		w.breaks(1, key, "%q is not on the target", s.body)
	case !bytes.Equal(cur.body, s.body) || !replicate.SameAttrs(cur.Attrs, s.obj.Attrs):
		w.breaks(1, key, "the target has %q with %s, the source %q with %s", cur.body, cur.CacheControl, s.body, s.obj.CacheControl)
	}
}

// checkForeign requires a reason for a foreign object to be still there.
func (w *World) checkForeign(key string, s *state, cur *object) {
	p := w.cfg.Policy
	switch {
	case p.Foreign == replicate.KeepForeign:
	case p.Foreign == replicate.AdoptForeign && (s.gone || !bytes.Equal(s.body, cur.body) || w.cfg.SilentSource || w.cfg.SilentTarget):
	case p.Foreign == replicate.OverwriteForeign && s.gone && !p.Deletes:
	default:
		w.breaks(1, key, "the foreign %q is still there, though the policy is %v", cur.body, p.Foreign)
	}
}
