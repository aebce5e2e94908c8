package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	cloudpubsub "cloud.google.com/go/pubsub/v2"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions/eventgrid"
	"github.com/crossfade-io/crossfade/functions/gcs"
	"github.com/crossfade-io/crossfade/functions/pull"
	"github.com/crossfade-io/crossfade/functions/pull/pubsub"
	"github.com/crossfade-io/crossfade/functions/pull/sqs"
	frun "github.com/crossfade-io/crossfade/functions/run"
	"github.com/crossfade-io/crossfade/functions/service"
	"github.com/crossfade-io/crossfade/functions/telemetry/trace"
	"github.com/crossfade-io/crossfade/functions/watch"
	"github.com/crossfade-io/crossfade/replicate"
)

// heldBeyond is how much longer than its work can last a message may be held:
// while it waits for its turn, and before it is given back.
const heldBeyond = 10 * time.Minute

// maxRescanDelete is how many deletions a rescan may find: a directory whose disk
// is not mounted looks like one with everything deleted.
const maxRescanDelete = 1000

// wiring makes the sources of one process.
type wiring struct {
	*env
	svc  *service.Service
	cfg  config.Function
	m    config.Migration
	open []io.Closer
}

func (w *wiring) close() error {
	var errs []error
	for _, c := range w.open {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// add puts what takes the events of one place into opts.
func (w *wiring) add(ctx context.Context, opts *frun.Options, from config.Events) error {
	name := from.Name()
	var source frun.Source
	var err error
	switch {
	case from.SQS != "":
		source, err = w.sqs(ctx, from)
	case from.PubSub != "":
		source, err = w.pubsub(ctx, from)
	case from.Watch != nil:
		source, err = w.watch(from)
	default:
		opts.Webhooks = append(opts.Webhooks, frun.Webhook{Name: string(from.Webhook), Token: from.Token.Reveal(), Handler: trace.Handler(w.webhook(from.Webhook))})
		if w.filtered() {
			w.warnUnfiltered(ctx, name)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("events by %s: %w", name, err)
	}
	if w.filtered() && from.Watch == nil {
		w.warnUnfiltered(ctx, name)
	}
	opts.Pulls = append(opts.Pulls, frun.Pull{Name: name, Source: source})
	return nil
}

func (w *wiring) filtered() bool { return len(w.m.Include)+len(w.m.Exclude) > 0 }

func (w *wiring) warnUnfiltered(ctx context.Context, name string) {
	w.svc.Log.LogAttrs(ctx, slog.LevelWarn, "include and exclude do not count for these events: all keys of the store are followed", slog.String("events", name))
}

func (w *wiring) sqs(ctx context.Context, from config.Events) (frun.Source, error) {
	client, err := newSQS(ctx, "sqs", from.SQS)
	if err != nil {
		return nil, err
	}
	return sqs.New(client, sqs.Options{Queue: from.SQS, DeadLetter: from.DeadLetter, Concurrency: w.cfg.Concurrency, Log: w.svc.Log})
}

func (w *wiring) pubsub(ctx context.Context, from config.Events) (frun.Source, error) {
	project, _, _ := strings.Cut(strings.TrimPrefix(from.PubSub, "projects/"), "/")
	client, err := cloudpubsub.NewClient(ctx, project)
	if err != nil {
		return nil, err
	}
	w.open = append(w.open, client)
	return pubsub.New(client, pubsub.Options{
		Subscription: from.PubSub, DeadLetter: from.DeadLetter, Concurrency: w.cfg.Concurrency,
		Extension: w.cfg.Timeout + heldBeyond, Log: w.svc.Log,
	})
}

// watch looks after the source's directory. The keys that differ are found by the
// listings of both sides, and handed on as events.
func (w *wiring) watch(from config.Events) (frun.Source, error) {
	filter, err := backfill.NewFilter(w.m.Include, w.m.Exclude)
	if err != nil {
		return nil, err
	}
	sourceID, targetID := config.IDs(w.cfg.Source, w.cfg.Target)
	compare, err := replicate.New(w.svc.Source, w.svc.Target, replicate.Options{
		SourceID: sourceID, TargetID: targetID, Policy: replicate.Policy{Deletes: w.cfg.Deletes, Foreign: w.cfg.Foreign}, Log: w.svc.Log,
	})
	if err != nil {
		return nil, err
	}
	watcher, err := watch.New(watch.Options{
		Dir: w.cfg.Source.Bucket(), Target: w.svc.Target, Match: filter.Match, Rescan: from.Watch.Rescan,
		Compare: backfill.Rescan(w.svc.Source, w.svc.Target, compare, backfill.Options{
			Concurrency: w.cfg.Concurrency, Filter: filter, Delete: w.cfg.Deletes, MaxDelete: maxRescanDelete, NeverEmpty: true, Log: w.svc.Log, Now: w.now,
		}),
		Workers: w.cfg.Concurrency, Batch: 1, Grace: w.m.Run.Grace, Now: w.now, Log: w.svc.Log,
	})
	if err != nil {
		return nil, err
	}
	return watched{watcher}, nil
}

// watched is a Watcher as a Source.
type watched struct{ *watch.Watcher }

func (s watched) Run(ctx context.Context, proc pull.Processor) error { return s.Watcher.Run(ctx, proc) }

func (w *wiring) webhook(kind config.WebhookKind) http.Handler {
	switch kind {
	case config.WebhookGCS:
		return gcs.New(w.svc.Processor)
	case config.WebhookEventGrid:
		return eventgrid.New(w.svc.Processor, w.svc.Log)
	default:
		return frun.S3(w.svc.Processor, w.svc.Log)
	}
}
