// Package service puts a function together from its environment: what the
// mains of crossfade's functions have in common.
package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/follow"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/paced"
)

// Setup is what a main knows of itself and of its process.
type Setup struct {
	Version string
	Scheme  string // of the stores whose events the function gets: s3, gs or az
	Openers config.Openers

	Lookup  func(string) (string, bool) // os.LookupEnv
	Environ []string                    // os.Environ()
	Out     io.Writer                   // of the log, one JSON document a line
	Now     func() time.Time

	// Timeout is the platform's limit for one invocation where CROSSFADE_TIMEOUT
	// is not set; 0 where the platform's context carries it.
	Timeout time.Duration

	// Account names the storage account of the source where events name one;
	// nil or "" accepts any.
	Account func(source config.Location) string
}

// Service is a function ready to take events.
type Service struct {
	Processor *functions.Processor
	Log       *slog.Logger

	stores []store.Store
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
	if err != nil {
		return nil, &ConfigError{err}
	}
	if cfg.Source.Scheme != s.Scheme {
		return nil, &ConfigError{fmt.Errorf("CROSSFADE_SOURCE is %s, but this function gets the events of %s:// stores: deploy the function of the source's cloud", cfg.Source.ID(), s.Scheme)}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = s.Timeout
	}
	log := slog.New(slog.NewJSONHandler(s.Out, &slog.HandlerOptions{Level: cfg.LogLevel}))
	svc := &Service{Log: log}
	if err := svc.open(ctx, s, cfg); err != nil {
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

func (svc *Service) open(ctx context.Context, s Setup, cfg config.Function) error {
	pace := func(l config.Location, opened store.Store) store.Store {
		return paced.New(l.ID(), opened, paced.Options{Now: s.Now, Log: svc.Log})
	}
	source, err := svc.end(ctx, s, "CROSSFADE_SOURCE", cfg.Source, pace)
	if err != nil {
		return err
	}
	var m *migration
	guard := func(_ config.Location, opened store.Store) store.Store { return opened }
	if cfg.Migration != "" {
		if m, err = svc.migration(ctx, s, cfg, pace); err != nil {
			return err
		}
		guard = m.fence
	}
	target, err := svc.end(ctx, s, "CROSSFADE_TARGET", cfg.Target, guard, pace)
	if err != nil {
		return err
	}
	store.WarnOfConditions(ctx, m.unfenced(target), rand.Text(), svc.Log)
	sourceID, targetID := config.IDs(cfg.Source, cfg.Target)
	rep := replicate.Options{
		SourceID: sourceID,
		TargetID: targetID,
		Policy:   replicate.Policy{Deletes: cfg.Deletes, Foreign: cfg.Foreign},
		Log:      svc.Log,
	}
	account := ""
	if s.Account != nil {
		account = s.Account(cfg.Source)
	}
	opts := functions.Options{
		Bucket:      cfg.Source.Bucket(),
		Prefix:      cfg.Source.Prefix(),
		Account:     account,
		Now:         s.Now,
		Log:         svc.Log,
		Concurrency: cfg.Concurrency,
		Timeout:     cfg.Timeout,
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
	svc.stores = append(svc.stores, st)
	return st, nil
}

// Close closes the stores.
func (svc *Service) Close() error {
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
