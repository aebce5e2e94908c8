// Package service puts a function together from its environment: what the
// mains of crossfade's functions have in common.
package service

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/follow"
	"github.com/crossfade-io/crossfade/functions/telemetry"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/paced"
)

// Setup is what a main knows of itself and of its process.
type Setup struct {
	Program string // its name, for telemetry
	Version string
	Scheme  string // of the stores whose events the function gets: s3, gs or az
	Openers config.Openers

	Lookup  func(string) (string, bool) // os.LookupEnv
	Environ []string                    // os.Environ()
	Out     io.Writer                   // of the log, one JSON document a line, and of EMF
	Now     func() time.Time

	// Timeout is the platform's limit for one invocation where CROSSFADE_TIMEOUT
	// is not set; 0 where the platform's context carries it.
	Timeout time.Duration

	// Frozen says that the process may stand still between invocations.
	Frozen bool

	// LogFormat is the platform's own, for where CROSSFADE_LOG_FORMAT is not set;
	// "" for JSON. Project tells the project that gcp logs name traces by; nil
	// leaves traces out of them.
	LogFormat config.LogFormat
	Project   func(context.Context) string

	// Lease is for how long the state of a migration counts; 0 for control.Lease,
	// which others rely upon.
	Lease time.Duration

	// Readers collect metrics besides what the settings of telemetry ask for.
	Readers []sdkmetric.Reader
}

// Service is a function ready to take events.
type Service struct {
	Config    config.Function // as it was read
	Processor *functions.Processor
	Log       *slog.Logger

	// The two ends as the Processor sees them, the target behind its fence.
	Source, Target store.Store

	mu        sync.Mutex // of stores, while they are opened
	stores    []named
	unobserve func() // ends the telemetry; nil where there is none yet
}

// ConfigError is what the user must correct before the function can start.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// Start reads the environment, opens and checks both stores, and returns the
// service. What is wrong with the environment is a *ConfigError.
func Start(ctx context.Context, s Setup) (*Service, error) {
	cfg, err := config.FromEnv(s.Lookup, s.Environ)
	settings, terr := telemetry.FromEnv(s.Lookup, cfg.Metrics)
	if err = errors.Join(err, terr); err != nil {
		return nil, &ConfigError{err}
	}
	if cfg.Source.Scheme != s.Scheme {
		return nil, &ConfigError{fmt.Errorf("CROSSFADE_SOURCE is %s, but this function gets the events of %s:// stores: deploy the function of the source's cloud", cfg.Source.ID(), s.Scheme)}
	}
	if cfg.DeadLetter != "" && s.Scheme != "s3" {
		return nil, &ConfigError{errors.New("CROSSFADE_DEAD_LETTER is for messages that Lambda takes from a queue of SQS: remove it, for the dead letters of this function are its platform's")}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = s.Timeout
	}
	return begin(ctx, s, cfg, settings)
}

// Open is Start for a configuration that comes from elsewhere than the
// environment. Scheme and Timeout of s, and its environment but for what is about
// telemetry, do not count.
func Open(ctx context.Context, s Setup, cfg config.Function) (*Service, error) {
	settings, err := telemetry.FromEnv(s.Lookup, cfg.Metrics)
	if err != nil {
		return nil, &ConfigError{err}
	}
	return begin(ctx, s, cfg, settings)
}

func begin(ctx context.Context, s Setup, cfg config.Function, settings telemetry.Settings) (*Service, error) {
	out := &lines{w: s.Out}
	log := s.logger(out, cfg)
	svc := &Service{Config: cfg, Log: log}
	observe := func() (functions.Observer, error) { return svc.observe(ctx, s, cfg, settings, out) }
	if err := svc.open(ctx, s, cfg, observe); err != nil {
		if cerr := svc.Close(); cerr != nil {
			err = errors.Join(err, cerr)
		}
		return nil, err
	}
	log.LogAttrs(ctx, slog.LevelInfo, "started",
		slog.String("crossfade", s.Version),
		slog.String("source", cfg.Source.ID()), slog.String("target", cfg.Target.ID()),
		slog.Bool("deletes", cfg.Deletes), slog.String("foreign", cfg.Foreign.String()),
		slog.Int("concurrency", cfg.Concurrency), slog.String("timeout", cfg.Timeout.String()))
	return svc, nil
}

