package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/config"
)

// pair is what a verb works on: two stores, named by themselves or by a file.
type pair struct {
	source, target config.Location
	file           *config.Migration // nil where two URLs were given
	keys           []string          // the arguments behind them
}

// fileFlag lets a verb take a migration's file in place of two URLs.
func fileFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVarP(to, "file", "f", "", "take stores and settings from this migration's `file`, such as crossfade.yaml; flags given win over it")
	if err := cmd.MarkFlagFilename("file", "yaml", "yml"); err != nil {
		panic(err) // the flag does not exist: a mistake in this program
	}
}

// pair returns the stores that a verb is to work on, by its arguments or, where
// one is given, the migration's file.
func (e *env) pair(args []string, file string) (pair, error) {
	if file != "" {
		m, err := e.migration(file)
		if err != nil {
			return pair{}, err
		}
		return pair{source: m.Source, target: m.Target, file: &m, keys: args}, nil
	}
	from, err := config.ParseLocation(args[0])
	if err != nil {
		return pair{}, usagef("source: %w", err)
	}
	to, err := config.ParseLocation(args[1])
	if err != nil {
		return pair{}, usagef("target: %w", err)
	}
	if from.Overlaps(to) {
		return pair{}, usagef("source and target overlap: %s and %s; give two that lie apart", from.ID(), to.ID())
	}
	return pair{source: from, target: to, keys: args[2:]}, nil
}

// migration reads and checks a migration's file. Whatever is wrong with it is
// wrong use.
func (e *env) migration(file string) (config.Migration, error) {
	f, err := os.Open(file) //nolint:gosec // the user names it
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = missingFile(file)
		}
		return config.Migration{}, usagef("%w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, config.MaxFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return config.Migration{}, usagef("%w", err)
	}
	m, err := config.Load(raw, file, e.lookup, e.environ(), checkGlob)
	if err != nil {
		return config.Migration{}, usagef("%w", err)
	}
	return m, nil
}

// missingFile names a migration's file that is not there. It is os.ErrNotExist.
type missingFile string

func (m missingFile) Error() string {
	return string(m) + ": there is no such file: name the migration's file with -f; 'crossfade config --help' shows one"
}

func (missingFile) Is(target error) bool { return target == os.ErrNotExist }

// checkGlob complains of a pattern that backfill cannot read.
func checkGlob(pattern string) error {
	if _, err := backfill.NewFilter([]string{pattern}, nil); err != nil {
		return fmt.Errorf("pattern %q %w", pattern, errors.Unwrap(err))
	}
	return nil
}
