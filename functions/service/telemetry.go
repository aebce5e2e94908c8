package service

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/telemetry"
	"github.com/crossfade-io/crossfade/functions/telemetry/cloudlog"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/limit"
	"github.com/crossfade-io/crossfade/store/retry"
)

// lastFlush is how long the end of a process waits for its telemetry to be sent.
const lastFlush = 5 * time.Second

// lines is a log that several write whole lines to.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// logger writes in the form that is asked for, else in the platform's own.
func (s Setup) logger(out io.Writer, cfg config.Function) *slog.Logger {
	if cmp.Or(cfg.LogFormat, s.LogFormat) == config.LogGCP {
		return slog.New(cloudlog.New(out, cloudlog.Options{Level: cfg.LogLevel, Project: s.Project}))
	}
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: cfg.LogLevel}))
}

// observe starts the telemetry that the settings ask for. That its end fails is
// logged, and no failure of the service.
func (svc *Service) observe(ctx context.Context, s Setup, cfg config.Function, settings telemetry.Settings, out io.Writer) (functions.Observer, error) {
	t, err := telemetry.Start(ctx, telemetry.Options{
		Settings: settings,
		Program:  cmp.Or(s.Program, "crossfade"), Version: s.Version, Instance: rand.Text(),
		Source: cfg.Source.ID(), Target: cfg.Target.ID(), Migration: cfg.Migration,
		Out: out, Log: svc.Log, Now: s.Now,
		Stores: svc.storeStats, Readers: s.Readers,
		Frozen: s.Frozen,
	})
	if err != nil {
		return nil, err
	}
	svc.unobserve = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
		defer cancel()
		if err := t.Shutdown(ctx); err != nil {
			svc.Log.LogAttrs(ctx, slog.LevelWarn, "the telemetry did not end in order", slog.String("error", functions.LogText(err.Error())))
		}
	}
	return t.Observer(), nil
}

// storeStats are the counts of the stores that were opened.
func (svc *Service) storeStats() (all []functions.StoreStats) {
	for _, named := range svc.stores {
		stats := functions.StoreStats{Store: strings.ToLower(strings.TrimPrefix(named.variable, "CROSSFADE_"))}
		if r, ok := store.As[*retry.Store](named.Store); ok {
			stats.Retries, stats.RetriesDenied = r.Stats().Retries, r.Stats().Denied
		}
		if l, ok := store.As[*limit.Store](named.Store); ok {
			stats.Throttled = l.Stats().Throttled
		}
		all = append(all, stats)
	}
	return all
}

// named is a store and the variable that names it.
type named struct {
	store.Store
	variable string
}
