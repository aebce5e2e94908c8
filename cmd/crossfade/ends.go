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
	log   *slog.Logger
	fence *fence // of the migration that is declared between them, in openToWrite; else nil
}

// openToWrite is open for what writes to the target: where a migration is declared
// between the two, it has to permit that. whole is as of fence.admit.
func (e *env) openToWrite(ctx context.Context, p pair, concurrency int, whole bool, log *slog.Logger) (*ends, error) {
	f, err := e.newFence(ctx, p, log)
	if err != nil && ctx.Err() != nil {
		return nil, errInterrupted
	}
	if err != nil {
		return nil, err
	}
	if f == nil {
		return e.open(ctx, p, concurrency, log)
	}
	var o *ends
	if err = f.admit(whole); err == nil {
		o, err = e.open(ctx, p, concurrency, log, f.decorator)
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	o.fence = f
	return o, nil
}

// errInterrupted is the end of what was stopped while it opened stores.
var errInterrupted = errors.New("interrupted before anything was done")

// open opens both ends, each for up to so many requests at once, and decorates
// the target innermost.
func (e *env) open(ctx context.Context, p pair, concurrency int, log *slog.Logger, target ...config.Decorator) (_ *ends, err error) {
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = errInterrupted
		}
	}()
	o := &ends{log: log}
	o.Source, o.Target = config.IDs(p.source, p.target)
	pace := e.pace(concurrency, log)
	if o.src, err = p.source.Open(ctx, e.openers, pace); err != nil {
		return nil, err
	}
	if o.dst, err = p.target.Open(ctx, e.openers, append(target, pace)...); err != nil {
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
	err := errors.Join(o.src.Close(), o.dst.Close())
	if o.fence != nil {
		err = errors.Join(err, o.fence.close())
	}
	return err
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
	file             string
}

func (s *scope) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&s.concurrency, "concurrency", 64, "`number` of keys in work at once; of requests to each store too, and fewer while it throttles")
	f.StringArrayVar(&s.include, "include", nil, "only keys that match this `glob` (repeatable)")
	f.StringArrayVar(&s.exclude, "exclude", nil, "no keys that match this `glob`, whatever is included (repeatable)")
	f.BoolVar(&s.json, "json", false, "print the summary as one JSON object on standard output")
	fileFlag(cmd, &s.file)
}

// fill takes from a migration's file what no flag on the command line gives.
func (s *scope) fill(m *config.Migration, given func(flag string) bool) {
	if m == nil {
		return
	}
	if !given("concurrency") {
		s.concurrency = m.Concurrency
	}
	if !given("include") {
		s.include = m.Include
	}
	if !given("exclude") {
		s.exclude = m.Exclude
	}
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
