package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/cutover"
)

type finishFlags struct {
	file   string
	stamps bool
	yes    bool
	json   bool
}

func newFinishCommand(e *env) *cobra.Command {
	var f finishFlags
	cmd := &cobra.Command{
		Use:   "finish",
		Short: "End a migration, and say what can be taken down",
		Long: `Finish ends a migration for good: no changes flow any more in either direction, and
there is no way back but another migration. It removes barriers, canaries, journals
and the policy of a freeze; reports and the control object stay. Then it says what
can be decommissioned on the side that was left.

With --stamps it also takes crossfade's entry off the metadata of the objects that
the application uses, one by one; their bytes are not touched.

It is refused while a cutover or rollback is under way, or while late writes are
kept that nobody has resolved.`,
		Example: `  crossfade finish -f crossfade.yaml
  crossfade finish -f crossfade.yaml --stamps`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.finish(cmd.Context(), f)
		},
	}
	migrationFlag(cmd, &f.file)
	cmd.Flags().BoolVar(&f.stamps, "stamps", false, "also take the stamps off the objects that the application uses")
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object")
	yesFlag(cmd, &f.yes)
	return cmd
}

func (e *env) finish(ctx context.Context, f finishFlags) error {
	m, err := e.migration(f.file)
	if err != nil {
		return err
	}
	if !f.yes {
		if err := e.canAsk(); err != nil {
			return err
		}
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
	e.say(screen, "%s is %s, and the application writes to the %s, %s. After this nothing flows any more, and there is no way back.",
		m.Name, held.Phase, held.Authority, d.at(held.Authority))
	if err := e.confirm(ctx, f.yes, m.Name); err != nil {
		return err
	}
	done, err := engine.Finish(ctx, cutover.FinishOptions{Stamps: f.stamps})
	if err != nil {
		return err
	}
	if f.json {
		err = writeJSON(e.stdout, done)
	} else {
		_, err = fmt.Fprint(e.stdout, finishedText(done))
	}
	if err == nil && done.Failed > 0 {
		return errIncomplete
	}
	return err
}

func finishedText(f cutover.Finished) string {
	var b strings.Builder
	fmt.Fprintf(&b, "finished: %s signals, %s journal entries and %s notes of backfills removed", count(f.Signals), count(f.Journals), count(f.Notes))
	if f.Stamps > 0 || f.Failed > 0 {
		fmt.Fprintf(&b, ", %s stamps taken off", thousands(f.Stamps))
	}
	b.WriteByte('\n')
	if f.Failed > 0 {
		fmt.Fprintf(&b, "%s objects keep their stamps, which harm nothing; to try again, run the same command\n", thousands(f.Failed))
	}
	if len(f.Decommission) > 0 {
		b.WriteString("What can be taken down now:\n")
	}
	for _, line := range f.Decommission {
		fmt.Fprintf(&b, "  - %s\n", oneLine(line))
	}
	return b.String()
}
