package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/testutil/demo"
)

func newDemoCommand(e *env) *cobra.Command {
	opts := demo.Defaults()
	var (
		asJSON    bool
		reportDir string
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a bucket move between clouds while an application keeps writing to it",
		Long: `Demo runs a whole warm migration in this one process, over HTTP on loopback:
two simulated clouds, an application that creates, overwrites and deletes objects
through the cloud's plain SDK all the time, crossfade's functions of both
directions, invoked by the clouds' events as the platforms invoke them, a backfill
of what was there before, and the cutover: announced, compared, frozen, drained,
compared again, switched by webhooks that the application follows, and reversed,
so that its changes flow back. With --rollback it then goes back to the source in
the same way.

At the end every object on both sides is compared with the application's own
record of what it was told succeeded:
  lost         stored, and not there
  stale        as it was before its last change
  resurrected  deleted, and there
  corrupt      other bytes or attributes than were ever stored
  foreign      there, and nobody stored it
Any of these, or an error that the application met: exit code 1.

Lag is the time from a change of the application until a function acknowledged
it, having seen the other side in order. Freeze is what the application measures
itself: from the last write that was accepted before it held to the first one
after. The same seed gives the same operations.

A real cutover waits, outside of the freeze, until every function that began before
its announcement has ended: functions.timeout, 15m if not declared, and 5 s for
what functions rely on without asking. Here they end within 3 seconds, and rely on
what they know for a quarter of one; nothing else is shortened. On a machine that
cannot keep up, the application waits while more than a second's worth of events
is under way: see the operations a second.

With --faults, requests are throttled, refused, cut, corrupted, left hanging or
answered into the void, those of the application too. It tries each operation
again until it succeeds, so its record stays true: what it could not know it does
not claim. A cutover that is given up before the switch is begun again. The JSON
then has the faults by kind as "injected".`,
		Example: `  crossfade demo
  crossfade demo --rollback
  crossfade demo --from gcs --to azure --duration 1m --objects 20000 --rate 400
  crossfade demo --latency 5ms --strict
  crossfade demo --faults 0.02
  crossfade demo --rollback --report .
  crossfade demo --json | jq .cutover`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			level := slog.LevelError // each event would be a line
			if cmd.Flags().Changed("log-level") {
				level = e.minLevel()
			}
			return e.demo(cmd.Context(), opts, level, asJSON, reportDir)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.From, "from", opts.From, "cloud of the source: s3, gcs or azure")
	flags.StringVar(&opts.To, "to", opts.To, "cloud of the target: s3, gcs or azure")
	flags.DurationVar(&opts.Duration, "duration", opts.Duration, "how long the application runs at least, on both sides together")
	flags.IntVar(&opts.Objects, "objects", opts.Objects, "objects on the source before it begins, at least the special ones")
	flags.Float64Var(&opts.Rate, "rate", opts.Rate, "operations of the application a second")
	flags.Uint64Var(&opts.Seed, "seed", opts.Seed, "of the application's plan")
	flags.DurationVar(&opts.Latency, "latency", opts.Latency, "added to every request to a cloud")
	flags.Float64Var(&opts.Faults, "faults", opts.Faults, "share of the requests to the clouds that fail, 0 to 0.2; events then also come twice and out of order")
	flags.BoolVar(&opts.Rollback, "rollback", false, "let the application go back to the source in the end")
	flags.BoolVar(&opts.Strict, "strict", false, "compare everything in the freeze, not only what has changed since it was compared")
	flags.StringVar(&reportDir, "report", "", "directory to write the reports of the cutover and the rollback to")
	flags.BoolVar(&asJSON, "json", false, "print the result as one JSON object")
	for _, name := range []string{"from", "to"} {
		cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions([]string{"s3", "gcs", "azure"}, cobra.ShellCompDirectiveNoFileComp)) //nolint:errcheck // the flag is there
	}
	return cmd
}

func (e *env) demo(ctx context.Context, opts demo.Options, level slog.Level, asJSON bool, reportDir string) error {
	if err := opts.Validate(); err != nil {
		return usagef("%w", err)
	}
	var files *reportFiles
	if reportDir != "" {
		var err error
		if files, err = newReportFiles(reportDir); err != nil {
			return usagef("%w", err)
		}
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
	if err := e.demoReports(files, res); err != nil {
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

// demoReports writes the engine's reports, if that is wanted.
func (e *env) demoReports(files *reportFiles, res *demo.Result) error {
	if files == nil {
		return nil
	}
	for _, r := range res.Reports {
		names, err := files.write(r)
		if err != nil {
			return err
		}
		if !e.quiet {
			fmt.Fprintf(e.stderr, "report of the %s: %s\n", r.Operation, strings.Join(names, ", "))
		}
	}
	return nil
}
