package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

func num(n int64) cell       { return cell{Text: thousands(n), Class: "num"} }
func count(n int64) cell     { return cell{Text: thousands(n)} }
func took(s float64) cell    { return cell{Text: length(s), Class: "num"} }
func code(s string) cell     { return cell{Text: s, Class: "code"} }
func at(t time.Time) cell    { return cell{Text: instant(t), Class: "time"} }
func clock(t time.Time) cell { return cell{Text: clockTime(t), Class: "time"} }
func row(name string) cell   { return cell{Text: name, Head: true} }

// heads names columns; a # before a name says that it is of numbers.
func heads(names ...string) []cell {
	cells := make([]cell, 0, len(names))
	for _, name := range names {
		text, numbers := strings.CutPrefix(name, "#")
		c := cell{Text: text}
		if numbers {
			c.Class = "num"
		}
		cells = append(cells, c)
	}
	return cells
}

// alarm is num, marked if it is not zero.
func alarm(n int64) cell {
	c := num(n)
	if n > 0 {
		c.Class += " bad"
	}
	return c
}

func figures(r Report) []figure {
	var fs []figure
	add := func(name, value, sub string) { fs = append(fs, figure{name, value, sub}) }
	switch f := r.Freeze; {
	case !r.froze():
		add("Freeze", "none", "writes were not stopped")
	case f.End.IsZero():
		add("Freeze", "not ended", "since "+clockTime(f.Start)+" UTC")
	default:
		sub := ""
		if h := hooksIn(r); h > 0 {
			sub = length(h) + " of it in hooks"
		}
		if f.Budget > 0 {
			if sub != "" {
				sub += ", "
			}
			sub += "limit " + limit(f.Budget)
		}
		add("Freeze", length(f.Seconds), sub)
	}
	add("Objects", thousands(r.Counts.Objects), size(r.Counts.Bytes))
	if all, last := r.compared(); all != nil || last != nil {
		var open int64
		for _, c := range []*Comparison{all, last} {
			if c != nil {
				open += c.open()
			}
		}
		keys := "no key compared in the freeze"
		if last != nil {
			keys = plural(last.Keys, "key") + " compared in the freeze"
		} else if all.Kind == CompareStrict {
			keys = plural(all.Keys, "key") + " compared in the freeze"
		}
		add("Not equal", thousands(open), keys)
	}
	if len(r.Lag.Samples) > 0 {
		add("Replication lag", millis(r.Lag.P50), "median; 99th percentile "+millis(r.Lag.P99))
	}
	sub := ""
	if r.Resumed > 0 {
		sub = "resumed " + often(r.Resumed)
	}
	add("Whole run", length(between(r.Started, r.Ended)), sub)
	return fs
}

func often(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	default:
		return thousands(int64(n)) + " times"
	}
}

// hooksIn adds up the hooks that began within the freeze.
func hooksIn(r Report) float64 {
	var s float64
	for _, h := range r.Hooks {
		if !h.Start.Before(r.Freeze.Start) && h.Start.Before(r.Freeze.End) {
			s += h.Seconds
		}
	}
	return min(s, r.Freeze.Seconds)
}

func spanTable(caption string, spans []Span) *table {
	if len(spans) == 0 {
		return nil
	}
	t := &table{Caption: caption, Head: heads("Name", "Start", "End", "#Length", "Note")}
	for _, p := range spans {
		long := cell{Text: "not ended", Class: "num"}
		if !p.End.IsZero() {
			long = took(between(p.Start, p.End))
		}
		t.Rows = append(t.Rows, []cell{row(p.Name), clock(p.Start), clock(p.End), long, {Text: p.Note, Class: "wide"}})
	}
	return t
}

func freezeText(r Report) string {
	f := r.Freeze
	var s string
	switch f.Mode {
	case FreezeNone:
		s = "Writes were not stopped. Those that still reached the old side after the switch are kept and listed, and never overwrite anything."
	case FreezeHook:
		s = "A hook stopped the writers."
	case FreezeS3Policy:
		s = "A statement in the bucket's policy denied writes to everyone but the migration's own role; a refused write confirmed it."
	default:
		s = "Mode " + f.Mode + "."
	}
	if f.Mode == FreezeNone {
		return s
	}
	s += " The freeze is the time from the last write that " + r.From() + " accepted until writes were accepted again"
	if f.End.IsZero() {
		return s + ", which is not yet so."
	}
	s += ": " + length(f.Seconds)
	if f.Budget > 0 {
		s += ", of " + limit(f.Budget) + " allowed"
	}
	return s + "."
}

func lagText(r Report) string {
	l := r.Lag
	if len(l.Samples) == 0 {
		return ""
	}
	s := fmt.Sprintf("Small objects were written to one side and waited for on the other: %s. Half arrived within %s, 90 %% within %s, 99 %% within %s, the slowest after %s.",
		plural(int64(len(l.Samples))+r.Omitted["lag.samples"], "canary object"), millis(l.P50), millis(l.P90), millis(l.P99), millis(l.Max))
	if l.Lost > 0 {
		s += " Given up, and marked at the top: " + thousands(l.Lost) + "."
	}
	return s
}

