package cutover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

const (
	// barriers are sent at once: queues have several ends, and functions several
	// instances.
	barriers = 8

	signalPoll     = 20 * time.Millisecond
	signalLongPoll = 200 * time.Millisecond
)

// longer is the next pause between two looks: an answer is soon there, or late.
func longer(pause time.Duration) time.Duration { return min(pause*9/8, signalLongPoll) }

// marks are moments of a freeze, by the clocks of the stores.
type marks struct {
	cut  time.Time // when the application held, on the old side
	born time.Time // before the application went on, on the new side
}

// drain returns once barriers that were written after the application held have
// come through the functions, which by then know of the freeze, and the queue,
// where it can tell, is empty.
func (r *run) drain(ctx context.Context, s control.State) (marks, error) {
	var m marks
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for range barriers {
		id := r.signalID()
		g.Go(func() error {
			obj, err := r.send(ctx, r.from, control.Signal{ID: id, Kind: control.Barrier, Sent: r.now()})
			if err != nil {
				return fmt.Errorf("a barrier could not be written to the %s: %w", r.from, err)
			}
			mu.Lock()
			if m.cut.IsZero() || obj.ModTime.Before(m.cut) {
				m.cut = obj.ModTime
			}
			mu.Unlock()
			r.rec.edit(func(rep *report.Report) { rep.Counts.BarriersSent++ })
			got, err := r.await(ctx, r.to, id)
			if err != nil {
				return fmt.Errorf("a barrier written to the %s has not arrived on the %s: are the functions running, and do events reach them? %w", r.from, r.to, err)
			}
			if got.Revision < s.Revision {
				return fmt.Errorf("a function carried a barrier at revision %d of the control object, which is at %d: it does not see the control object as it is", got.Revision, s.Revision)
			}
			r.rec.edit(func(rep *report.Report) { rep.Counts.BarriersArrived++ })
			return nil
		})
	}
	g.Go(func() error {
		// It says that it was carried, so that no function carries it.
		obj, err := r.send(ctx, r.to, control.Signal{ID: r.signalID(), Kind: control.Canary, Sent: r.now(), Carried: true})
		if err != nil {
			return fmt.Errorf("the %s cannot be written to: %w", r.to, err)
		}
		m.born = obj.ModTime
		return nil
	})
	if r.o.Backlog != nil {
		g.Go(func() error { return r.untilEmpty(ctx) })
	}
	if err := g.Wait(); err != nil {
		return marks{}, err
	}
	r.o.Stepped("drained")
	r.tell(s, "drained", fmt.Sprintf("%d barriers have come through", barriers))
	return m, nil
}

// untilEmpty asks the queue until nothing waits there.
func (r *run) untilEmpty(ctx context.Context) error {
	for pause := signalPoll; ; pause = longer(pause) {
		n, err := r.o.Backlog(ctx)
		switch {
		case err == nil && n == 0:
			return nil
		case ctx.Err() != nil && err == nil:
			return fmt.Errorf("%d events still wait in the queue: %w", n, ctx.Err())
		case ctx.Err() != nil:
			return fmt.Errorf("the queue could not be asked for its backlog: %w", err)
		}
		if serr := r.o.Sleep(ctx, pause); serr != nil {
			if err == nil {
				err = serr
			}
			return fmt.Errorf("%d events still wait in the queue: %w", n, err)
		}
	}
}

// signalID names a signal that this run will remove.
func (r *run) signalID() string {
	id := r.o.Random()
	r.rec.mu.Lock()
	defer r.rec.mu.Unlock()
	r.litter = append(r.litter, id)
	return id
}

// send writes a signal, and makes sure that the store's clock is known.
func (e *Engine) send(ctx context.Context, to control.Side, s control.Signal) (*store.Object, error) {
	obj, err := control.Send(ctx, e.end(to), e.m.Name, s)
	if err != nil || !obj.ModTime.IsZero() {
		return obj, err
	}
	return e.end(to).Head(ctx, control.SignalKey(e.m.Name, s.ID))
}

// await polls a side until a function has carried the signal there.
func (e *Engine) await(ctx context.Context, on control.Side, id string) (control.Signal, error) {
	var last error
	for pause := signalPoll; ; pause = longer(pause) {
		if err := e.o.Sleep(ctx, pause); err != nil {
			if last != nil {
				return control.Signal{}, fmt.Errorf("%w: %w", err, last)
			}
			return control.Signal{}, err
		}
		s, _, err := control.Receive(ctx, e.end(on), e.m.Name, id)
		switch {
		case err == nil && s.Carried:
			return s, nil
		case err == nil:
			return control.Signal{}, errors.New("something other than a function has copied the signal")
		case store.KindOf(err) != store.NotFound && ctx.Err() == nil:
			last = err
		}
	}
}

// clockOf asks a store for its time, by an object that it writes and removes.
func (e *Engine) clockOf(ctx context.Context, side control.Side) (time.Time, error) {
	id := e.o.Random()
	defer e.clear(ctx, id)
	obj, err := e.send(ctx, side, control.Signal{ID: id, Kind: control.Canary, Sent: e.o.Now().UTC().Round(0), Carried: true})
	if err != nil {
		return time.Time{}, err
	}
	return obj.ModTime, nil
}

// tidy removes the signals of the run.
func (r *run) tidy(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(barriers)
	for _, id := range r.litter {
		g.Go(func() error {
			r.clear(ctx, id)
			return nil
		})
	}
	g.Wait() //nolint:errcheck // none returns an error
	r.litter = nil
}

// clear removes a signal from both sides, though ctx may have ended. What a late
// function brings after that finish takes away.
func (e *Engine) clear(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	for _, side := range []control.Side{control.Source, control.Target} {
		if err := control.Clear(ctx, e.end(side), e.m.Name, id); err != nil && store.KindOf(err) != store.NotFound {
			e.log.WarnContext(ctx, "a signal could not be removed", slog.String("side", string(side)), slog.String("id", id), slog.Any("error", err))
		}
	}
}
