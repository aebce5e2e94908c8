package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"runtime/debug"
	"syscall"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/paced"
)

// declared is a migration with its stores open.
type declared struct {
	config.Migration
	source, target store.Store
	control        store.Store // its own connection: documents do not queue behind copies
	probe          store.Store // nil unless an S3 policy freezes
	docs           *control.Documents
	log            *slog.Logger
}

// declare opens the stores of a migration. The documents need not be there.
func (e *env) declare(ctx context.Context, m config.Migration, log *slog.Logger) (_ *declared, err error) {
	d := &declared{Migration: m, log: log}
	defer func() {
		if err == nil {
			return
		}
		err = errors.Join(err, d.close())
		if ctx.Err() != nil {
			err = errInterrupted
		}
	}()
	for _, s := range []struct {
		at config.Location
		to *store.Store
	}{{m.Source, &d.source}, {m.Target, &d.target}, {m.Control, &d.control}} {
		if *s.to, err = s.at.Open(ctx, e.openers, e.pace(m.Concurrency, log)); err != nil {
			return nil, err
		}
	}
	if m.Cutover.Freeze.Mode == config.FreezeS3Policy {
		// Not checked: an application's credentials need not permit a look at
		// the bucket, and what they are for is to be refused.
		p := m.Cutover.Freeze.Probe
		open, ok := e.openers[p.Scheme]
		if !ok {
			return nil, fmt.Errorf("cutover.freeze.probe: this program is built without the %s driver", p.Scheme)
		}
		if d.probe, err = open(ctx, p.URL); err != nil {
			return nil, fmt.Errorf("opening cutover.freeze.probe: %w", err)
		}
	}
	d.docs, err = control.Open(d.control, m.Name, rand.Text)
	return d, err
}

// pace decorates a store for up to so many requests at once.
func (e *env) pace(concurrency int, log *slog.Logger) config.Decorator {
	return func(l config.Location, opened store.Store) store.Store {
		return paced.New(l.ID(), opened, paced.Options{Max: concurrency, Now: e.now, Log: log})
	}
}

func (d *declared) close() error {
	var errs []error
	for _, s := range []store.Store{d.source, d.target, d.control, d.probe} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// engine returns what runs the operations of a migration. Progress may be nil.
func (e *env) engine(ctx context.Context, d *declared, progress func(cutover.Event)) (*cutover.Engine, error) {
	backlog, err := newBacklog(ctx, d.Backlog)
	if err != nil {
		return nil, err
	}
	info, _ := debug.ReadBuildInfo()
	return cutover.New(cutover.Options{
		Migration: d.Migration, Source: d.source, Target: d.target,
		Control: d.docs, ControlStore: d.control, Probe: d.probe,
		Operator: operator(), Tool: buildOf(version, info).Version,
		Now: e.now, Sleep: store.Sleep, Random: rand.Text, Log: d.log,
		Backlog: backlog, Progress: progress, Lease: e.lease, Stepped: e.stepped,
	})
}

// seeded notes that a backfill of everything has left nothing to be done.
func (e *env) seeded(ctx context.Context, m config.Migration, o *ends, objects int64, log *slog.Logger) error {
	engine, err := e.engine(ctx, &declared{Migration: m, source: o.src, target: o.dst, control: o.fence.store, docs: o.fence.docs, log: log}, nil)
	if err != nil {
		return err
	}
	if err := engine.Seeded(ctx, objects); err != nil {
		return fmt.Errorf("everything is copied, but that could not be noted: %w; run the same command again", err)
	}
	return nil
}

// at is the location of a side.
func (d *declared) at(s control.Side) config.Location {
	if s == control.Target {
		return d.Target
	}
	return d.Source
}

// operator is who runs this process.
func operator() cutover.Operator {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return cutover.Operator{Name: name + "@" + host, Host: host, PID: os.Getpid(), Alive: alive}
}

// alive reports whether a process runs on this machine.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH)
}
