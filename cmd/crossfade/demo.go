package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/testutil/demo"
)

func newDemoCommand(e *env) *cobra.Command {
	opts := demo.Defaults()
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a bucket move between clouds while an application keeps writing to it",
		Long: `Demo runs a whole warm migration in this one process, over HTTP on loopback:
two simulated clouds, an application that creates, overwrites and deletes objects
through the cloud's plain SDK all the time, crossfade's functions, invoked by the
source's events as the platform invokes them, and a backfill of what was there
before. Then the application holds for a moment, the last events drain, and it
goes on with the target.

At the end every object on the target is compared with the application's own
record of what it was told succeeded:
  lost         stored, and not there
  stale        as it was before its last change
  resurrected  deleted, and there
  corrupt      other bytes or attributes than were ever stored
  foreign      there, and nobody stored it
Any of these, or an error that the application met: exit code 1.

Lag is the time from a change on the source until a function acknowledged it,
having seen the target in order. Freeze is the time from the last change that the
source accepted until the application was told of its first success on the target.
The same seed gives the same operations.

With --faults, requests are throttled, refused, cut, corrupted, left hanging or
answered into the void, those of the application too. It tries each operation
again until it succeeds, so its record stays true: what it could not know it does
not claim. The JSON then has the faults by kind as "injected".`,
		Example: `  crossfade demo
  crossfade demo --from gcs --to azure --duration 1m --objects 20000 --rate 400
  crossfade demo --latency 5ms
  crossfade demo --faults 0.05
  crossfade demo --json | jq .lag_ms`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			level := slog.LevelError // each event would be a line
			if cmd.Flags().Changed("log-level") {
				level = e.minLevel()
			}
			return e.demo(cmd.Context(), opts, level, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.From, "from", opts.From, "cloud of the source: s3, gcs or azure")
	flags.StringVar(&opts.To, "to", opts.To, "cloud of the target: s3, gcs or azure")
	flags.DurationVar(&opts.Duration, "duration", opts.Duration, "how long the application runs, before and after the move")
	flags.IntVar(&opts.Objects, "objects", opts.Objects, "objects on the source before it begins, at least the special ones")
	flags.Float64Var(&opts.Rate, "rate", opts.Rate, "operations of the application a second")
	flags.Uint64Var(&opts.Seed, "seed", opts.Seed, "of the application's plan")
	flags.DurationVar(&opts.Latency, "latency", opts.Latency, "added to every request to a cloud")
	flags.Float64Var(&opts.Faults, "faults", opts.Faults, "share of the requests to the clouds that fail, 0 to 0.2; events then also come twice and out of order")
	flags.BoolVar(&asJSON, "json", false, "print the result as one JSON object")
	for _, name := range []string{"from", "to"} {
		cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions([]string{"s3", "gcs", "azure"}, cobra.ShellCompDirectiveNoFileComp)) //nolint:errcheck // the flag is there
	}
	return cmd
}

func (e *env) demo(ctx context.Context, opts demo.Options, level slog.Level, asJSON bool) error {
	if err := opts.Validate(); err != nil {
		return usagef("%w", err)
	}
	screen := &console{w: e.stderr}
	opts.Log = slog.New(slog.NewTextHandler(screen, &slog.HandlerOptions{Level: level}))
	opts.Now = e.now
	if !e.quiet {
		opts.Observe = func(s demo.Step) {
			fmt.Fprintln(screen, demoStep(s))
		}
	}
	d, err := demo.New(ctx, opts)
	if err != nil {
		return err
	}
	stop := e.showDemo(screen, d)
	res, err := d.Run(ctx)
	stop()
	err = errors.Join(err, d.Close())
	if ctx.Err() != nil {
		return errors.New("interrupted; nothing is left behind")
	}
	if err != nil {
		return err
	}
	if asJSON {
		err = writeJSON(e.stdout, res)
	} else {
		_, err = io.WriteString(e.stdout, demoTable(res))
	}
	if err != nil {
		return err
	}
	if !res.OK() {
		return errIncomplete
	}
	return nil
}
