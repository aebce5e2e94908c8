package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/paced"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// World is what a migration happens in: two clouds with a bucket each, an
// application that hooks move between them, and the declared migration.
type World struct {
	Source, Target *End
	App            *demoapp.App
	Sides          *demoapp.Sides
	Migration      config.Migration

	opts    Options
	closes  []func() error // last first
	busy    func() bool    // makes the application wait; set before it works
	control store.Store    // of the documents
	lags    map[demoapp.Side]*lags
}

// NewWorld starts everything but the functions. The options are not checked.
func NewWorld(ctx context.Context, opts Options) (_ *World, err error) {
	opts = opts.withDefaults()
	w := &World{opts: opts, lags: map[demoapp.Side]*lags{demoapp.Source: {}, demoapp.Target: {}}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if w.Source, err = newEnd(ctx, opts.From, "photos", opts); err != nil {
		return nil, err
	}
	w.onClose(w.Source.close)
	if w.Target, err = newEnd(ctx, opts.To, "photos-moved", opts); err != nil {
		return nil, err
	}
	w.onClose(w.Target.close)
	w.control = w.Target.Store
	plan := demoapp.NewPlan(opts.Seed, opts.Objects)
	plan.Calm = opts.Calm
	w.App = demoapp.NewApp(plan, demoapp.Options{
		Rate: opts.Rate, Now: opts.Now, Attempts: opts.appAttempts(),
		Busy: func() bool { return w.busy != nil && w.busy() },
	})
	w.Sides = demoapp.NewSides(w.Source.app, w.Target.app, nil)
	token := rand.Text()
	hooks, stop := cloudsim.Serve(w.Sides.Hooks(token))
	w.onClose(func() error { stop(); return nil })
	w.Migration, err = config.Load([]byte(declaration(w, hooks)), "crossfade.yaml", func(name string) (string, bool) {
		return token, name == "APP_TOKEN"
	}, nil)
	return w, err
}

// declaration is the crossfade.yaml of the migration.
func declaration(w *World, hooks string) string {
	return fmt.Sprintf(`
name: photos
source: %s
target: %s
functions: {timeout: %s}
cutover:
  max_freeze: %s
  max_lag: %s
  freeze:
    mode: hook
    hook: {webhook: "%[6]s/hooks", headers: {Authorization: "Bearer ${APP_TOKEN}"}}
  switch: {webhook: "%[6]s/hooks", headers: {Authorization: "Bearer ${APP_TOKEN}"}}
  unfreeze: {webhook: "%[6]s/hooks", headers: {Authorization: "Bearer ${APP_TOKEN}"}}
`, w.Source.URL, w.Target.URL, w.opts.FunctionTimeout, w.opts.MaxFreeze, w.opts.MaxLag, hooks)
}

// reserved keys are crossfade's own, and nobody else's business.
func reserved(key string) bool {
	return len(key) > len(store.ControlPrefix) && key[:len(store.ControlPrefix)] == store.ControlPrefix
}

func (w *World) onClose(f func() error) { w.closes = append(w.closes, f) }

// Close stops everything.
func (w *World) Close() error {
	var errs []error
	for _, f := range slices.Backward(w.closes) {
		errs = append(errs, f())
	}
	w.closes = nil
	return errors.Join(errs...)
}

// end is the one of a side.
func (w *World) end(s control.Side) *End {
	if s == control.Target {
		return w.Target
	}
	return w.Source
}

// documents opens the control documents, for one process.
func (w *World) documents() (*control.Documents, store.Store, error) {
	st := w.paced(w.Target.ID, w.control)
	docs, err := control.Open(st, w.Migration.Name, rand.Text)
	return docs, st, err
}

// paced is a store as crossfade's programs have it; where requests fail, that of
// an operator who does not take denials for an answer.
func (w *World) paced(name string, st store.Store) store.Store {
	if w.opts.Faults > 0 {
		return tireless(st, w.opts.Now)
	}
	return paced.New(name, st, paced.Options{Max: w.Migration.Concurrency, Now: w.opts.Now, Log: w.opts.Log})
}

// Engine returns the cutover's engine as the command line makes it. backlog and
// progress may be nil.
func (w *World) Engine(backlog func(context.Context) (int64, error), progress func(cutover.Event)) (*cutover.Engine, error) {
	docs, st, err := w.documents()
	if err != nil {
		return nil, err
	}
	return cutover.New(cutover.Options{
		Migration: w.Migration, Source: w.paced(w.Source.ID, w.Source.Store), Target: w.paced(w.Target.ID, w.Target.Store), Control: docs, ControlStore: st,
		Operator: cutover.Operator{Name: "you@demo", Host: "demo", PID: 1, Alive: func(int) bool { return true }}, Tool: "demo",
		Now: w.opts.Now, Sleep: store.Sleep, Random: rand.Text, Log: w.opts.Log,
		Backlog: backlog, Progress: progress, Lease: w.opts.Lease, Stepped: w.opts.Stepped,
	})
}

// Seed stores the application's first objects.
func (w *World) Seed(ctx context.Context) error { return w.App.Seed(ctx, w.Source.app) }

// Work lets the application work; leave stops it and waits until nothing of it is
// in flight, and may be called again.
func (w *World) Work(ctx context.Context) (leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		w.App.Run(ctx, w.Sides, stop)
	}()
	return sync.OnceFunc(func() {
		close(stop)
		if _, held := w.Sides.At(); held {
			cancel() // what waits to begin would wait on
		}
		<-done
		cancel()
	})
}

// Compare judges what is on a side by the application's record, but for keys that
// ignore names and crossfade's own. Where the application is, what it found itself
// is added.
func (w *World) Compare(ctx context.Context, side demoapp.Side, ignore func(key string) bool) (demoapp.Findings, error) {
	found, err := w.App.Compare(ctx, w.end(control.Side(side)).app, func(key string) bool { return reserved(key) || ignore(key) })
	if at, _ := w.Sides.At(); err == nil && at == side {
		found.Merge(w.App.Checked())
	}
	return found, err
}

// Backfill copies everything from the source to the target, as the verb does.
func (w *World) Backfill(ctx context.Context, concurrency int, progress *backfill.Progress) (backfill.Summary, error) {
	docs, _, err := w.documents()
	if err != nil {
		return backfill.Summary{}, err
	}
	guard := control.NewGuard(docs, control.Forward, w.opts.Now, w.opts.Lease)
	src := w.paced(w.Source.ID, w.Source.Store)
	dst := w.paced(w.Target.ID, guard.Guarded(w.Target.Store))
	rep, err := replicate.New(src, dst, w.replicating(control.Forward))
	if err != nil {
		return backfill.Summary{}, err
	}
	return w.backfillAll(ctx, src, dst, rep, concurrency, progress)
}

// replicating are the options of what copies in a direction.
func (w *World) replicating(d control.Direction) replicate.Options {
	return replicate.Options{
		SourceID: w.end(d.From()).ID, TargetID: w.end(d.To()).ID,
		Policy: replicate.Policy{Deletes: w.Migration.Deletes, Foreign: w.Migration.Foreign}, Log: w.opts.Log,
	}
}

// newTransport keeps enough connections for all that goes on at once, and does
// not decompress.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256, DisableCompression: true}
}

// pause waits for t, if it is positive.
func pause(ctx context.Context, t time.Duration) error { return store.Sleep(ctx, max(t, 0)) }
