package report

import (
	"fmt"
	"strings"
)

// summaryText is the longest that a text from outside gets in a Summary.
const summaryText = 300

// Summary is r for the terminal: at most fifteen lines, the first of which is
// the headline.
func Summary(r Report) string {
	r = r.shown()
	r.Reason, r.Remedy = cut(r.Reason, summaryText), cut(r.Remedy, summaryText)
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	b.WriteString(headline(r) + "\n")
	if s, _ := verdict(r); s != "" {
		b.WriteString(s + "\n")
	}
	if r.Remedy != "" {
		b.WriteString("What to do: " + sentence(r.Remedy) + "\n")
	}
	if r.froze() {
		f, text := r.Freeze, "not ended"
		if !f.End.IsZero() {
			text = length(f.Seconds)
			if h := hooksIn(r); h > 0 {
				text += ", of which hooks " + length(h)
			}
		}
		if f.Budget > 0 {
			text += " (limit " + limit(f.Budget) + ")"
		}
		line("freeze", "%s", text)
	}
	if all, last := r.compared(); all != nil || last != nil {
		name, _ := verified(r)
		var keys, open int64
		for _, c := range []*Comparison{all, last} {
			if c != nil {
				keys, open = keys+c.Keys, open+c.open()
			}
		}
		line("compared", "%s: %s, %s not equal", name, plural(keys, "key"), thousands(open))
	}
	if s := r.Sweep; s != nil {
		line("sweep", "%s, %s without an event, %s repaired, %s of stragglers undone, %s late kept", plural(s.Keys, "key"),
			thousands(s.Dropped), thousands(s.Repaired), thousands(s.Undone), thousands(s.Kept))
	}
	if len(r.Lag.Samples) > 0 {
		line("lag", "median %s, 99th percentile %s, largest %s", millis(r.Lag.P50), millis(r.Lag.P99), millis(r.Lag.Max))
	}
	if failed := failedHooks(r.Hooks); failed != "" {
		line("hooks", "not ok: %s", failed)
	}
	line("migration", "%s, phase %s, epoch %d", cut(r.Migration, summaryText), r.Phase, r.EpochAfter)
	line("run", "%s by %s, %s", r.Run, r.Operator, length(between(r.Started, r.Ended)))
	return b.String()
}

// failedHooks names the first hooks that did not succeed.
func failedHooks(hooks []HookRun) string {
	var names []string
	for _, h := range hooks {
		if h.Result != HookOK {
			names = append(names, h.Name+" ("+h.Result+")")
		}
	}
	if len(names) > 3 {
		names = append(names[:3], plural(int64(len(names)-3), "more hook"))
	}
	return strings.Join(names, ", ")
}
