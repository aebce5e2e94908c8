package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/paced"
)

// ends are the two stores that a verb works on.
type ends struct {
	src, dst store.Store
	replicate.Ends
	log *slog.Logger
}

// open parses and opens both ends, each for up to so many requests at once. What
// is wrong with the URLs themselves is wrong use; what is wrong with the stores
// is not.
func (e *env) open(ctx context.Context, source, target string, concurrency int, log *slog.Logger) (_ *ends, err error) {
	from, err := config.ParseLocation(source)
	if err != nil {
		return nil, usagef("source: %w", err)
	}
	to, err := config.ParseLocation(target)
	if err != nil {
		return nil, usagef("target: %w", err)
	}
	if from.Overlaps(to) {
		return nil, usagef("source and target overlap: %s and %s; give two that lie apart", from.ID(), to.ID())
	}
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = errors.New("interrupted before anything was done")
		}
	}()
	o := &ends{log: log}
	o.Source, o.Target = config.IDs(from, to)
	pace := func(l config.Location, opened store.Store) store.Store {
		return paced.New(l.ID(), opened, paced.Options{Max: concurrency, Now: e.now, Log: log})
	}
	if o.src, err = from.Open(ctx, e.openers, pace); err != nil {
		return nil, err
	}
	if o.dst, err = to.Open(ctx, e.openers, pace); err != nil {
		return nil, errors.Join(err, o.src.Close())
	}
	return o, nil
}

// warn tells what the target cannot promise, before anything is written there.
func (o *ends) warn(ctx context.Context) {
	store.WarnOfConditions(ctx, o.dst, rand.Text(), o.log)
}

func (o *ends) close() error {
	paced.Report(o.log, o.Source, o.src)
	paced.Report(o.log, o.Target, o.dst)
	return errors.Join(o.src.Close(), o.dst.Close())
}

// replicator returns what syncs from one end to the other. p, if not nil,
// counts what is read.
func (o *ends) replicator(policy replicate.Policy, p *backfill.Progress, log *slog.Logger) (*replicate.Replicator, error) {
	src := o.src
	if p != nil {
		src = p.Meter(src)
	}
	return replicate.New(src, o.dst, replicate.Options{
		SourceID: o.Source, TargetID: o.Target, Policy: policy, Log: log,
	})
}

// abandonable returns a context for work that may finish after the first
// interrupt: it ends at the second, or when the grace is over.
func (e *env) abandonable(ctx context.Context) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		select {
		case <-work.Done():
			return
		case <-ctx.Done():
		}
		hard, done := context.WithTimeout(work, e.grace)
		defer done()
		select {
		case <-e.abort:
		case <-hard.Done():
		}
		cancel()
	}()
	return work, cancel
}

// scope are the flags that backfill and verify share.
type scope struct {
	concurrency      int
	include, exclude []string
	json             bool
}

func (s *scope) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&s.concurrency, "concurrency", 64, "`number` of keys in work at once; of requests to each store too, and fewer while it throttles")
	f.StringArrayVar(&s.include, "include", nil, "only keys that match this `glob` (repeatable)")
	f.StringArrayVar(&s.exclude, "exclude", nil, "no keys that match this `glob`, whatever is included (repeatable)")
	f.BoolVar(&s.json, "json", false, "print the summary as one JSON object on standard output")
}

// maxConcurrency bounds a typing error rather than anyone's wish.
const maxConcurrency = 10_000

// options checks the flags and returns what both verbs pass on.
func (s *scope) options(ctx context.Context, e *env, log *slog.Logger) (backfill.Options, error) {
	if s.concurrency < 1 || s.concurrency > maxConcurrency {
		return backfill.Options{}, usagef("--concurrency %d: it must be from 1 to %d", s.concurrency, maxConcurrency)
	}
	filter, err := backfill.NewFilter(s.include, s.exclude)
	if err != nil {
		return backfill.Options{}, usagef("--%w", err)
	}
	return backfill.Options{
		Concurrency: s.concurrency, Filter: filter, Stop: ctx.Done(),
		Progress: new(backfill.Progress), Log: log, Now: e.now,
	}, nil
}

const globHelp = `Globs are matched against the whole key, relative to the store's prefix: * stands
for any characters but /, ** for any, ? for one, [a-z] for one of these, {a,b}
for one of these patterns. A key is chosen if no --exclude matches it and, where
there are any, at least one --include does. Keys below .crossfade/ never are.`