func comparisonTable(r Report) (*table, []examples) {
	if len(r.Comparisons) == 0 {
		return nil, nil
	}
	t := &table{
		Caption: "Comparisons, in keys",
		Head:    heads("What", "Start (UTC)", "#Length", "#Keys", "#Equal", "#Missing", "#Different", "#Extra", "#Foreign", "#Unread", "#Repaired"),
	}
	var ex []examples
	for _, c := range r.Comparisons {
		name := comparisonName(c)
		mark := num
		if c.Kind != CompareSweep && c.open() > 0 { // after the switch the application writes, and the sides may differ
			mark = alarm
		}
		t.Rows = append(t.Rows, []cell{
			row(name), clock(c.Start), took(c.Seconds), num(c.Keys), num(c.Equal),
			mark(c.Missing), mark(c.Different), mark(c.Extra), num(c.Foreign), mark(c.Failed), num(c.Repaired),
		})
		if len(c.Examples) > 0 {
			ex = append(ex, examples{"of the comparison at " + clockTime(c.Start) + " (" + name + ")", c.Examples})
		}
	}
	return t, ex
}

func comparisonName(c Comparison) string {
	name := map[string]string{
		CompareFull: "everything, before the freeze", CompareChanged: "changed keys, in the freeze",
		CompareStrict: "everything, in the freeze", CompareSweep: "everything, after the switch",
	}[c.Kind]
	if name == "" {
		name = c.Kind
	}
	if c.Checksum {
		name += ", bodies read"
	}
	if c.Interrupted {
		name += ", interrupted"
	}
	return name
}

func sweepTable(s *Sweep) *table {
	t := &table{Caption: "The sweep after the switch, in keys"}
	t.Rows = [][]cell{
		{row("Time (UTC)"), {Text: instant(s.Start) + " to " + instant(s.End)}},
		{row("Looked at"), count(s.Keys)},
		{row("Changed without an event"), count(s.Dropped)},
		{row("Repaired of those"), count(s.Repaired)},
		{row("Taken back from stragglers"), count(s.Undone)},
		{row("Late writes kept"), count(s.Kept)},
		{row("Not settled"), count(s.Failed)},
	}
	return t
}

func sweepText(s *Sweep) string {
	text := "After the switch everything was compared once more. Changes from before it that no event had told of are written only where nothing is, so that the application's own writes stay."
	if s.End.IsZero() {
		text = "The sweep has not ended: the figures are what it found until now."
	}
	if s.Undone > 0 {
		text += " Writes that a delayed function made after the switch were taken back."
	}
	return text
}

func hookTable(hooks []HookRun) *table {
	if len(hooks) == 0 {
		return nil
	}
	t := &table{Caption: "Hooks, times of day in UTC", Head: heads("Name", "Kind", "Start", "#Length", "#Attempts", "Result")}
	for _, h := range hooks {
		result := cell{Text: h.Result}
		if h.Result != HookOK {
			result.Class = "bad"
		}
		t.Rows = append(t.Rows, []cell{row(h.Name), {Text: h.Kind}, clock(h.Start), took(h.Seconds), num(int64(h.Attempts)), result})
	}
	return t
}

func historyTable(events []Event) *table {
	if len(events) == 0 {
		return nil
	}
	t := &table{Caption: "Who did what", Head: heads("At (UTC)", "Who", "What", "Phase", "#Epoch", "Note")}
	for _, e := range events {
		t.Rows = append(t.Rows, []cell{at(e.At), {Text: e.Who, Class: "wide"}, {Text: e.What, Class: "wide"}, {Text: e.Phase}, num(e.Epoch), {Text: e.Note, Class: "wide"}})
	}
	return t
}

func particulars(r Report) *table {
	t := &table{Caption: "Particulars of the run"}
	add := func(name string, value cell) {
		if value.Text != "" {
			t.Rows = append(t.Rows, []cell{row(name), value})
		}
	}
	mode := "journal: in the freeze only changed keys are compared"
	if r.Strict {
		mode = "strict: everything is compared in the freeze"
	}
	add("Migration", code(r.Migration))
	add("Source", code(r.Source))
	add("Target", code(r.Target))
	add("Control objects", code(r.Control))
	add("Mode", cell{Text: mode})
	add("Reason", cell{Text: r.Reason, Class: "wide"})
	add("Operator", code(r.Operator))
	add("Run", code(r.Run))
	add("Started (UTC)", cell{Text: instant(r.Started)})
	add("Ended (UTC)", cell{Text: instant(r.Ended)})
	add("Epoch", cell{Text: strconv.FormatInt(r.Epoch, 10) + " before, " + strconv.FormatInt(r.EpochAfter, 10) + " after"})
	add("Phase at the end", code(r.Phase))
	c := r.Counts
	add("Keys in the journal", count(c.JournalKeys))
	add("Barriers", cell{Text: thousands(c.BarriersSent) + " sent, " + thousands(c.BarriersArrived) + " arrived"})
	add("Keys repaired", count(c.Repaired))
	add("Keys that failed", count(c.Failures))
	add("Late writes kept", count(c.LateKept))
	return t
}

func hashTable(r Report, sum string) *table {
	t := &table{Caption: "Versions and hashes"}
	t.Rows = [][]cell{
		{row("crossfade"), code(r.Tool)},
		{row("Format of the report"), code(strconv.Itoa(Format))},
		{row("SHA-256 of the JSON report"), code(sum)},
	}
	for _, name := range slices.Sorted(maps.Keys(r.Hashes)) {
		t.Rows = append(t.Rows, []cell{row(name), code(r.Hashes[name])})
	}
	return t
}

func omittedText(omitted map[string]int64) string {
	if len(omitted) == 0 {
		return ""
	}
	parts := make([]string, 0, len(omitted))
	for _, name := range slices.Sorted(maps.Keys(omitted)) {
		parts = append(parts, name+" "+thousands(omitted[name]))
	}
	return "Left out of this report for its length: " + strings.Join(parts, ", ") + "."
}
