package cutover

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// Init creates the control object of a migration that has none: it is seeding
// then, with the source as authority. One that is there already is returned as
// it is, once it is sure that it is this migration's; Progress is told which.
func (e *Engine) Init(ctx context.Context) (control.Held, error) {
	held, err := e.load(ctx)
	if err == nil {
		e.tell(held.State, "init", "the control object is there already")
	}
	if !control.Missing(err) {
		return held, err
	}
	ignored, err := store.ProbeConditions(ctx, e.o.ControlStore, "init-"+e.o.Random())
	if err != nil {
		return control.Held{}, err
	}
	if len(ignored) > 0 {
		return control.Held{}, ignoresConditions(ignored)
	}
	s := control.State{Source: e.sourceID, Target: e.targetID, Phase: control.Seeding, Authority: control.Source}
	s.Note(e.entry("initialized", "crossfade "+e.o.Tool))
	held, err = e.docs.Create(ctx, s)
	if store.KindOf(err) == store.Precondition {
		return e.load(ctx) // someone else has just made it
	}
	if err != nil {
		return control.Held{}, err
	}
	e.tell(held.State, "init", "the control object was created")
	return held, nil
}

func ignoresConditions(ignored []string) error {
	return fmt.Errorf("the control store ignores conditions of writes (%s), so nothing could be agreed on there: set control: to another store", strings.Join(ignored, ", "))
}

// Seeded says that a backfill of everything has ended with nothing failed. Of a
// migration that follows already it renews the figures.
func (e *Engine) Seeded(ctx context.Context, objects int64) error {
	for n := 1; ; n++ {
		held, err := e.load(ctx)
		if err != nil {
			return err
		}
		s, err := next(held.State, evSeeded)
		if err != nil {
			return err
		}
		s.Seeded = &control.Seeded{At: e.o.Now().UTC().Round(0), Objects: objects}
		s.Note(e.entry("seeded", fmt.Sprintf("%d objects", objects)))
		held, err = e.docs.Swap(ctx, held, s)
		if err == nil {
			e.tell(held.State, "seeded", fmt.Sprintf("%d objects, nothing failed", objects))
			return nil
		}
		if store.KindOf(err) != store.Precondition || n == maxRounds {
			return err
		}
	}
}

// load reads the control object and makes sure that it is this migration's.
func (e *Engine) load(ctx context.Context) (control.Held, error) {
	held, err := e.docs.Load(ctx)
	if err != nil {
		return control.Held{}, err
	}
	if held.Source != e.sourceID || held.Target != e.targetID {
		return control.Held{}, fmt.Errorf("the control object of %s is of a migration from %s to %s, and source and target are now %s and %s: correct them, or give this migration another name",
			e.m.Name, held.Source, held.Target, e.sourceID, e.targetID)
	}
	return held, nil
}

// tell says what happens to those who watch.
func (e *Engine) tell(s control.State, step, text string) {
	e.log.Debug("cutover", "phase", string(s.Phase), "step", step, "text", text)
	e.o.Progress(Event{At: e.o.Now(), Phase: s.Phase, Step: step, Text: text})
}

// errNothing is for what is asked of a migration in which nothing is under way.
var errNothing = errors.New("no cutover or rollback is under way: there is nothing to abort")
