package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
)

// turnFlags are those of cutover and rollback.
type turnFlags struct {
	file   string
	strict bool
	dryRun bool
	yes    bool
	json   bool
	report string
}

func (f *turnFlags) flags(cmd *cobra.Command) {
	migrationFlag(cmd, &f.file)
	flags := cmd.Flags()
	flags.BoolVar(&f.strict, "strict", false, "in the freeze, list and compare everything, not only what changed")
	flags.BoolVar(&f.dryRun, "dry-run", false, "check, rehearse the hooks and compare; change nothing")
	f.common(cmd)
}

// common are the flags that abort has too.
func (f *turnFlags) common(cmd *cobra.Command) {
	yesFlag(cmd, &f.yes)
	flags := cmd.Flags()
	flags.BoolVar(&f.json, "json", false, "print the report as one JSON object on standard output; nothing where nothing was begun")
	flags.StringVar(&f.report, "report", ".", "`directory` for the report, which is kept with the control documents as well")
	cmd.MarkFlagDirname("report") //nolint:errcheck // the flag is there
}

func newCutoverCommand(e *env) *cobra.Command {
	var f turnFlags
	cmd := &cobra.Command{
		Use:   "cutover",
		Short: "Move the application to the target, with a freeze of about a second",
		Long: `Cutover turns a migration round: the application goes on with the target, and
from then on changes flow back to the source, so that rollback loses nothing.

Before the freeze: it checks the preconditions, announces itself, waits until
every invocation of a function that began before has ended (functions.timeout),
and compares everything meanwhile. In the freeze: the freeze hook or policy,
barriers through the real way of the events, the comparison of what changed, the
switch hook. If that takes longer than cutover.max_freeze, or anything fails, it
undoes what it did and the application goes on where it was.

Whatever happens to this command, kill -9 included, run it again: it goes on
where it was, or undoes, and once it is done it says so. An interrupt (Ctrl-C) before the switch aborts.

Exit codes: 0 the application has moved and the way back is open, 1 it has not,
or something is left to be done, 2 wrong use.`,
		Example: `  # rehearse: preconditions, hooks with dry_run, a comparison of everything
  crossfade cutover -f crossfade.yaml --dry-run

  # do it; the name of the migration is asked for
  crossfade cutover -f crossfade.yaml

  # in a pipeline, comparing everything within the freeze
  crossfade cutover -f crossfade.yaml --strict --yes --report reports/`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.turn(cmd.Context(), report.Cutover, f)
		},
	}
	f.flags(cmd)
	return cmd
}

// turn runs a cutover or a rollback.
func (e *env) turn(ctx context.Context, operation string, f turnFlags) error {
	m, err := e.migration(f.file)
	if err != nil {
		return err
	}
	if !f.yes && !f.dryRun {
		if err := e.canAsk(); err != nil {
			return err
		}
	}
	files, err := newReportFiles(f.report)
	if err != nil {
		return usagef("%w", err)
	}
	screen := &console{w: e.stderr}
	d, err := e.declare(ctx, m, e.logger(screen))
	if err != nil {
		return err
	}
	defer d.close() //nolint:errcheck // nothing is left to be written
	engine, err := e.engine(ctx, d, e.steps(screen))
	if err != nil {
		return err
	}
	held, err := d.docs.Load(ctx)
	if err != nil {
		return err
	}
	if t := held.Turn; held.Run == nil && held.Phase == goalOf(operation) && t != nil && t.To == held.Authority && !f.dryRun {
		// Who did not see the end of it asks again.
		if f.json {
			r, err := engine.Report(ctx, t.Run)
			if err != nil {
				return fmt.Errorf("nothing to do, and the report of the run that did it cannot be read: %w", err)
			}
			return e.printRun(r)
		}
		_, err := fmt.Fprintf(e.stdout, "nothing to do: the application moved to the %s, %s, at %s, and changes flow to the other side\n",
			t.To, d.at(t.To), t.At.UTC().Format(time.RFC3339))
		return err
	}
	opts := cutover.RunOptions{Strict: f.strict, DryRun: f.dryRun}
	if r := held.Run; r != nil && r.Operation == operation && !f.dryRun {
		// It was agreed to when it began, and the application may be waiting.
		e.say(screen, "The %s that %s began is %s: going on with it.", operation, r.Operator, held.Phase)
	} else {
		e.say(screen, "%s", planText(m, operation, f.strict))
		checks, err := engine.Preflight(ctx, operation, cutover.RunOptions{Strict: f.strict})
		e.say(screen, "%s", checksText(checks))
		if err != nil {
			return err
		}
		if !checks.OK() {
			return fmt.Errorf("the %s is refused, and nothing was changed: %s", operation, checksWrong(checks))
		}
		if err := e.confirm(ctx, f.yes || f.dryRun, m.Name); err != nil {
			return err
		}
	}
	run := engine.Cutover
	if operation == report.Rollback {
		run = engine.Rollback
	}
	r, err := run(ctx, opts)
	return e.concluded(files, r, f.json, err)
}

// goalOf is the phase in which an operation ends.
func goalOf(operation string) control.Phase {
	if operation == report.Rollback {
		return control.Following
	}
	return control.Reversed
}

// concluded shows and writes the report of a run. One without an ID never began;
// one that was taken over is reported by who is at it now.
func (e *env) concluded(files *reportFiles, r report.Report, asJSON bool, err error) error {
	_, takenOver := errors.AsType[*cutover.TakenOverError](err)
	if takenOver || r.Run == "" && (!r.DryRun || err != nil) {
		return err
	}
	var werr error
	if asJSON {
		werr = e.printRun(r)
	} else {
		io.WriteString(e.stdout, report.Summary(r)) //nolint:errcheck // the exit code tells what counts
	}
	if r.DryRun {
		return errors.Join(err, werr)
	}
	names, ferr := files.write(r)
	werr = errors.Join(werr, ferr)
	if asJSON {
		return errors.Join(err, werr)
	}
	for _, name := range names {
		fmt.Fprintf(e.stdout, "report: %s\n", name)
	}
	fmt.Fprintf(e.stdout, "report: %s, and .json, in %s\n", control.ReportKey(r.Migration, r.Run, "html"), r.Control)
	return errors.Join(err, werr)
}

// printRun prints a report for programs.
func (e *env) printRun(r report.Report) error {
	doc, err := r.JSON()
	if err != nil {
		return err
	}
	_, err = e.stdout.Write(doc)
	return err
}

// say tells people something, unless they asked for quiet.
func (e *env) say(c *console, format string, args ...any) {
	if text := strings.TrimSuffix(fmt.Sprintf(format, args...), "\n"); text != "" && !e.quiet {
		fmt.Fprintln(c, text)
	}
}

// steps shows what happens as it happens, a line each.
func (e *env) steps(c *console) func(cutover.Event) {
	return func(ev cutover.Event) {
		e.say(c, "%s  %-9s  %s", ev.At.Format("15:04:05.000"), ev.Phase, oneLine(ev.Text))
	}
}
