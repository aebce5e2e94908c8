// Package paced puts the decorators around a store that the programs of
// crossfade use, in their order: each attempt of a retry waits for its place in
// the limit, and a wait between attempts holds none.
package paced

import (
	"log/slog"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/limit"
	"github.com/crossfade-io/crossfade/store/retry"
)

// Options tune a store. Zero values choose the defaults of packages limit and
// retry.
type Options struct {
	Max int              // most calls at once
	Now func() time.Time // required
	Log *slog.Logger
}

// New decorates inner, which logs and errors call name.
func New(name string, inner store.Store, opts Options) *retry.Store {
	limited := limit.New(inner, opts.Now, limit.Options{Name: name, Max: opts.Max, Log: opts.Log})
	return retry.New(limited, opts.Now, retry.Options{Log: opts.Log})
}

// Report logs at debug how the store fared, if it was decorated by New and
// anything was throttled or repeated.
func Report(log *slog.Logger, name string, s store.Store) {
	r, ok := store.As[*retry.Store](s)
	if !ok {
		return
	}
	l, ok := store.As[*limit.Store](r)
	if !ok {
		return
	}
	if rs, ls := r.Stats(), l.Stats(); rs.Retries+rs.Denied+ls.Throttled > 0 {
		log.Debug("pacing", slog.String("store", name), slog.Any("limit", ls),
			slog.Int64("retries", rs.Retries), slog.Int64("retries_denied", rs.Denied))
	}
}
