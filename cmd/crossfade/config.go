package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/config"
)

func newConfigCommand(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check a migration's file, or print its schema",
		Long: `A migration is declared in a file, crossfade.yaml, that all verbs take with -f:

  name: shop-uploads
  source: s3://shop-uploads?region=eu-central-1
  target: gs://shop-uploads-gcp
  control: gs://ops/crossfade   # for crossfade's own small documents; default: the target
  include: ["**"]               # globs, as of backfill
  exclude: ["tmp/**"]
  deletes: true
  foreign: keep                 # or adopt, or overwrite
  concurrency: 64
  functions:
    timeout: 150s               # the longest that one invocation can last
  backlog:                      # how many events wait in the queue: command or sqs
    command: ["./backlog.sh"]   # prints one number
    timeout: 5s
  cutover:
    max_freeze: 10s             # the freeze ends by itself after this
    max_lag: 5s                 # no cutover starts above this lag,
    max_errors: 0               # nor with more failures in the last comparison
    freeze:
      mode: s3-policy           # or hook, or none
      except: ["arn:aws:iam::123456789012:role/crossfade"]
      probe: s3://shop-uploads?profile=app
    switch:                     # and unfreeze:, and freeze.hook: with mode hook
      webhook: https://deploy.example.com/hooks/storage
      headers: {Authorization: "Bearer ${DEPLOY_TOKEN}"}
      timeout: 10s
  run:                          # without functions: 'crossfade run --help' shows it
    events: [{sqs: "https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade"}]

Only name, source and target are required. In values, ${NAME} is that variable of
the environment, ${NAME:-text} has the text where it is not set or empty, and $$
is a dollar sign. A single value is overridden by the variable CROSSFADE_ and its
path in capitals with _ for dots, such as CROSSFADE_CUTOVER_MAX_FREEZE; the name by
CROSSFADE_MIGRATION. An unknown field, or variable of this kind, is an error.

An argument of a command is shown as the file has it: keep secrets in variables.`,
		Example: `  crossfade config check -f crossfade.yaml
  crossfade config schema > crossfade.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheckCommand(e), &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a migration's file",
		Long: `Schema prints the JSON Schema (draft 2020-12) of crossfade.yaml, with which editors
complete and check it while it is written.`,
		Example: `  crossfade config schema > crossfade.schema.json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(e.stdout, config.Schema())
			return err
		},
	})
	return cmd
}

type configCheckFlags struct {
	file string
	open bool
	json bool
}

// configChecked is the JSON of the verb.
type configChecked struct {
	File      string           `json:"file"`
	Migration config.Migration `json:"migration"`
	Digest    string           `json:"digest"`
	Warnings  []string         `json:"warnings"`
	Opened    []storeOpened    `json:"opened,omitempty"`
}

// storeOpened is how opening one of the stores went.
type storeOpened struct {
	Field string `json:"field"`
	Store string `json:"store"`
	Error string `json:"error,omitempty"`
}

func newConfigCheckCommand(e *env) *cobra.Command {
	var f configCheckFlags
	cmd := &cobra.Command{
		Use:   "check [-f FILE]",
		Short: "Say what a migration's file comes to, and what is wrong with it",
		Long: `Check reads a migration's file, crossfade.yaml unless -f names another, and prints
it with the environment and the defaults filled in, without secrets, as YAML. All
that is wrong is told at once, a line each; what is permitted and yet likely not
meant is a warning. With --open the stores are opened and checked too, and nothing
is written to them.

Exit codes: 0 in order, 1 a store cannot be opened, 2 the file is wrong.`,
		Example: `  crossfade config check
  crossfade config check -f shop.yaml --open
  crossfade config check --json | jq -r .digest`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.configCheck(cmd.Context(), f) },
	}
	migrationFlag(cmd, &f.file)
	flags := cmd.Flags()
	flags.BoolVar(&f.open, "open", false, "open and check the stores too")
	flags.BoolVar(&f.json, "json", false, "print one JSON object on standard output")
	return cmd
}

func (e *env) configCheck(ctx context.Context, f configCheckFlags) error {
	m, err := e.migration(f.file)
	if err != nil {
		return err
	}
	res := configChecked{File: f.file, Migration: m, Digest: m.Digest(), Warnings: append([]string{}, m.Warnings()...)}
	if f.open {
		res.Opened = e.openAll(ctx, m)
	}
	if f.json {
		err = writeJSON(e.stdout, res)
	} else {
		err = e.printChecked(res)
	}
	if err != nil {
		return err
	}
	for _, o := range res.Opened {
		if o.Error != "" {
			return errIncomplete
		}
	}
	return nil
}

// openAll opens and checks each store of a migration, and closes it again. The
// probe of a freeze is left out: its credentials need not permit a look.
func (e *env) openAll(ctx context.Context, m config.Migration) (done []storeOpened) {
	for _, s := range []struct {
		field string
		store config.Location
	}{{"source", m.Source}, {"target", m.Target}, {"control", m.Control}} {
		if s.field == "control" && s.store.URL == m.Target.URL {
			continue // it is there unless the file says otherwise
		}
		o := storeOpened{Field: s.field, Store: s.store.ID()}
		opened, err := s.store.Open(ctx, e.openers)
		if err == nil {
			err = opened.Close()
		}
		if err != nil {
			o.Error = oneLine(err.Error())
		}
		done = append(done, o)
	}
	return done
}

// printChecked writes the file to standard output, and what is to be said of it
// to standard error.
func (e *env) printChecked(res configChecked) error {
	text, err := res.Migration.Text()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(e.stdout, text); err != nil {
		return err
	}
	if e.minLevel() <= slog.LevelWarn {
		for _, w := range res.Warnings {
			fmt.Fprintf(e.stderr, "warning: %s\n", w)
		}
	}
	for _, o := range res.Opened {
		switch {
		case o.Error != "":
			fmt.Fprintf(e.stderr, "crossfade: %s: %s\n", o.Field, o.Error)
		case e.minLevel() <= slog.LevelInfo:
			fmt.Fprintf(e.stderr, "%s: %s can be opened\n", o.Field, o.Store)
		}
	}
	return nil
}
