package replicate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// Sync makes key on the target equal to the source, or says why not. A nil
// error means that the key was in order when Sync returned, or is a Conflict
// that the policy leaves alone: an event for key may then be acknowledged.
// Errors carry a store.Kind.
//
// Requests: a new small object costs 3 with HintNew (GET source, PUT if absent,
// confirming HEAD), a satisfied key 2 (HEAD target, HEAD or GET source), a
// delete with HintRemoved 3 (HEAD target, GET source, DELETE), and one more where
// versions recur on either end (see store.UniqueVersions).
func (r *Replicator) Sync(ctx context.Context, key string, hint Hint) (Result, error) {
	if strings.HasPrefix(key, store.ControlPrefix) {
		return Result{Reason: "below the control prefix"}, nil
	}
	if key == "" {
		return Result{}, r.errorf(key, store.Invalid, "an empty key names no object")
	}
	s := &syncing{Replicator: r, key: key, hint: hint}
	for {
		s.res.Attempts++
		done, err := s.round(ctx)
		if err != nil || done {
			return s.res, err
		}
		if s.res.Attempts >= r.opts.Attempts {
			if s.readErr != nil {
				return s.res, s.readErr
			}
			return s.res, r.errorf(key, store.Precondition, "still changing after %d attempts", s.res.Attempts)
		}
		if err := r.opts.Sleep(ctx, r.backoff(s.res.Attempts)); err != nil {
			return s.res, r.errorf(key, store.Unknown, "waiting for attempt %d: %w", s.res.Attempts+1, err)
		}
	}
}

// syncing is one call of Sync.
type syncing struct {
	*Replicator
	key     string
	hint    Hint
	res     Result
	readErr error         // why the source could not be read in the latest round
	wrote   store.Version // what this call wrote last
	created store.Version // the same, if it put that where nothing was
}

// round reads the target, then the source, and acts on the condition that the
// target still is what was read. That order makes it safe: of two handlers that
// race, the one whose condition holds read the source later than what is there
// was written from. It returns false where the key has to be looked at again.
func (s *syncing) round(ctx context.Context) (done bool, err error) {
	s.readErr = nil
	if s.res.Attempts == 1 && s.hint == HintNew && !s.recent.has(s.key) {
		// Taking the target as absent is as good as having read it: the write
		// is bound to it.
		body, err := s.open(ctx)
		if err != nil {
			return false, err
		}
		if body != nil && body.Size <= s.opts.SmallBytes && !s.mustRead(&body.Object) {
			defer body.Body.Close()
			return s.act(ctx, &body.Object, nil, body)
		}
		// A large body is not sent on a guess, and the source must be read
		// after the target.
		closeReader(body)
	}

	dst, err := head(ctx, s.dst, s.key)
	if err != nil {
		return false, err
	}
	src, body, err := s.readSource(ctx, dst)
	if err != nil {
		return false, err
	}
	defer closeReader(body)
	return s.act(ctx, src, dst, body)
}

// mustRead reports whether nothing can be planned for src before the target has
// been read: after a change of the authority, for a copy that came from there.
func (s *syncing) mustRead(src *store.Object) bool {
	stamp, ok := stampOf(src)
	return ok && stamp.From == s.ends.Target && !s.opts.Policy.Inherited.IsZero()
}

// readSource returns the source object, nil where it definitely is not there,
// and its open body where a copy is likely. A HEAD is not believed that there is
// nothing: S3 answers it alike for a missing bucket. After a first round it is
// believed on attributes: some cannot be told from defaults in the headers of a
// GET (Cache-Control on GCS's XML API).
func (s *syncing) readSource(ctx context.Context, dst *store.Object) (*store.Object, *store.Reader, error) {
	if dst != nil && (s.hint == HintNone || s.res.Attempts > 1) {
		src, err := head(ctx, s.src, s.key)
		if err != nil || src != nil {
			return src, nil, err
		}
	}
	body, err := s.open(ctx)
	if err != nil || body == nil {
		return nil, nil, err
	}
	return &body.Object, body, nil
}

