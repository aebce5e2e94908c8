package main

import (
	"fmt"
	"strings"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/cutover/report"
)

// planText says what a cutover or rollback is going to do.
func planText(m config.Migration, operation string, strict bool) string {
	from, to := m.Source, m.Target
	if operation == report.Rollback {
		from, to = to, from
	}
	c := m.Cutover
	compared := "what changed since"
	if strict {
		compared = "everything (--strict)"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s: the application moves from %s to %s\n", strings.ToUpper(operation[:1])+operation[1:], m.Name, from, to)
	for i, line := range []string{
		fmt.Sprintf("announce it, wait %s for functions that have not heard (functions.timeout), compare everything", m.FunctionTimeout),
		fmt.Sprintf("freeze: %s; for %s at the most", freezeText(c, operation), c.MaxFreeze),
		"barriers by the way of the events, then compare " + compared,
		"switch: " + hookText(c.Switch),
		"unfreeze: " + hookText(c.Unfreeze),
		"see changes flow back, compare everything once more",
	} {
		fmt.Fprintf(&b, "  %d. %s\n", i+1, line)
	}
	return b.String()
}

func freezeText(c config.Cutover, operation string) string {
	switch {
	case c.Freeze.Mode == config.FreezeHook:
		return hookText(c.Freeze.Hook)
	case c.Freeze.Mode == config.FreezeS3Policy && operation == report.Cutover:
		return "the policy of the bucket refuses writes, to all but " + strings.Join(c.Freeze.Except, ", ")
	default:
		return "none, and what is written late is kept aside"
	}
}

// hookText names a hook, as far as may be told.
func hookText(h *config.Hook) string {
	switch {
	case h == nil:
		return "no hook"
	case len(h.Command) > 0:
		words := make([]string, len(h.Command))
		for i, word := range h.Command {
			words[i] = oneLine(word.String())
		}
		return fmt.Sprintf("%s (%s)", strings.Join(words, " "), h.Timeout)
	default:
		return fmt.Sprintf("POST %s (%s)", oneLine(h.Webhook.String()), h.Timeout)
	}
}

// checksText shows the preconditions, a line each.
func checksText(checks cutover.Checks) string {
	var b strings.Builder
	for _, c := range checks {
		verdict := "refused"
		switch {
		case c.OK:
			verdict = "ok"
		case c.Warn:
			verdict = "warning"
		}
		fmt.Fprintf(&b, "  %-8s %s: %s", verdict, oneLine(c.Name), oneLine(c.Detail))
		if !c.OK && c.Remedy != "" {
			fmt.Fprintf(&b, "; %s", oneLine(c.Remedy))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// checksWrong is the first of what hinders, with its remedy, and how many more.
func checksWrong(checks cutover.Checks) string {
	var wrong []cutover.Check
	for _, c := range checks {
		if !c.OK && !c.Warn {
			wrong = append(wrong, c)
		}
	}
	if len(wrong) == 0 {
		return ""
	}
	text := wrong[0].Name + ": " + wrong[0].Detail
	if wrong[0].Remedy != "" {
		text += "; " + wrong[0].Remedy
	}
	if more := len(wrong) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more, see above)", more)
	}
	return text
}
