// Package run is the process for those without functions: it takes events from
// any number of sources, hands them to what a function would, answers for its
// health, and ends without losing anything.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfade-io/crossfade/functions/pull"
)

// Source is a place that events are taken from. Run returns nil when ctx is done
// and what was taken is answered; any other end is the end of the process.
type Source interface {
	Run(ctx context.Context, proc pull.Processor) error
}

// Pull is a Source with a name for logs. One that has a method Err() error is
// asked by it whether it is in order.
type Pull struct {
	Name   string
	Source Source
}

// Webhook takes events by HTTP. Handler answers them and bounds by itself how
// long that may take.
type Webhook struct {
	Name    string // it is served at /events/ and this
	Token   string // that a request must carry; "" for none
	Handler http.Handler
}

// Options of Run. Processor, Listener and at least one of Pulls and Webhooks are
// required.
type Options struct {
	Processor pull.Processor // of what Pulls take
	Pulls     []Pull
	Webhooks  []Webhook

	Listener net.Listener // of Webhooks, /healthz, /readyz and /metrics; Run closes it
	Metrics  http.Handler // nil: there are none

	Concurrency int           // events in work at once, of all sources: default 16
	Timeout     time.Duration // the longest that a webhook takes to answer: default 15 m

	// Grace is how long what is in work may last after the context of Run has
	// ended: default 25 s. It is over at once when Abort is closed.
	Grace time.Duration
	Abort <-chan struct{}

	Log *slog.Logger // default: discard
}

const (
	defaultConcurrency = 16
	defaultTimeout     = 15 * time.Minute
	defaultGrace       = 25 * time.Second

	// answerWithin is the time after the grace for answers to be given: that
	// messages are let go, and requests refused.
	answerWithin = 10 * time.Second
)

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.Processor == nil:
		return o, errors.New("run: no Processor")
	case o.Listener == nil:
		return o, errors.New("run: no Listener")
	case len(o.Pulls)+len(o.Webhooks) == 0:
		return o, errors.New("run: nothing to take events from")
	case o.Concurrency < 0 || o.Timeout < 0 || o.Grace < 0:
		return o, fmt.Errorf("run: negative option (concurrency %d, timeout %s, grace %s)", o.Concurrency, o.Timeout, o.Grace)
	}
	if o.Concurrency == 0 {
		o.Concurrency = defaultConcurrency
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Run takes events until ctx is done, and returns nil when what was in work then
// is answered: done within Grace, or else cancelled and left to come again. A
// source that ends by itself, or a listener that fails, ends it with an error.
func Run(ctx context.Context, opts Options) error {
	opts, err := opts.withDefaults()
	if err != nil {
		return err
	}
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	gate := newGate(stop, work, opts.Processor, opts.Concurrency)
	server := newServer(opts, gate)

	over := make(chan struct{})
	var drain errgroup.Group
	drain.Go(func() error {
		opts.drain(stop, over, abandon)
		return nil
	})
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(opts.Listener)
		cancel()
	}()
	var sources errgroup.Group
	for _, p := range opts.Pulls {
		sources.Go(func() error {
			err := p.Source.Run(stop, gate)
			if err == nil && stop.Err() == nil {
				err = errors.New("it ended by itself")
			}
			if err != nil {
				cancel()
				return fmt.Errorf("events by %s: %w", p.Name, err)
			}
			return nil
		})
	}
	opts.Log.LogAttrs(ctx, slog.LevelInfo, "running", slog.String("listen", opts.Listener.Addr().String()),
		slog.Int("sources", len(opts.Pulls)+len(opts.Webhooks)), slog.Int("concurrency", opts.Concurrency))
	if len(opts.Pulls) == 0 {
		<-stop.Done()
	}
	err = sources.Wait()
	<-stop.Done()
	gate.wait() // for requests in work
	close(over)
	_ = drain.Wait() // it returns no error
	return errors.Join(err, end(ctx, server, served))
}

// drain says that the end has begun, and abandons what is in work when the grace
// is over.
func (o Options) drain(stop context.Context, over <-chan struct{}, abandon func()) {
	<-stop.Done()
	log := context.WithoutCancel(stop)
	o.Log.LogAttrs(log, slog.LevelInfo, "stopping: no more events are taken, and what is in work is finished", slog.String("grace", o.Grace.String()))
	grace := time.NewTimer(o.Grace)
	defer grace.Stop()
	select {
	case <-over:
		return
	case <-grace.C:
	case <-o.Abort:
	}
	o.Log.LogAttrs(log, slog.LevelWarn, "what is in work is cut short: its events come again")
	abandon()
}

// end lets the server give its last answers.
func end(ctx context.Context, server *http.Server, served <-chan error) error {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
	defer cancel()
	err := server.Shutdown(last)
	if err != nil {
		err = server.Close()
	}
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(fmt.Errorf("listening: %w", serr), err)
	}
	return err
}