func (s *syncing) act(ctx context.Context, src, dst *store.Object, body *store.Reader) (done bool, err error) {
	policy := s.opts.Policy
	// What this call has put where nothing was it takes away again, also where
	// deletes are off: those are about what was there before. What another call
	// has made of it since is not its own to take.
	policy.Deletes = policy.Deletes || s.owns(dst)
	d := Plan(src, dst, s.ends, policy)
	s.opts.Log.DebugContext(ctx, "plan", slog.String("key", s.key), slog.String("action", d.Action.String()),
		slog.String("reason", d.Reason), slog.Int("attempt", s.res.Attempts))
	s.res.Source = src
	if dst == nil {
		s.recent.remove(s.key)
	} else {
		s.recent.add(s.key)
	}
	switch d.Action {
	case Copy:
		src, err = s.copy(ctx, src, dst, body)
	case UpdateMetadata:
		src, err = s.updateMetadata(ctx, src, dst, body)
	case Delete:
		err = s.dst.Delete(ctx, s.key, store.IfMatch(dst.Version))
	default:
		if s.res.Action == Skip || d.Action == Conflict {
			s.res.Action, s.res.Reason = d.Action, d.Reason
		}
		return true, nil
	}
	if err != nil {
		return s.failed(err)
	}
	s.res.Action, s.res.Reason = d.Action, d.Reason
	if d.Action != Delete && (dst == nil || s.owns(dst)) {
		s.created = s.wrote
	}
	if d.Action == Delete {
		s.recent.remove(s.key)
		if !s.recurs {
			// Whoever wrote a newer object made this condition fail, and nobody
			// took what was deleted for a copy of a newer one.
			return true, nil
		}
	} else {
		s.recent.add(s.key)
	}
	return s.confirm(ctx, src)
}

// owns reports whether dst is what this call put where nothing was.
func (s *syncing) owns(dst *store.Object) bool {
	return dst != nil && s.created != "" && dst.Version == s.created
}

// failed sorts the errors of a write: one that says the world has moved on, or
// that what was read was damaged, calls for another round.
func (s *syncing) failed(err error) (done bool, _ error) {
	if s.readErr == nil && store.KindOf(err) == store.Corrupt {
		s.readErr = err
	}
	if s.readErr != nil && (movedOn(s.readErr) || store.KindOf(s.readErr).Retryable()) {
		return false, nil
	}
	if s.readErr == nil && movedOn(err) {
		s.recent.add(s.key)
		return false, nil
	}
	return false, err
}

func movedOn(err error) bool {
	kind := store.KindOf(err)
	return kind == store.Precondition || kind == store.NotFound
}

// confirm reads the source once more. It closes the gap that conditions leave:
// a handler that saw nothing to do, and was acknowledged, while this older
// write was in flight.
func (s *syncing) confirm(ctx context.Context, src *store.Object) (done bool, err error) {
	now, err := head(ctx, s.src, s.key)
	if err != nil {
		return false, err
	}
	s.res.Source = now
	return same(src, now), nil
}

// same reports whether a and b are one state of the source object.
func same(a, b *store.Object) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Version == b.Version && a.Size == b.Size && sameTime(a.ModTime, b.ModTime) &&
		attrsDigest(a.Attrs) == attrsDigest(b.Attrs)
}

// head returns nil where there is no object.
func head(ctx context.Context, st store.Store, key string) (*store.Object, error) {
	o, err := st.Head(ctx, key)
	if store.KindOf(err) == store.NotFound {
		return nil, nil
	}
	return o, err
}

// open returns nil where the source definitely has no object.
func (s *syncing) open(ctx context.Context) (*store.Reader, error) {
	body, err := s.src.Open(ctx, s.key, store.ReadOptions{})
	if store.KindOf(err) == store.NotFound {
		return nil, nil
	}
	return body, err
}

func closeReader(r *store.Reader) {
	if r != nil {
		r.Body.Close()
	}
}

// backoff is exponential from 20 ms to 2 s, with full jitter.
func (r *Replicator) backoff(attempt int) time.Duration {
	ceiling := min(20*time.Millisecond<<min(attempt-1, 10), 2*time.Second)
	return time.Duration(r.opts.Jitter() * float64(ceiling))
}

func (r *Replicator) errorf(key string, kind store.Kind, format string, args ...any) error {
	return &store.Error{Op: "sync", Store: strings.TrimSuffix(r.ends.Target, "/"), Key: key, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// isContext reports whether err is the end of a context: the caller's, or that
// of a group of which another member failed.
func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
