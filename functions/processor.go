package functions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// Syncer makes one key of the target equal to the source; *replicate.Replicator
// is one.
type Syncer interface {
	Sync(ctx context.Context, key string, hint replicate.Hint) (replicate.Result, error)
}

// Migration is what a Processor asks of a declared migration.
type Migration interface {
	// Begin is called once an invocation, before the first Sync, with the keys
	// that it is about to sync. An error is the answer to all of them.
	Begin(ctx context.Context, keys []string) error

	// Signal is called for a key below store.ControlPrefix. It reports whether
	// the key was a signal of the migration's, and what became of it in a few
	// words.
	Signal(ctx context.Context, key string) (handled bool, reason string, err error)
}

// Options configure a Processor.
type Options struct {
	Bucket  string // the source's; events for another are refused. Required.
	Prefix  string // of the source's keys; what is outside of it is acknowledged
	Account string // of the bucket, for services that name one; "" accepts any

	// Migration is nil where none is declared: control objects are then
	// acknowledged.
	Migration Migration

	Now func() time.Time // the clock; required
	Log *slog.Logger     // default: discard

	Observer Observer // of metrics and traces; nil for none

	Concurrency int // keys of one batch synced at once: default 16

	// Timeout is how long the platform waits for one invocation. It counts from
	// the call of Process; a deadline of the context, if sooner, goes first. 0
	// means that only the context bounds the work.
	Timeout time.Duration

	// Margin is the time left between giving up and the platform's own limit,
	// for aborting uploads and answering: default 3 s, at most a fifth of the
	// time there is.
	Margin time.Duration
}

const (
	defaultConcurrency = 16
	defaultMargin      = 3 * time.Second
)

// Processor turns events into Syncs and verdicts.
type Processor struct {
	sync Syncer
	opts Options
}

