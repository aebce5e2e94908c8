package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/replicate/control"
)

func newInitCommand(e *env) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Begin a migration: create its control object",
		Long: `Init creates the control object of the migration that crossfade.yaml declares, in
which functions, backfills and cutovers see where it stands. Functions that are
told of the migration (CROSSFADE_MIGRATION) write nothing before it is there.

Where there is one already, init leaves it alone and says how it stands.`,
		Example: `  crossfade init -f crossfade.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.initiate(cmd.Context(), file)
		},
	}
	migrationFlag(cmd, &file)
	return cmd
}

func (e *env) initiate(ctx context.Context, file string) error {
	m, err := e.migration(file)
	if err != nil {
		return err
	}
	d, err := e.declare(ctx, m, e.logger(&console{w: e.stderr}))
	if err != nil {
		return err
	}
	defer d.close() //nolint:errcheck // nothing is left to be written
	engine, err := e.engine(ctx, d, nil)
	if err != nil {
		return err
	}
	held, err := engine.Init(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s is %s (epoch %d), the %s is the authority; its control object is %s in %s\n",
		m.Name, held.Phase, held.Epoch, held.Authority, control.StateKey(m.Name), m.Control)
	return err
}
