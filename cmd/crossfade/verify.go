package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

type verifyFlags struct {
	scope
	checksum bool
}

func newVerifyCommand(e *env) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify {SRC DST | -f FILE}",
		Short: "Compare two stores completely",
		Long: `Verify compares every key of both stores and changes nothing. It lists keys that
are missing (on the source only), different, extra (on the target only, copied
there by this migration) and foreign (on the target, of someone else's making).

Sizes, attributes and the checksums that the stores keep are compared; where they
keep none of the same kind, the checksum that the copy was made with. With
--checksum the bodies of both sides are read and compared, which takes as long as
copying and is charged like it.

With -f the stores, globs and the concurrency are those of the migration's file,
where no flag says otherwise. Once the application has moved, the side that it
writes to is then the one that the other is compared with, and what was copied
either way before counts as the migration's own.

` + globHelp,
		Example: `  crossfade verify s3://photos gs://photos-new
  crossfade verify -f crossfade.yaml

  # read every byte of both sides
  crossfade verify s3://photos gs://photos-new --checksum

  # the missing keys, for a script
  crossfade verify s3://photos gs://photos-new --json | jq -r '.keys.missing[]'`,
		Args:              storesAnd(0),
		ValidArgsFunction: completeStores,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := e.pair(args, f.file)
			if err != nil {
				return err
			}
			f.fill(p.file, cmd.Flags().Changed)
			return e.verify(cmd.Context(), p, f)
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&f.checksum, "checksum", false, "read the bodies of both sides and compare them")
	return cmd
}

// verifyResult is the JSON of the verb.
type verifyResult struct {
	Source string `json:"source"`
	Target string `json:"target"`
	backfill.Report
	Error string `json:"error,omitempty"`
}

// comparer returns what compares the two ends. Where a migration has been turned
// round, o is turned to have the authority as its source.
func (e *env) comparer(ctx context.Context, p pair, o *ends, log *slog.Logger) (backfill.Syncer, error) {
	plain, err := o.replicator(replicate.Policy{}, nil, log)
	if err != nil || p.file == nil {
		return plain, err
	}
	f, err := e.openFence(ctx, p.file.Control, p.file.Name, p, control.Forward, log)
	if store.KindOf(err) == store.NotFound || err == nil && f.state.Turn == nil {
		if f != nil {
			err = f.close()
		} else {
			err = nil
		}
		return plain, err
	}
	if err != nil {
		return nil, err
	}
	o.fence = f // closed with the rest
	engine, err := e.engine(ctx, &declared{Migration: *p.file, source: o.src, target: o.dst, control: f.store, docs: f.docs, log: log}, nil)
	if err != nil {
		return nil, err
	}
	either, authority, err := engine.Comparer(ctx)
	if err == nil && authority == control.Target {
		o.src, o.dst, o.Source, o.Target = o.dst, o.src, o.Target, o.Source
	}
	return either, err
}

func (e *env) verify(ctx context.Context, p pair, f verifyFlags) error {
	screen := &console{w: e.stderr}
	log := e.logger(screen)
	opts, err := f.options(ctx, e, log)
	if err != nil {
		return err
	}
	o, err := e.open(ctx, p, opts.Concurrency, log)
	if err != nil {
		return err
	}
	defer o.close() //nolint:errcheck // nothing was written
	rep, err := e.comparer(ctx, p, o, log)
	if err != nil {
		return err
	}
	done := e.showProgress(screen, opts.Progress, "comparing")
	// Nothing is in flight that were better finished.
	report, err := backfill.Verify(ctx, o.src, o.dst, rep, backfill.VerifyOptions{Options: opts, Checksum: f.checksum})
	done()

	if f.json {
		res := verifyResult{Source: o.Source, Target: o.Target, Report: report}
		if err != nil {
			res.Error = err.Error()
		}
		if err := writeJSON(e.stdout, res); err != nil {
			return err
		}
	} else {
		e.printReport(report)
	}
	switch {
	case errors.Is(err, backfill.ErrInterrupted):
		return fmt.Errorf("%w: the comparison is not complete", err)
	case err != nil:
		return err
	case !report.Same():
		return errIncomplete
	default:
		return nil
	}
}
