package service

import (
	"context"
	"crypto/rand"
	"log/slog"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/follow"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// migration is what a function of a declared one has besides its two ends.
type migration struct {
	documents *control.Documents
	guard     *control.Guard
	bare      store.Store // the target without the fence
}

// migration opens the control store. It has a client of its own also where it is
// one of the ends, so that the state is not read in the queue of the data.
func (svc *Service) migration(ctx context.Context, s Setup, cfg config.Function, pace config.Decorator) (*migration, error) {
	st, err := svc.end(ctx, s, "CROSSFADE_CONTROL", cfg.Control, pace)
	if err != nil {
		return nil, err
	}
	documents, err := control.Open(st, cfg.Migration, rand.Text)
	if err != nil {
		return nil, &ConfigError{err}
	}
	direction := control.Forward
	if cfg.Reverse {
		direction = control.Reverse
	}
	return &migration{documents: documents, guard: control.NewGuard(documents, direction, s.Now, s.Lease)}, nil
}

// fence stands closest to the target, so that every attempt of a write is checked.
func (m *migration) fence(_ config.Location, opened store.Store) store.Store {
	m.bare = opened
	return m.guard.Guarded(opened)
}

// unfenced returns the target for the probe of its server, which does not touch
// what is replicated and is made whatever the phase.
func (m *migration) unfenced(target store.Store) store.Store {
	if m == nil {
		return target
	}
	return m.bare
}

// follower returns what syncs, and logs where the migration stands. That nothing
// is known of it yet is no reason not to start: until there is, each event is
// told to come again. That it is about other stores is.
func (m *migration) follower(ctx context.Context, source, target store.Store, rep replicate.Options, s Setup, log *slog.Logger) (*follow.Follower, error) {
	name := slog.String("migration", m.documents.Migration)
	direction := slog.String("direction", string(m.guard.Direction()))
	switch state, err := m.guard.State(ctx); {
	case err != nil:
		log.LogAttrs(ctx, slog.LevelError, "the state of the migration is not known: nothing is written until it is", name, direction,
			slog.String("error", functions.LogText(err.Error())))
	default:
		if err := follow.Matches(state, m.guard.Direction(), replicate.Ends{Source: rep.SourceID, Target: rep.TargetID}); err != nil {
			return nil, &ConfigError{err}
		}
		log.LogAttrs(ctx, slog.LevelInfo, "migration", name, direction,
			slog.String("phase", string(state.Phase)), slog.String("authority", string(state.Authority)), slog.Int64("epoch", state.Epoch))
	}
	return follow.New(follow.Options{
		From: source, To: target, Replicate: rep,
		Documents: m.documents, Guard: m.guard, Now: s.Now, Tool: s.Version,
	})
}