// open opens the stores, calls observe, and makes the Processor.
func (svc *Service) open(ctx context.Context, s Setup, cfg config.Function, observe func() (functions.Observer, error)) error {
	pace := func(l config.Location, opened store.Store) store.Store {
		return paced.New(l.ID(), opened, paced.Options{Now: s.Now, Log: svc.Log})
	}
	// At once: a cold start waits for the round trips of both.
	var source store.Store
	var sourceErr error
	var opening sync.WaitGroup
	opening.Go(func() { source, sourceErr = svc.end(ctx, s, "CROSSFADE_SOURCE", cfg.Source, pace) })
	target, m, err := svc.target(ctx, s, cfg, pace)
	opening.Wait()
	if err = cmp.Or(sourceErr, err); err != nil {
		return err
	}
	svc.Source, svc.Target = source, target
	store.WarnOfConditions(ctx, m.unfenced(target), rand.Text(), svc.Log)
	sourceID, targetID := config.IDs(cfg.Source, cfg.Target)
	rep := replicate.Options{
		SourceID: sourceID,
		TargetID: targetID,
		Policy:   replicate.Policy{Deletes: cfg.Deletes, Foreign: cfg.Foreign},
		Log:      svc.Log,
	}
	observer, err := observe()
	if err != nil {
		return err
	}
	opts := functions.Options{
		Bucket:      cfg.Source.Bucket(),
		Prefix:      cfg.Source.Prefix(),
		Account:     cfg.Source.Account(s.Lookup),
		Now:         s.Now,
		Log:         svc.Log,
		Concurrency: cfg.Concurrency,
		Timeout:     cfg.Timeout,
		Observer:    observer,
	}
	var syncer functions.Syncer
	if m == nil {
		syncer, err = replicate.New(source, target, rep)
	} else {
		var f *follow.Follower
		f, err = m.follower(ctx, source, target, rep, s, svc.Log)
		syncer, opts.Migration = f, f
	}
	if err != nil {
		return err
	}
	svc.Processor, err = functions.New(syncer, opts)
	return err
}

// target opens the target, and what belongs to the migration if there is one.
func (svc *Service) target(ctx context.Context, s Setup, cfg config.Function, pace config.Decorator) (store.Store, *migration, error) {
	var m *migration
	guard := func(_ config.Location, opened store.Store) store.Store { return opened }
	if cfg.Migration != "" {
		var err error
		if m, err = svc.migration(ctx, s, cfg, pace); err != nil {
			return nil, nil, err
		}
		guard = m.fence
	}
	st, err := svc.end(ctx, s, "CROSSFADE_TARGET", cfg.Target, guard, pace)
	return st, m, err
}

// end opens the store that the variable names.
func (svc *Service) end(ctx context.Context, s Setup, variable string, l config.Location, decorators ...config.Decorator) (store.Store, error) {
	st, err := l.Open(ctx, s.Openers, decorators...)
	if err != nil {
		err = fmt.Errorf("%s: %w", variable, err)
		if s.Openers[l.Scheme] == nil {
			err = &ConfigError{err}
		}
		return nil, err
	}
	svc.mu.Lock()
	defer svc.mu.Unlock()
	svc.stores = append(svc.stores, named{st, variable})
	return st, nil
}

// Close ends the telemetry and closes the stores.
func (svc *Service) Close() error {
	if svc.unobserve != nil {
		svc.unobserve()
	}
	var errs []error
	for _, s := range svc.stores {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// Exit reports err on w, each line with the program's name, and returns the
// exit code: 2 for what the user must correct in the environment, else 1.
func Exit(w io.Writer, program string, err error) int {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(w, "%s: %s\n", program, strings.TrimRight(line, "\n"))
	}
	if _, ok := errors.AsType[*ConfigError](err); ok {
		return 2
	}
	return 1
}
