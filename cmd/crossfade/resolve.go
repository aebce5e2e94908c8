package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/replicate/control"
)

type resolveFlags struct {
	file  string
	apply bool
	drop  bool
	all   bool
	json  bool
}

func newResolveCommand(e *env) *cobra.Command {
	var f resolveFlags
	cmd := &cobra.Command{
		Use:   "resolve [ID|KEY...] {--apply | --drop}",
		Short: "List late writes, and apply or drop them",
		Long: `A late write is one that reached the side which the application had left: it is
neither lost nor does it overwrite what the application wrote since. It is kept
with the control documents until someone decides. Without arguments they are
listed.

--apply writes what is kept to the authority, or deletes there where the late write
was a delete, on the condition that what is there has not changed since this
command looked. --drop forgets it. A key that was written late several times is
named by the ID of the one to be applied.`,
		Example: `  crossfade resolve -f crossfade.yaml
  crossfade resolve -f crossfade.yaml 3f9c0a2b41d7e85560aa91c2 --apply
  crossfade resolve -f crossfade.yaml orders/2025/17.json orders/2025/18.json --drop
  crossfade resolve -f crossfade.yaml --all --drop`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return err
			}
			return e.resolve(cmd.Context(), args, f)
		},
	}
	migrationFlag(cmd, &f.file)
	flags := cmd.Flags()
	flags.BoolVar(&f.apply, "apply", false, "write what is kept to the authority")
	flags.BoolVar(&f.drop, "drop", false, "forget it: the authority stays as it is")
	flags.BoolVar(&f.all, "all", false, "all that are kept")
	flags.BoolVar(&f.json, "json", false, "print one JSON object")
	return cmd
}

func (f resolveFlags) check(args []string) error {
	switch acts := f.apply || f.drop; {
	case f.apply && f.drop:
		return usagef("give either --apply or --drop, not both")
	case f.all && len(args) > 0:
		return usagef("give either --all or the late writes themselves, not both")
	case acts && !f.all && len(args) == 0:
		return usagef("name the late writes by ID or key, or give --all")
	case !acts && (f.all || len(args) > 0):
		return usagef("say what is to be done with them: --apply or --drop")
	default:
		return nil
	}
}

// lateList is the JSON of the list.
type lateList struct {
	Migration string         `json:"migration"`
	Late      []control.Late `json:"late"`
}

// resolvedList is the JSON of what was done.
type resolvedList struct {
	Migration string     `json:"migration"`
	Failed    int        `json:"failed"`
	Late      []lateDone `json:"late"`
}

// lateDone is what became of one.
type lateDone struct {
	ID    string `json:"id"`
	Key   string `json:"key"`
	Error string `json:"error,omitempty"`
	*cutover.Resolved
}

func (e *env) resolve(ctx context.Context, args []string, f resolveFlags) error {
	m, err := e.migration(f.file)
	if err != nil {
		return err
	}
	m.Cutover.Freeze.Mode = "" // its probe is not needed
	d, err := e.declare(ctx, m, e.logger(&console{w: e.stderr}))
	if err != nil {
		return err
	}
	defer d.close() //nolint:errcheck // nothing is left to be written
	engine, err := e.engine(ctx, d, nil)
	if err != nil {
		return err
	}
	late, err := engine.Late(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(late, func(a, b control.Late) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return a.Kept.Compare(b.Kept)
	})
	switch {
	case !f.apply && !f.drop && f.json:
		return writeJSON(e.stdout, lateList{m.Name, append([]control.Late{}, late...)})
	case !f.apply && !f.drop:
		_, err := fmt.Fprint(e.stdout, lateText(late))
		return err
	}
	chosen := late
	if !f.all {
		if chosen, err = chooseLate(late, args); err != nil {
			return err
		}
	}
	if f.apply {
		if err := onceEach(chosen); err != nil {
			return err
		}
	}
	return e.settle(ctx, engine, m.Name, chosen, f)
}

