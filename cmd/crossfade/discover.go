package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// found is a migration that is declared between two ends.
type found struct {
	name      string // "" for none
	at        config.Location
	direction control.Direction // of the pair that was asked for
}

// findMigration looks on either end of p for the control object of a migration
// between the two, in either direction. It costs a listing of each end, and one
// more with a read for every migration that is declared there.
func (e *env) findMigration(ctx context.Context, p pair, log *slog.Logger) (found, error) {
	for _, f := range []found{
		{at: p.target, direction: control.Forward},
		{at: p.source, direction: control.Reverse},
	} {
		var err error
		f.name, err = e.migrationOf(ctx, f, p, log)
		if f.direction == control.Reverse && store.KindOf(err) == store.Denied {
			continue // who may not list there has more to be told than this
		}
		if err != nil {
			return found{}, fmt.Errorf("looking for a migration that is declared at %s: %w", f.at, err)
		}
		if f.name != "" {
			return f, nil
		}
	}
	return found{}, nil
}

// controlRequests bounds the requests for control documents at once.
const controlRequests = 16

func (e *env) migrationOf(ctx context.Context, f found, p pair, log *slog.Logger) (string, error) {
	st, err := f.at.Open(ctx, e.openers, e.pace(controlRequests, log))
	if err != nil {
		return "", err
	}
	defer st.Close() //nolint:errcheck // it was only read
	names, err := migrationsIn(ctx, st)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		docs, err := control.Open(st, name, rand.Text)
		if err != nil {
			continue // nobody declared that
		}
		held, err := docs.Load(ctx)
		switch {
		case control.Missing(err):
		case err != nil:
			return "", err
		case ofEnds(held.State, p, f.direction):
			return name, nil
		}
	}
	return "", nil
}

// ofEnds reports whether s is of the migration that copies between the ends of p
// when that copies in direction d.
func ofEnds(s control.State, p pair, d control.Direction) bool {
	source, target := config.IDs(p.source, p.target)
	if d == control.Reverse {
		source, target = target, source
	}
	return s.Source == source && s.Target == target
}

// migrationsIn returns the names below which a store has control documents,
// without listing what lies below each.
func migrationsIn(ctx context.Context, st store.Store) (names []string, err error) {
	for after, more := store.ControlPrefix, true; more; {
		more = false
		for o, err := range st.List(ctx, store.ListOptions{After: after, Until: controlEnd}) {
			if store.KindOf(err) == store.Invalid {
				return allMigrationsIn(ctx, st)
			}
			if err != nil {
				return nil, err
			}
			if name, ok := migrationAt(o.Key); ok {
				names = append(names, name)
				after, more = store.ControlPrefix+name+"0", true
			}
			break
		}
	}
	return names, nil
}

// controlEnd follows all keys below store.ControlPrefix, for '0' follows '/'. A
// listing may have it as its last key.
const controlEnd = ".crossfade0"

// allMigrationsIn is migrationsIn for a store that lists in an order of its own.
func allMigrationsIn(ctx context.Context, st store.Store) (names []string, err error) {
	for o, err := range st.List(ctx, store.ListOptions{After: store.ControlPrefix, Until: controlEnd, AnyOrder: true}) {
		if err != nil {
			return nil, err
		}
		if name, ok := migrationAt(o.Key); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// migrationAt is the name in a key, if that is below store.ControlPrefix.
func migrationAt(key string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(key, store.ControlPrefix)
	name, _, _ = strings.Cut(rest, "/")
	return name, ok
}
