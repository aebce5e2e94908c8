package cutover

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// measured is what one canary told.
type measured struct {
	sample report.LagSample
	seen   control.Signal // as the function carried it; the zero Signal if lost
}

// measureLag writes a canary to the authority, waits until a function has carried
// it to the other side, and removes it from both. One that does not arrive within
// timeout is lost, which is no error. Nothing is sent where no function may carry
// it.
func (e *Engine) measureLag(ctx context.Context, s control.State, timeout time.Duration) (measured, error) {
	d := control.Away(s.Authority)
	if !s.MayWrite(d) {
		return measured{}, fmt.Errorf("the migration is %s: nothing flows that could be measured", s.Phase)
	}
	id := "canary-" + e.o.Random()
	defer e.clearSignal(ctx, id, e.end(d.From()), e.end(d.To()))
	begun := e.o.Now()
	m := measured{sample: report.LagSample{At: begun.UTC().Round(0)}}
	if _, err := control.Send(ctx, e.end(d.From()), e.m.Name, control.Signal{ID: id, Kind: control.Canary, Sent: m.sample.At}); err != nil {
		return measured{}, fmt.Errorf("a canary could not be written to the %s: %w", d.From(), err)
	}
	for pause := signalPoll; ; pause = min(pause*3/2, signalLongPoll) {
		seen, _, err := control.Receive(ctx, e.end(d.To()), e.m.Name, id)
		waited := e.o.Now().Sub(begun)
		m.sample.MS = waited.Milliseconds()
		switch {
		case err == nil && seen.Carried:
			m.seen = seen
			return m, nil
		case err != nil && store.KindOf(err) != store.NotFound && !store.KindOf(err).Retryable():
			return measured{}, fmt.Errorf("a canary could not be looked for on the %s: %w", d.To(), err)
		case waited >= timeout:
			m.sample.Lost = true
			return m, nil
		}
		if err := e.o.Sleep(ctx, min(pause, timeout-waited)); err != nil {
			return measured{}, err
		}
	}
}

// clearSignal removes a signal from both sides, though ctx may have ended. The
// authority's goes first: a function that is late finds nothing to carry.
func (e *Engine) clearSignal(ctx context.Context, id string, from, to store.Store) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	for _, st := range []store.Store{from, to} {
		if err := control.Clear(ctx, st, e.m.Name, id); err != nil && store.KindOf(err) != store.NotFound {
			e.log.WarnContext(ctx, "a signal could not be removed", slog.String("id", id), slog.Any("error", err))
		}
	}
}

// lagSampler measures the lag every so often while a run goes on.
type lagSampler struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	samples []report.LagSample
}

// maxSamples bounds what a sampler remembers; of more, every other one goes.
const maxSamples = 2000

// sampleLag begins to measure, every so often, in the direction away from the
// authority of s. It goes on until stop.
func (e *Engine) sampleLag(ctx context.Context, s control.State, every, timeout time.Duration) *lagSampler {
	ctx, cancel := context.WithCancel(ctx)
	l := &lagSampler{cancel: cancel}
	l.wg.Go(func() {
		for ctx.Err() == nil {
			m, err := e.measureLag(ctx, s, timeout)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				e.log.WarnContext(ctx, "the lag could not be measured", slog.Any("error", err))
			default:
				l.add(m.sample)
			}
			if e.o.Sleep(ctx, every) != nil {
				return
			}
		}
	})
	return l
}

func (l *lagSampler) add(s report.LagSample) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.samples = append(l.samples, s); len(l.samples) < maxSamples {
		return
	}
	kept := l.samples[:0]
	for i := 0; i+1 < len(l.samples); i += 2 {
		if a, b := l.samples[i], l.samples[i+1]; b.Lost || !a.Lost && b.MS > a.MS {
			kept = append(kept, b)
		} else {
			kept = append(kept, a)
		}
	}
	l.samples = kept
}

// stop ends the measuring and returns what was measured.
func (l *lagSampler) stop() []report.LagSample {
	l.cancel()
	l.wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]report.LagSample(nil), l.samples...)
}
