package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/config"
)

// env is what the verbs need from outside, so that tests can drive them.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	openers        config.Openers
	now            func() time.Time
	lookup         func(string) (string, bool) // os.LookupEnv
	environ        func() []string             // os.Environ

	// The context of a verb ends at the first interrupt: what is in flight may
	// finish. abort closes at the second, and grace is the time until then at
	// the latest.
	abort <-chan struct{}
	grace time.Duration

	width  func() int // columns of stderr; 0 where it is no terminal
	screen func() int // the same of stdout

	interactive func() bool // standard input is a terminal

	// For tests: the lease of the functions' guards where it is not
	// control.Lease, and what is called at each step of a cutover.
	lease   time.Duration
	stepped func(step string)

	quiet bool // set by flags
	level slog.Level
}

// The exit codes.
const (
	exitDone       = 0
	exitIncomplete = 1
	exitUsage      = 2
)

// errIncomplete ends a verb that has said already what is wrong: exit 1.
var errIncomplete = errors.New("not everything is in order")

// usageError is a wrong use of the command line: exit 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, e *env) int {
	root := newRootCommand(e) //nolint:contextcheck // verbs take theirs from cobra, which is given ctx below
	// What cobra refuses before a verb begins is wrong use: unknown verbs and
	// flags, wrong numbers of arguments.
	began := false
	var note func(*cobra.Command)
	note = func(c *cobra.Command) {
		if verb := c.RunE; verb != nil {
			c.RunE = func(cmd *cobra.Command, args []string) error {
				began = true
				return verb(cmd, args)
			}
		}
		for _, sub := range c.Commands() {
			note(sub)
		}
	}
	note(root)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errIncomplete) {
		return exitIncomplete
	}
	lines := []string{err.Error()}
	if wrong, ok := errors.AsType[config.Problems](err); ok {
		lines = wrong
	}
	for _, line := range lines {
		fmt.Fprintf(e.stderr, "crossfade: %s\n", strings.Join(strings.Fields(oneLine(line)), " "))
	}
	if _, usage := errors.AsType[*usageError](err); began && !usage {
		return exitIncomplete
	}
	fmt.Fprintf(e.stderr, "See '%s --help'.\n", cmd.CommandPath())
	return exitUsage
}

// storesAnd accepts a source and a target, or --file in their place, and at least
// that many keys; none at all where keys is 0.
func storesAnd(keys int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		f := cmd.Flags().Lookup("file")
		file := f != nil && f.Value.String() != ""
		switch {
		case file && len(args) > 0 && (keys == 0 || isStore(args[0])):
			return usagef("give either --file or a source and a target, not both")
		case file && len(args) < keys:
			return usagef("give at least one key")
		case file:
		case len(args) < 2:
			return usagef("give a source and a target, such as: %s s3://bucket gs://bucket; or a migration's file with -f", cmd.CommandPath())
		case len(args) < 2+keys:
			return usagef("give at least one key after source and target")
		case keys == 0 && len(args) > 2:
			return usagef("one argument too many: %q", args[2])
		}
		return nil
	}
}

// isStore reports whether an argument is a store's URL, as far as one can tell.
func isStore(arg string) bool {
	_, err := config.ParseLocation(arg)
	return err == nil
}

func newRootCommand(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "crossfade",
		Short: "Move a bucket between clouds while the application keeps writing to it",
		Long: `crossfade moves a bucket from one cloud to another while the application keeps
writing to it: between S3 (and servers that speak S3), Google Cloud Storage,
Azure Blob Storage and local directories.

Stores are given as URLs, with each cloud's standard environment for credentials:
  s3://bucket/prefix       AWS_*; ?region= &endpoint= &path_style= &profile= &keys=
  gs://bucket/prefix       GOOGLE_APPLICATION_CREDENTIALS
  az://container/prefix    AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT
  file:///dir

Exit codes: 0 all done, 1 some keys failed or differ, 2 wrong use.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	flags := root.PersistentFlags()
	flags.BoolVarP(&e.quiet, "quiet", "q", false, "no progress, and only errors are logged")
	flags.TextVar(&e.level, "log-level", slog.LevelInfo, "least `level` of what is logged: debug, info, warn or error")
	root.AddCommand(
		newBackfillCommand(e),
		newVerifyCommand(e),
		newSyncCommand(e),
		newRunCommand(e),
		newRedriveCommand(e),
		newConfigCommand(e),
		newInitCommand(e),
		newStatusCommand(e),
		newCutoverCommand(e),
		newRollbackCommand(e),
		newAbortCommand(e),
		newResolveCommand(e),
		newFinishCommand(e),
		newDemoCommand(e),
		newVersionCommand(e),
	)
	return root
}
