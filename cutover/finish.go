package cutover

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// Finished says what Finish took away, and what may be taken down now.
type Finished struct {
	Signals  int   `json:"signals"`
	Journals int   `json:"journals"` // entries
	Notes    int   `json:"notes"`    // of backfills
	Stamps   int64 `json:"stamps"`   // taken off the authority's objects
	Failed   int64 `json:"failed"`   // stamps that could not be taken off

	// Decommission says what is of no more use, a sentence each.
	Decommission []string `json:"decommission"`
}

// Finish ends the migration: nothing flows any more in either direction, and
// what served it is removed. The control object, the reports and the lists of
// what was verified stay as its record. What was interrupted is continued by
// calling it again.
func (e *Engine) Finish(ctx context.Context, o FinishOptions) (Finished, error) {
	var f Finished
	s, err := e.finishState(ctx)
	if err != nil {
		return f, err
	}
	// Until a lease has passed someone may still believe that changes flow.
	if err := e.o.Sleep(ctx, e.o.Lease); err != nil {
		return f, err
	}
	if f.Signals, err = e.sweepSignals(ctx); err != nil {
		return f, err
	}
	if f.Journals, err = e.docs.DiscardJournals(ctx); err != nil {
		return f, err
	}
	notes, err := e.docs.Backfills(ctx, time.Time{}) // the dead ones as well
	if err != nil {
		return f, err
	}
	for _, n := range notes {
		if err := e.docs.EndBackfill(ctx, n.ID); err != nil {
			return f, err
		}
		f.Notes++
	}
	if d, ok := e.denier(); ok {
		if err := d.AllowWrites(ctx, e.m.Name); err != nil {
			return f, fmt.Errorf("the deny policy could not be removed from the source: %w", err)
		}
	}
	e.o.Stepped("cleared")
	if o.Stamps {
		if err := e.unstamp(ctx, s.Authority, &f); err != nil {
			return f, err
		}
	}
	f.Decommission = e.decommission(s, f)
	e.tell(s, "done", "the migration is finished")
	return f, nil
}

// finishState makes the migration done, if it is not yet, and nothing is left
// undecided.
func (e *Engine) finishState(ctx context.Context) (control.State, error) {
	held, err := e.load(ctx)
	if err != nil {
		return control.State{}, err
	}
	if held.Phase == control.Done {
		return held.State, nil
	}
	s, err := next(held.State, evFinish)
	if err != nil {
		return control.State{}, err
	}
	if held.Run != nil {
		return control.State{}, fmt.Errorf("the last %s has not looked at everything once more: run crossfade %[1]s again first", held.Run.Operation)
	}
	late, err := e.Late(ctx)
	if err != nil {
		return control.State{}, err
	}
	if len(late) > 0 {
		return control.State{}, fmt.Errorf("%d late writes are kept that nobody has decided on: see crossfade resolve", len(late))
	}
	open, err := e.docs.Backfills(ctx, e.o.Now())
	if err != nil {
		return control.State{}, err
	}
	if len(open) > 0 {
		return control.State{}, fmt.Errorf("a backfill of %s is under way: wait for its end, or stop it", open[0].Operator)
	}
	s.Note(e.entry("finished", "the "+string(s.Authority)+" stays the authority"))
	held, err = e.docs.Swap(ctx, held, s)
	if store.KindOf(err) == store.Precondition {
		return control.State{}, fmt.Errorf("somebody else has just changed the control object: look at crossfade status, and try again: %w", err)
	}
	if err != nil {
		return control.State{}, err
	}
	e.o.Stepped("done")
	return held.State, nil
}

