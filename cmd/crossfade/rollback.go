package main

import (
	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/cutover/report"
)

func newRollbackCommand(e *env) *cobra.Command {
	var f turnFlags
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Move the application back to the source, with a freeze of about a second",
		Long: `Rollback is cutover the other way: what the application wrote to the target has
flowed back to the source all the time, so that it goes on there and nothing is
lost. The same hooks are run; CROSSFADE_AUTHORITY, or "authority" in the body of a
webhook, tells them which side the application is to use.

To stop a cutover that has not switched yet, use abort.

Exit codes: 0 the application is back and changes flow to the target again, 1 it is
not, or something is left to be done, 2 wrong use.`,
		Example: `  # would it be possible now?
  crossfade rollback -f crossfade.yaml --dry-run

  crossfade rollback -f crossfade.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.turn(cmd.Context(), report.Rollback, f)
		},
	}
	f.flags(cmd)
	return cmd
}
