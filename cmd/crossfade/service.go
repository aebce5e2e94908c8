package main

import (
	"context"
	"errors"
	"io"
	"runtime/debug"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions/service"
)

// asFunction is what the function of one direction of a migration is configured
// with.
func asFunction(m config.Migration, reverse bool) config.Function {
	cfg := config.Function{
		Source: m.Source, Target: m.Target, Deletes: m.Deletes, Foreign: m.Foreign,
		Concurrency: m.Concurrency, Timeout: m.FunctionTimeout, Migration: m.Name, Control: m.Control,
	}
	if reverse {
		cfg.Source, cfg.Target, cfg.Reverse = m.Target, m.Source, true
	}
	return cfg
}

// service opens what the functions do, for a verb that does it here. Its log goes
// to out.
func (e *env) service(ctx context.Context, cfg config.Function, out io.Writer, readers ...sdkmetric.Reader) (*service.Service, error) {
	info, _ := debug.ReadBuildInfo()
	svc, err := service.Open(ctx, service.Setup{
		Program: "crossfade", Version: buildOf(version, info).Version,
		Openers: e.openers, Lookup: e.lookup, Environ: e.environ(), Out: out, Now: e.now,
		Readers: readers, Lease: e.lease,
	}, cfg)
	switch _, wrong := errors.AsType[*service.ConfigError](err); {
	case err == nil:
		return svc, nil
	case ctx.Err() != nil:
		return nil, errInterrupted
	case wrong:
		return nil, usagef("%w", err)
	default:
		return nil, err
	}
}
