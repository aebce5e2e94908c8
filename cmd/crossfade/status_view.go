package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/replicate/control"
)

// The most lines of a status that lists have.
const (
	historyShown = 5
	lateShown    = 3
)

// statusText is a status on one screen.
func statusText(s cutover.Status) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s %s\n", name, oneLine(fmt.Sprintf(format, args...)))
	}
	row("migration", "%s: %s to %s", s.Migration, s.Source, s.Target)
	row("phase", "%s, epoch %d", s.Phase, s.Epoch)
	row("authority", "%s, %s", s.Authority, idOf(s, s.Authority))
	if r := s.Run; r != nil {
		row("under way", "%s by %s (process %d), %s", r.Operation, r.Operator, r.PID, since(s.At, r.Since, r.Step))
	}
	if l := s.Lag; l != nil {
		row("lag", "%s", lagStatus(*l))
	}
	switch {
	case s.Backlog != nil:
		row("backlog", "%s events in the queue", thousands(*s.Backlog))
	case s.BacklogError != "":
		row("backlog", "unknown")
	}
	for _, f := range s.Backfills {
		row("backfill", "under way by %s, %s", f.Operator, since(s.At, f.Begun, ""))
	}
	if x := s.Seeded; x != nil {
		row("seeded", "%s objects, %s", thousands(x.Objects), ago(s.At, x.At))
	}
	if c := s.Comparison; c != nil {
		row("compared", "%s keys in %s, %s wrong, %s", thousands(c.Keys), secondsText(c.Seconds), thousands(c.Wrong), ago(s.At, c.At))
	}
	if x := s.Sweep; x != nil && !s.SweepDue {
		row("swept", "%s keys: %s repaired, %s undone, %s kept, %s failed, %s",
			thousands(x.Keys), thousands(x.Repaired), thousands(x.Stragglers), thousands(x.Kept), thousands(x.Failed), ago(s.At, x.At))
	}
	for i, l := range s.Late {
		if i == lateShown {
			row("", "and %s more", count(s.LateCount-i))
			break
		}
		row("late write", "%s  %s (%s)", l.ID, l.Key, l.Why)
	}
	for i, what := range s.Attention {
		row(first(i, "attention"), "%s", what)
	}
	for i, h := range s.History[max(0, len(s.History)-historyShown):] {
		row(first(i, "history"), "%s  %s by %s%s", h.At.UTC().Format(time.DateTime), h.What, h.Who, noteText(h.Note))
	}
	row("next", "%s", s.Next.Text)
	if s.Next.Command != "" {
		row("", "%s", s.Next.Command)
	}
	return b.String()
}

// statusLine is a status in one line, for a log.
func statusLine(s cutover.Status) string {
	parts := []string{
		fmt.Sprintf("%s  %s", s.At.UTC().Format(time.TimeOnly), s.Phase),
		fmt.Sprintf("epoch %d", s.Epoch), fmt.Sprintf("authority %s", s.Authority),
	}
	if s.Lag != nil {
		parts = append(parts, "lag "+lagStatus(*s.Lag))
	}
	if s.Backlog != nil {
		parts = append(parts, thousands(*s.Backlog)+" in the queue")
	}
	if s.LateCount > 0 {
		parts = append(parts, count(s.LateCount)+" late")
	}
	if n := len(s.Attention); n > 0 {
		parts = append(parts, "attention: "+strings.Join(s.Attention, "; "))
	}
	return oneLine(strings.Join(parts, ", "))
}

func idOf(s cutover.Status, side control.Side) string {
	if side == control.Target {
		return s.Target
	}
	return s.Source
}

func lagStatus(l cutover.LagStatus) string {
	switch {
	case l.Error != "":
		return "unknown"
	case l.Lost:
		return fmt.Sprintf("more than %s %s", millis(l.MS), l.Direction)
	default:
		return fmt.Sprintf("%s %s", millis(l.MS), l.Direction)
	}
}

func millis(ms int64) string {
	if ms < 1000 {
		return fmt.Sprintf("%d ms", ms)
	}
	return secondsText(float64(ms) / 1000)
}

// ago is how long t is before now.
func ago(now, t time.Time) string { return durationText(max(now.Sub(t), 0)) + " ago" }

func since(now, t time.Time, step string) string {
	text := "for " + durationText(max(now.Sub(t), 0))
	if step != "" {
		text += ", " + step
	}
	return text
}

// first is name for the first of several lines, and then nothing.
func first(i int, name string) string {
	if i == 0 {
		return name
	}
	return ""
}