// chooseLate returns those that are named, each once.
func chooseLate(late []control.Late, names []string) (chosen []control.Late, err error) {
	taken := map[string]bool{}
	for _, name := range names {
		known := false
		for _, l := range late {
			if l.ID != name && l.Key != name {
				continue
			}
			known = true
			if !taken[l.ID] {
				taken[l.ID] = true
				chosen = append(chosen, l)
			}
		}
		if !known {
			return nil, fmt.Errorf("no late write is kept with the ID or key %q: crossfade resolve lists them", name)
		}
	}
	return chosen, nil
}

// onceEach is an error where one key would be written more than once: which of
// the writes is to stay is for people to say.
func onceEach(chosen []control.Late) error {
	first := map[string]string{}
	for _, l := range chosen {
		if id, twice := first[l.Key]; twice {
			return fmt.Errorf("key %q was written late more than once: apply one by its ID, such as %s or %s, and drop the others; nothing was changed", l.Key, id, l.ID)
		}
		first[l.Key] = l.ID
	}
	return nil
}

func (e *env) settle(ctx context.Context, engine *cutover.Engine, name string, chosen []control.Late, f resolveFlags) error {
	action := cutover.Drop
	if f.apply {
		action = cutover.Apply
	}
	out := resolvedList{Migration: name, Late: []lateDone{}}
	for _, l := range chosen {
		if ctx.Err() != nil {
			break
		}
		done := lateDone{ID: l.ID, Key: l.Key}
		res, err := engine.Resolve(ctx, l.ID, action)
		if err != nil {
			out.Failed++
			done.Error = oneLine(err.Error())
		} else {
			done.Resolved = &res
		}
		out.Late = append(out.Late, done)
		if !f.json {
			fmt.Fprint(e.stdout, lateDoneText(done))
		}
	}
	if f.json {
		if err := writeJSON(e.stdout, out); err != nil {
			return err
		}
	}
	switch {
	case len(out.Late) < len(chosen):
		return fmt.Errorf("interrupted before key %q; run the same command again for the rest", chosen[len(out.Late)].Key)
	case out.Failed > 0:
		return errIncomplete
	default:
		return nil
	}
}

// lateText lists late writes, two lines each.
func lateText(late []control.Late) string {
	if len(late) == 0 {
		return "no late writes are kept\n"
	}
	var b strings.Builder
	for _, l := range late {
		what := bytesText(l.Size)
		if l.Removed {
			what = "a delete"
		}
		fmt.Fprintf(&b, "%s  %s\n    %s on the %s, %s, epoch %d: %s\n", l.ID, oneLine(l.Key), what, l.Side, lateTime(l), l.Epoch, oneLine(l.Why))
	}
	fmt.Fprintf(&b, "%s kept; to settle them: crossfade resolve ID --apply, or --drop\n", count(len(late)))
	return b.String()
}

func lateTime(l control.Late) string {
	t := l.ModTime
	if t.IsZero() {
		t = l.Kept
	}
	return t.UTC().Format(time.DateTime)
}

func lateDoneText(d lateDone) string {
	r := d.Resolved
	switch {
	case r == nil:
		return fmt.Sprintf("failed   %s  %s: %s\n", d.ID, oneLine(d.Key), d.Error)
	case r.Action == cutover.Drop:
		return fmt.Sprintf("dropped  %s  %s: the %s keeps %s%s\n", d.ID, oneLine(d.Key), r.Authority, shownText(r.Before), noteText(r.Note))
	default:
		return fmt.Sprintf("applied  %s  %s: the %s had %s, and has %s%s\n", d.ID, oneLine(d.Key), r.Authority, shownText(r.Before), shownText(r.After), noteText(r.Note))
	}
}

func shownText(s *cutover.Shown) string {
	if s == nil {
		return "nothing"
	}
	return fmt.Sprintf("%s of %s", bytesText(s.Size), s.ModTime.UTC().Format(time.DateTime))
}

// noteText adds a note to a line.
func noteText(note string) string {
	if note == "" {
		return ""
	}
	return ": " + oneLine(note)
}
