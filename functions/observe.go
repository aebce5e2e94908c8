package functions

import (
	"context"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
)

// Observer is told what a Processor does: for metrics and traces. It learns
// neither keys nor the texts of errors. Its methods are called by any number of
// goroutines at once, and what they do takes of the invocation's time.
type Observer interface {
	// Invocation is called at the start of Process, with the context that
	// Process was given. What it returns goes to all that the invocation does;
	// end is called when all verdicts stand.
	Invocation(ctx context.Context, events int) (_ context.Context, end func())

	// Sync is called before a key is synced, and end after that. The context
	// goes to the Sync and to the log lines of its events.
	Sync(ctx context.Context) (_ context.Context, end func(Synced))

	// Event is called once for each event, when its verdict stands.
	Event(ctx context.Context, o Observed)
}

// Synced is what came of a Sync.
type Synced struct {
	Action   replicate.Action // counts where the verdict is Ack
	Bytes    int64            // copied
	Attempts int              // rounds of the Sync
	Took     time.Duration
	Verdict  Verdict
}

// Observed is what came of an event.
type Observed struct {
	Verdict Verdict

	// Lag is the time from the change to the end of the Sync that carried it
	// over, by the two clocks, and never negative. It counts where Timed is true:
	// of an event that told its time and whose Sync succeeded.
	Lag   time.Duration
	Timed bool
}

// StoreStats are counts of a store since the start, which observers may be given
// beside what the Processor tells them.
type StoreStats struct {
	Store         string // source, target or control
	Retries       int64  // of single calls, after the first attempt
	RetriesDenied int64  // retries that the store's budget did not permit
	Throttled     int64  // answers that asked to slow down
}

// invocation tells the observer of a call of Process.
func (p *Processor) invocation(ctx context.Context, events int) (context.Context, func()) {
	if p.opts.Observer == nil {
		return ctx, func() {}
	}
	return p.opts.Observer.Invocation(ctx, events)
}

// observedSync syncs a key, under the eyes of the observer. The context it
// returns is that of the Sync.
func (p *Processor) observedSync(ctx context.Context, w *work) (context.Context, replicate.Result, error) {
	if p.opts.Observer == nil {
		res, err := p.sync.Sync(ctx, w.key, w.hint)
		return ctx, res, err
	}
	start := p.opts.Now()
	ctx, end := p.opts.Observer.Sync(ctx)
	res, err := p.sync.Sync(ctx, w.key, w.hint)
	end(Synced{Action: res.Action, Bytes: res.Bytes, Attempts: res.Attempts, Took: p.opts.Now().Sub(start), Verdict: Judge(res, err)})
	return ctx, res, err
}

// settle writes the log line of an event and tells the observer of it.
func (p *Processor) settle(ctx context.Context, r record) {
	if r.timed = r.synced && r.err == nil && !r.event.Time.IsZero(); r.timed {
		r.lag = p.opts.Now().Sub(r.event.Time)
	}
	p.log(ctx, r)
	if p.opts.Observer != nil {
		p.opts.Observer.Event(ctx, Observed{Verdict: r.verdict, Lag: max(r.lag, 0), Timed: r.timed})
	}
}
