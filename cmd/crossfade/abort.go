package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newAbortCommand(e *env) *cobra.Command {
	var f turnFlags
	cmd := &cobra.Command{
		Use:   "abort",
		Short: "Give up a cutover or rollback that has not switched, and unfreeze",
		Long: `Abort takes over a cutover or rollback whose operator is gone, or whose freeze is
to end now: the application goes on where it was, and changes flow as before. What
was copied meanwhile stays, so nothing is lost. After the switch there is nothing
to abort: run the same command again to complete it, and then the other one.

An operator who is still at it is not disturbed: interrupt that command (Ctrl-C).`,
		Example: `  crossfade abort -f crossfade.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.abandon(cmd.Context(), f)
		},
	}
	migrationFlag(cmd, &f.file)
	f.common(cmd)
	return cmd
}

func (e *env) abandon(ctx context.Context, f turnFlags) error {
	m, err := e.migration(f.file)
	if err != nil {
		return err
	}
	if !f.yes {
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
	if r := held.Run; r != nil && !held.Steady() {
		e.say(screen, "%s of %s, begun by %s, is %s: the application is to go on with the %s, %s.",
			r.Operation, m.Name, r.Operator, held.Phase, held.Authority, d.at(held.Authority))
		if err := e.confirm(ctx, f.yes, m.Name); err != nil {
			return err
		}
	}
	r, err := engine.Abort(ctx)
	if err = e.concluded(files, r, f.json, err); err != nil || f.json {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "aborted: %s is as it was before, and the application writes to the %s\n", m.Name, held.Authority)
	return err
}
