package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/replicate/control"
)

type statusFlags struct {
	file     string
	watch    bool
	interval time.Duration
	json     bool
	noCanary bool
}

func newStatusCommand(e *env) *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status [SRC DST | -f FILE]",
		Short: "Say where a migration stands, and what to do next",
		Long: `Status shows the phase of a migration, which side is the authority, how long a
change takes to the other side, how many events wait in the queue, the last
comparison, late writes that wait for resolve, and the next step to take.

The lag is measured end to end: a small object (a canary) is written to the
authority below .crossfade/, and the function for its event carries it to the other
side. Both are removed again. That and nothing else is written; with --no-canary
nothing is.

With --watch it is shown again and again: redrawn on a terminal, else a line each
time; with --json a JSON object a line.

Given a source and a target, it finds the migration that is declared between the
two by its control documents on the target. The thresholds and the queue of its
file are unknown then.

Exit codes: 0 in order, 1 something needs attention, 2 wrong use.`,
		Example: `  crossfade status
  crossfade status -f crossfade.yaml --watch
  crossfade status -f crossfade.yaml --json | jq -r .phase
  crossfade status s3://photos gs://photos-new --no-canary`,
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: completeStores,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.interval < minInterval {
				return usagef("--interval %s: it must be %s at least", f.interval, minInterval)
			}
			m, err := e.statusOf(cmd, args, f)
			if err != nil {
				return err
			}
			return e.status(cmd.Context(), m, f)
		},
	}
	migrationFlag(cmd, &f.file)
	flags := cmd.Flags()
	flags.BoolVarP(&f.watch, "watch", "w", false, "show it again and again, until interrupted")
	flags.DurationVar(&f.interval, "interval", 2*time.Second, "with --watch: `time` between two looks")
	flags.BoolVar(&f.json, "json", false, "print one JSON object; with --watch one a line")
	flags.BoolVar(&f.noCanary, "no-canary", false, "do not measure the lag, and write nothing")
	return cmd
}

const (
	minInterval = 100 * time.Millisecond

	// canaryTime is how long a canary is waited for; longer where max_lag permits
	// more.
	canaryTime = 10 * time.Second
)

// statusOf is the migration that is asked for: by its file, or by its ends.
func (e *env) statusOf(cmd *cobra.Command, args []string, f statusFlags) (config.Migration, error) {
	if len(args) == 0 {
		return e.migration(f.file)
	}
	if cmd.Flags().Changed("file") {
		return config.Migration{}, usagef("give either --file or a source and a target, not both")
	}
	if len(args) == 1 {
		return config.Migration{}, usagef("give a source and a target, or a migration's file with -f")
	}
	p, err := e.pair(args, "")
	if err != nil {
		return config.Migration{}, err
	}
	found, err := e.findMigration(cmd.Context(), p, e.logger(&console{w: e.stderr}))
	switch {
	case err != nil:
		return config.Migration{}, err
	case found.name == "":
		return config.Migration{}, fmt.Errorf("no migration from %s to %s has its control documents on either: give its file with -f, or begin it with crossfade init", p.source, p.target)
	case found.direction == control.Reverse:
		p.source, p.target = p.target, p.source
	}
	return config.Migration{Name: found.name, Source: p.source, Target: p.target, Control: found.at, Concurrency: controlRequests}, nil
}

func (e *env) status(ctx context.Context, m config.Migration, f statusFlags) error {
	log := e.logger(&console{w: e.stderr})
	m.Cutover.Freeze = config.Freeze{} // its probe is not needed
	d, err := e.declare(ctx, m, log)
	if err != nil {
		return err
	}
	defer d.close() //nolint:errcheck // nothing is left to be written
	engine, err := e.engine(ctx, d, nil)
	if err != nil {
		return err
	}
	opts := cutover.StatusOptions{Canary: !f.noCanary, Timeout: max(canaryTime, 2*m.Cutover.MaxLag)}
	show := e.showStatus(f)
	for first := true; ; first = false {
		s, err := engine.Status(ctx, opts)
		switch {
		case ctx.Err() != nil && !first:
			return nil // the way to end a watch
		case err != nil && (first || !f.watch):
			return err
		case err != nil:
			log.Error("the state of the migration cannot be told now", "err", err)
		default:
			if err := show(s); err != nil {
				return err
			}
			if !f.watch && len(s.Attention) > 0 {
				return errIncomplete
			}
		}
		if !f.watch {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(f.interval):
		}
	}
}

// showStatus returns what shows a status in the way that was asked for.
func (e *env) showStatus(f statusFlags) func(cutover.Status) error {
	write := func(text string) error {
		_, err := io.WriteString(e.stdout, text)
		return err
	}
	switch {
	case f.json && f.watch:
		lines := json.NewEncoder(e.stdout)
		lines.SetEscapeHTML(false)
		return func(s cutover.Status) error { return lines.Encode(s) }
	case f.json:
		return func(s cutover.Status) error { return writeJSON(e.stdout, s) }
	case !f.watch:
		return func(s cutover.Status) error { return write(statusText(s)) }
	case e.screen() > 0:
		begun := false
		return func(s cutover.Status) error {
			text := redrawn(statusText(s), e.screen())
			if !begun {
				begun, text = true, clearScreen+text
			}
			return write(text)
		}
	default:
		return func(s cutover.Status) error { return write(statusLine(s) + "\n") }
	}
}

const clearScreen = "\x1b[2J"

// redrawn is text to be written over another from the upper left corner on, no
// line of it longer than the terminal is wide.
func redrawn(text string, width int) string {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for line := range strings.Lines(text) {
		runes := []rune(strings.TrimSuffix(line, "\n"))
		b.WriteString(string(runes[:min(len(runes), width-1)]) + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	return b.String()
}

// defaultFile is the migration's file where none is named.
const defaultFile = "crossfade.yaml"

// migrationFlag adds --file to a verb that needs a migration's file.
func migrationFlag(cmd *cobra.Command, file *string) {
	fileFlag(cmd, file)
	f := cmd.Flags().Lookup("file")
	f.Usage, f.DefValue, *file = "the migration's `file`", defaultFile, defaultFile
}
