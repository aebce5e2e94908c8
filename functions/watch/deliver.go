package watch

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/store"
)

// What is to be retried waits as long as its verdict says, and at least
// firstPause, doubled each time up to longPause. After maxAttempts it is left to
// the next rescan.
const (
	firstPause  = 500 * time.Millisecond
	longPause   = 5 * time.Minute
	maxAttempts = 10
)

// deliver hands on what is due until ctx ends, then waits for what is in work.
func (w *Watcher) deliver(ctx context.Context, proc Processor) error {
	work, cancel := w.graceful(ctx)
	defer cancel()
	slots := make(chan struct{}, w.opts.Workers)
	var g errgroup.Group
	defer func() { _ = g.Wait() }() // none returns an error
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		batch, err := w.nextBatch(ctx)
		if err != nil {
			return nil // ctx has ended, which is how this ends
		}
		g.Go(func() error {
			defer func() { <-slots }()
			w.process(ctx, work, proc, batch)
			return nil
		})
	}
}

// nextBatch waits until something is due.
func (w *Watcher) nextBatch(ctx context.Context) ([]item, error) {
	for {
		now := w.opts.Now()
		w.mu.Lock()
		batch := w.queue.take(w.opts.Batch, now)
		due, waits := w.queue.next()
		w.mu.Unlock()
		if err := ctx.Err(); err != nil || len(batch) > 0 {
			return batch, err
		}
		if err := w.await(ctx, waits, due.Sub(now)); err != nil {
			return nil, err
		}
	}
}

// await returns when d has passed, if anything waits, or the queue has changed.
func (w *Watcher) await(ctx context.Context, waits bool, d time.Duration) error {
	var passed <-chan time.Time
	if waits {
		t := time.NewTimer(d)
		defer t.Stop()
		passed = t.C
	}
	select {
	case <-passed:
	case <-w.wake:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// process deals with one batch. What takes long ends with stop.
func (w *Watcher) process(stop, ctx context.Context, proc Processor, batch []item) {
	events := make([]functions.Event, 0, len(batch))
	var keys []item
	for _, it := range batch {
		if it.below {
			w.settle(ctx, it, w.removeBelow(stop, ctx, proc, it.key))
			continue
		}
		keys = append(keys, it)
		events = append(events, w.event(it))
	}
	if len(events) == 0 {
		return
	}
	for i, v := range proc.Process(ctx, events) {
		w.settle(ctx, keys[i], v)
	}
}

func (w *Watcher) event(it item) functions.Event {
	return functions.Event{
		Source: source, Type: it.op.String(), Bucket: w.opts.Dir, Key: it.key, Time: it.first,
		Created: it.op&created != 0, Removed: it.op&removed != 0,
		Deliveries: it.attempts + 1, Malformed: it.refused,
	}
}

// source names this package in events.
const source = "file"

// settle acts on the verdict on one item.
func (w *Watcher) settle(ctx context.Context, it item, v functions.Verdict) {
	now := w.opts.Now()
	again := v.Outcome == functions.Retry
	givenUp := again && it.attempts+1 >= maxAttempts
	w.mu.Lock()
	if again && !givenUp {
		w.queue.retry(it.id, now.Add(max(v.After, min(firstPause<<it.attempts, longPause))))
	} else {
		w.queue.done(it.id, now)
	}
	w.count(v, givenUp)
	w.mu.Unlock()
	w.nudge()
	if givenUp {
		w.opts.Log.ErrorContext(ctx, "given up until the next rescan", slog.String("key", functions.LogText(it.key)),
			slog.Int("attempts", it.attempts+1), slog.String("reason", v.Reason))
	}
}

// count notes a verdict in the state, which the caller has locked.
func (w *Watcher) count(v functions.Verdict, givenUp bool) {
	if givenUp {
		w.state.GivenUp++
	}
	if v.Outcome == functions.DeadLetter {
		w.state.DeadLetters++
	}
}

// removeBelow hands on as removed each key below prefix that the target has,
// after the directory was moved away. Sync asks the source of each.
func (w *Watcher) removeBelow(stop, ctx context.Context, proc Processor, prefix string) functions.Verdict {
	at := w.opts.Now()
	var batch []functions.Event
	hand := func() {
		for i, v := range proc.Process(ctx, batch) {
			switch v.Outcome {
			case functions.Retry:
				w.enqueue(id{key: batch[i].Key}, removed, nil)
			case functions.DeadLetter:
				w.update(func(s *State) { s.DeadLetters++ })
			}
		}
		batch = batch[:0]
	}
	// "0" is what follows "/": all that begins with prefix is before it.
	bounds := store.ListOptions{After: strings.TrimSuffix(prefix, "/"), Until: strings.TrimSuffix(prefix, "/") + "0"}
	for o, err := range w.opts.Target.List(ctx, bounds) {
		if stop.Err() != nil {
			return functions.Verdict{Outcome: functions.Retry, Reason: "stopping"}
		}
		if err != nil {
			v := functions.Judge(noResult, err)
			v.Outcome = functions.Retry // a listing refuses no key
			w.opts.Log.WarnContext(ctx, "listing what the target has of a directory that was moved away",
				slog.String("prefix", functions.LogText(prefix)), slog.String("error", functions.LogText(err.Error())))
			return v
		}
		if !strings.HasPrefix(o.Key, prefix) || w.opts.Match != nil && !w.opts.Match(o.Key) {
			continue
		}
		batch = append(batch, functions.Event{Source: source, Type: "moved", Bucket: w.opts.Dir, Key: o.Key, Time: at, Removed: true})
		if len(batch) == w.opts.Batch {
			hand()
		}
	}
	if len(batch) > 0 {
		hand()
	}
	return functions.Verdict{Outcome: functions.Ack}
}
