package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// yesFlag adds --yes.
func yesFlag(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "do not ask for confirmation")
}

// confirm has the user type the name of the migration. It returns nil if that
// was done, or --yes given.
func (e *env) confirm(ctx context.Context, yes bool, name string) error {
	if yes {
		return nil
	}
	if err := e.canAsk(); err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "To go on, type the name of the migration (%s): ", name)
	type answer struct {
		line string
		err  error
	}
	typed := make(chan answer, 1)
	go func() { // a terminal cannot be waited for together with a signal
		line, err := bufio.NewReader(io.LimitReader(e.stdin, 1024)).ReadString('\n')
		typed <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(e.stderr)
		return errors.New("interrupted; nothing was changed")
	case a := <-typed:
		if a.err != nil && !errors.Is(a.err, io.EOF) {
			return fmt.Errorf("reading the answer: %w", a.err)
		}
		if got := strings.TrimSpace(a.line); got != name {
			return fmt.Errorf("%q is not the name of the migration, which is %q: nothing was changed", got, name)
		}
		return nil
	}
}

// canAsk is an error where nobody could answer.
func (e *env) canAsk() error {
	if !e.interactive() {
		return usagef("standard input is no terminal, so nobody can be asked: give --yes")
	}
	return nil
}