// sweepSignals removes all signals from both sides.
func (e *Engine) sweepSignals(ctx context.Context) (int, error) {
	n := 0
	prefix := control.SignalKey(e.m.Name, "")
	for _, side := range []control.Side{control.Source, control.Target} {
		st := e.end(side)
		for o, err := range st.List(ctx, store.ListOptions{After: prefix, Until: strings.TrimSuffix(prefix, "/") + "0"}) {
			if err != nil {
				return n, err
			}
			if _, ok := control.SignalOf(e.m.Name, o.Key); !ok {
				continue
			}
			if err := st.Delete(ctx, o.Key, store.Condition{}); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// unstamp takes this migration's stamps off the objects of a side. An object
// that the application changes meanwhile has lost its stamp by that.
func (e *Engine) unstamp(ctx context.Context, side control.Side, f *Finished) error {
	st := e.end(side)
	u, ok := store.As[store.MetadataUpdater](st)
	if !ok {
		return fmt.Errorf("the stamps cannot be taken off the objects of the %s: its store cannot change attributes alone", side)
	}
	var done, failed atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(e.m.Concurrency, 1))
	for o, err := range st.List(gctx, store.ListOptions{AnyOrder: true}) {
		if err != nil {
			return errorOf(g, err)
		}
		if strings.HasPrefix(o.Key, store.ControlPrefix) || !o.Partial && !e.stamped(o) {
			continue
		}
		g.Go(func() error {
			off, err := e.unstampOne(gctx, st, u, o)
			switch {
			case gctx.Err() != nil:
				return gctx.Err()
			case err != nil:
				failed.Add(1)
				e.log.WarnContext(gctx, "a stamp could not be taken off", "error", err)
			case off:
				done.Add(1)
			}
			return nil
		})
	}
	err := g.Wait()
	f.Stamps, f.Failed = done.Load(), failed.Load()
	return err
}

func errorOf(g *errgroup.Group, err error) error {
	if gerr := g.Wait(); gerr != nil {
		return gerr
	}
	return err
}

func (e *Engine) unstampOne(ctx context.Context, st store.Store, u store.MetadataUpdater, o *store.Object) (bool, error) {
	o, err := st.Head(ctx, o.Key)
	if store.KindOf(err) == store.NotFound {
		return false, nil
	}
	if err != nil || !e.stamped(o) {
		return false, err
	}
	attrs := o.Attrs
	attrs.Metadata = maps.Clone(attrs.Metadata)
	maps.DeleteFunc(attrs.Metadata, func(name, _ string) bool { return strings.EqualFold(name, replicate.StampName) })
	_, err = u.UpdateMetadata(ctx, o.Key, attrs, store.IfMatch(o.Version))
	if kind := store.KindOf(err); kind == store.Precondition || kind == store.NotFound {
		return false, nil
	}
	return err == nil, err
}

// stamped reports whether o carries a stamp of either direction.
func (e *Engine) stamped(o *store.Object) bool {
	for name, value := range o.Metadata {
		if !strings.EqualFold(name, replicate.StampName) {
			continue
		}
		s, err := replicate.ParseStamp(value)
		return err == nil && (s.From == e.sourceID || s.From == e.targetID)
	}
	return false
}

// decommission lists what has served its purpose.
func (e *Engine) decommission(s control.State, f Finished) []string {
	stays, goes := s.Authority, s.Authority.Other()
	all := []string{
		fmt.Sprintf("The functions of both directions, their queues, dead-letter queues, roles and alarms: they acknowledge every event and copy nothing any more. Remove the event notifications of %s and %s first.", e.sourceID, e.targetID),
		fmt.Sprintf("%s, once you have no more use for the way back: changes of %s are not copied there any more.", e.id(goes), e.id(stays)),
		fmt.Sprintf("The credentials that crossfade used on %s and %s.", e.sourceID, e.targetID),
		fmt.Sprintf("%s in %s, which is the record of the migration: its control object and its reports.", control.Prefix(e.m.Name), e.m.Control.ID()),
	}
	if f.Stamps == 0 {
		all = append(all, fmt.Sprintf("The metadata entry %q of the objects in %s does no harm; crossfade finish --stamps takes it off.", replicate.StampName, e.id(stays)))
	}
	return all
}