// New returns a Processor that syncs the keys of one bucket.
func New(s Syncer, opts Options) (*Processor, error) {
	switch {
	case s == nil:
		return nil, errors.New("functions: no Syncer")
	case opts.Bucket == "":
		return nil, errors.New("functions: no bucket to accept events of")
	case opts.Now == nil:
		return nil, errors.New("functions: no clock")
	case opts.Concurrency < 0 || opts.Timeout < 0 || opts.Margin < 0:
		return nil, fmt.Errorf("functions: negative option (concurrency %d, timeout %s, margin %s)", opts.Concurrency, opts.Timeout, opts.Margin)
	}
	if opts.Concurrency == 0 {
		opts.Concurrency = defaultConcurrency
	}
	if opts.Margin == 0 {
		opts.Margin = defaultMargin
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Processor{sync: s, opts: opts}, nil
}

// work is one key to sync, and the events of the batch that ask for it.
type work struct {
	key    string // relative to the prefix
	events []int
	hint   replicate.Hint
	signal bool
}

// Process answers a batch of events, in its order. Each key is synced once,
// after all its events were received, and they share the verdict. It logs one
// line an event.
//
// With a Migration, all keys are announced to it before the first Sync, and
// signals are handed to it.
func (p *Processor) Process(ctx context.Context, events []Event) []Verdict {
	ctx, end := p.invocation(ctx, len(events))
	defer end() // after the work's own context is done
	ctx, cancel := p.bound(ctx)
	defer cancel()
	verdicts := make([]Verdict, len(events))
	byKey := map[string]*work{}
	var todo []*work
	for i, e := range events {
		e = e.Checked()
		key, v, settled := p.admit(e)
		if settled {
			verdicts[i] = v
			p.settle(ctx, record{event: e, verdict: v})
			continue
		}
		w := byKey[key]
		if w == nil {
			w = &work{key: key, hint: e.hint(), signal: strings.HasPrefix(key, store.ControlPrefix)}
			byKey[key] = w
			todo = append(todo, w)
		} else if w.hint != e.hint() {
			w.hint = replicate.HintNone
		}
		w.events = append(w.events, i)
	}
	begun := p.begin(ctx, todo)
	var g errgroup.Group
	g.SetLimit(p.opts.Concurrency)
	for _, w := range todo {
		g.Go(func() error {
			p.do(ctx, w, begun, events, verdicts)
			return nil
		})
	}
	_ = g.Wait() // none returns an error: verdicts carry them
	return verdicts
}

// begin tells the migration of the keys to come.
func (p *Processor) begin(ctx context.Context, todo []*work) error {
	if p.opts.Migration == nil {
		return nil
	}
	var keys []string
	for _, w := range todo {
		if !w.signal {
			keys = append(keys, w.key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return p.opts.Migration.Begin(ctx, keys)
}

// do syncs one key, unless begun is an error, and hands the verdict to its
// events.
func (p *Processor) do(ctx context.Context, w *work, begun error, events []Event, verdicts []Verdict) {
	start := p.opts.Now()
	var res replicate.Result
	err := begun
	if err == nil {
		err = ctx.Err() // the time may have gone by before its turn came
	}
	switch {
	case err != nil:
	case w.signal:
		res.Reason, err = p.signal(ctx, w.key)
	default:
		ctx, res, err = p.observedSync(ctx, w)
	}
	v := Judge(res, err)
	took := p.opts.Now().Sub(start)
	for _, i := range w.events {
		verdicts[i] = v
		p.settle(ctx, record{event: events[i], verdict: v, synced: !w.signal, result: res, err: err, took: took, shared: len(w.events)})
	}
}

func (p *Processor) signal(ctx context.Context, key string) (string, error) {
	handled, reason, err := p.opts.Migration.Signal(ctx, key)
	if !handled && err == nil {
		reason = reasonControl
	}
	return reason, err
}

// admit settles the checked events that need no Sync, and returns the key,
// relative to the prefix, of those that do.
func (p *Processor) admit(e Event) (key string, v Verdict, settled bool) {
	if e.Ignored != "" {
		return "", Verdict{Outcome: Ack, Reason: e.Ignored}, true
	}
	if e.Malformed != nil {
		return "", Verdict{Outcome: DeadLetter, Kind: store.Invalid, Reason: "malformed"}, true
	}
	if e.Bucket != p.opts.Bucket {
		return "", Verdict{Outcome: DeadLetter, Kind: store.Invalid, Reason: "another bucket"}, true
	}
	if p.opts.Account != "" && e.Account != p.opts.Account {
		return "", Verdict{Outcome: DeadLetter, Kind: store.Invalid, Reason: "another account"}, true
	}
	key, inside := strings.CutPrefix(e.Key, p.opts.Prefix)
	switch {
	case !inside || key == "":
		return "", Verdict{Outcome: Ack, Reason: ReasonOutside}, true
	case strings.HasPrefix(key, store.ControlPrefix) && p.opts.Migration == nil:
		return "", Verdict{Outcome: Ack, Reason: reasonControl}, true
	}
	return key, Verdict{}, false
}

// reasonControl marks events of crossfade's own objects.
const reasonControl = "control object"

// ReasonOutside marks events of keys outside the prefix, so that they can be
// counted and told from those that were synced.
const ReasonOutside = "outside the prefix"

// bound limits ctx to a little less than the platform gives.
func (p *Processor) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	now := p.opts.Now()
	deadline, ok := ctx.Deadline()
	if p.opts.Timeout > 0 {
		if own := now.Add(p.opts.Timeout); !ok || own.Before(deadline) {
			deadline, ok = own, true
		}
	}
	if !ok {
		return ctx, func() {}
	}
	margin := min(p.opts.Margin, deadline.Sub(now)/5)
	return context.WithDeadline(ctx, deadline.Add(-margin))
}

// Left is how long the platform waits yet, where its context tells.
func (p *Processor) Left(ctx context.Context) (d time.Duration, known bool) {
	deadline, known := ctx.Deadline()
	return deadline.Sub(p.opts.Now()), known
}
