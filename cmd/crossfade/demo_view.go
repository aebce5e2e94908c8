package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/testutil/demo"
)

// demoLineEvery is how often a line is printed where stderr is no terminal.
const demoLineEvery = 2 * time.Second

// showDemo shows the state of d until the returned function is called: one
// redrawn line on a terminal, else a line now and then; nothing with --quiet.
func (e *env) showDemo(c *console, d *demo.Demo) (stop func()) {
	if e.quiet {
		return func() {}
	}
	every, show := demoLineEvery, func(s demo.Status, perSecond float64) {
		fmt.Fprintln(c, demoStatus(s, perSecond, 0))
	}
	if e.width() > 0 {
		every, show = redrawEvery, func(s demo.Status, perSecond float64) {
			c.live(demoStatus(s, perSecond, e.width()))
		}
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		var m demoMeter
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				s := d.Status()
				show(s, m.perSecond(s))
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
		c.live("")
	}
}

// demoMeter keeps the states of the last second.
type demoMeter struct{ past []demo.Status }

// perSecond is the mean rate of the application's operations.
func (m *demoMeter) perSecond(s demo.Status) float64 {
	m.past = append(m.past, s)
	for len(m.past) > 2 && s.Elapsed-m.past[1].Elapsed >= time.Second {
		m.past = m.past[1:]
	}
	first := m.past[0]
	d := (s.Elapsed - first.Elapsed).Seconds()
	if d <= 0 {
		return 0
	}
	return float64(s.App.Writes()+s.App.Deletes-first.App.Writes()-first.App.Deletes) / d
}

// demoStep is the line of something that happened.
func demoStep(s demo.Step) string {
	return fmt.Sprintf("%6.1f s  %-9s  %s", s.At.Seconds(), s.Phase, s.Text)
}

// demoStatus is the line of a state, cut to the width if that is not 0.
func demoStatus(s demo.Status, perSecond float64, width int) string {
	parts := []string{fmt.Sprintf("%.0f operations/s", perSecond)}
	switch s.Phase {
	case "seeding":
		parts = append(parts, fmt.Sprintf("%s of %s objects", count(s.App.Writes()), count(s.Seeded)))
	case "comparing", "starting", "draining":
		parts = nil
	default:
		parts = append(parts, fmt.Sprintf("%s writes, %s deletes", count(max(s.App.Writes()-s.Seeded, 0)), count(s.App.Deletes)))
	}
	if s.Phase == "backfill" {
		parts = append(parts, fmt.Sprintf("backfill %s of %s%s", thousands(s.Backfill.Done), thousands(s.Backfill.Seen), plus(s.Backfill.Listed)))
	}
	if s.Events.Sent > 0 {
		parts = append(parts, fmt.Sprintf("%s events on their way, lag %s", count(s.Events.Waiting+s.Events.InFlight), lagText(s.Lag)))
	}
	parts = append(parts, fmt.Sprintf("objects %s | %s", count(s.Source), count(s.Target)))
	if s.App.Errors > 0 {
		parts = append(parts, count(s.App.Errors)+" errors")
	}
	line := fmt.Sprintf("%6.1f s  %-9s  %s", s.Elapsed.Seconds(), s.Phase, strings.Join(parts, ", "))
	if width > 0 && len(line) >= width {
		line = line[:width-1]
	}
	return line
}

// demoTable is what the demo ends with.
func demoTable(r *demo.Result) string {
	var b strings.Builder
	row := func(name, value, more string) {
		fmt.Fprintf(&b, "  %-22s %9s", name, value)
		if more != "" {
			b.WriteString("   " + more)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\nFrom %s to %s in %.1f s, seed %d\n\n", r.From, r.To, r.Seconds, r.Seed)
	row("objects seeded", count(r.Seeded), bytesText(r.SeededBytes))
	row("live writes", count(r.Writes), "")
	row("  of them overwrites", count(r.Overwrites), "")
	row("live deletes", count(r.Deletes), "")
	row("after the move", count(r.OnTarget), "of these writes and deletes, on the target")
	if r.Rollback != nil {
		row("after the rollback", count(r.AfterRollback), "of them, on the source again")
	}
	row("events", count(r.Events.Sent), fmt.Sprintf("%s delivered again, %s given up", count(r.Events.Redelivered), count(r.Events.Dead)))
	row("backfilled", thousands(r.Backfill.Copied), fmt.Sprintf("in %.1f s, %s were there already, %s failed", r.Backfill.Seconds, thousands(r.Backfill.Skipped), thousands(r.Backfill.Failed)))
	if n := injected(r.Injected); n > 0 {
		row("faults", count(n), fmt.Sprintf("requests made to fail, in %d kinds", len(r.Injected)))
	}
	row("replication lag", msText(r.LagMS.P50), fmt.Sprintf("p50; p99 %s, max %s", msText(r.LagMS.P99), msText(r.LagMS.Max)))
	demoTurn(row, "cutover", r.Cutover, "from the last write on the source to the first on the target")
	if r.Rollback != nil {
		demoTurn(row, "rollback", *r.Rollback, "from the last write on the target to the first on the source")
	}
	src, dst := r.OnSide["source"], r.OnSide["target"]
	fmt.Fprintf(&b, "\n  %-22s %9s %9s\n", "", "source", "target")
	for _, x := range []struct {
		name     string
		src, dst int
		what     string
	}{
		{"lost", src.Lost, dst.Lost, "stored, and not there"},
		{"stale", src.Stale, dst.Stale, "as it was before its last change"},
		{"resurrected", src.Resurrected, dst.Resurrected, "deleted, and there"},
		{"corrupt", src.Corrupt, dst.Corrupt, "other bytes or attributes than were ever stored"},
		{"foreign", src.Foreign, dst.Foreign, "there, and nobody stored it"},
	} {
		fmt.Fprintf(&b, "  %-22s %9s %9s   %s\n", x.name, count(x.src), count(x.dst), x.what)
	}
	b.WriteByte('\n')
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "  %-11s  %s, %s: %s\n", f.Verdict, f.Side, oneLine(f.Key), oneLine(f.Why))
	}
	if more := r.Sum() - len(r.Faults); more > 0 {
		fmt.Fprintf(&b, "  ... and %s more\n", count(more))
	}
	if r.Errors > 0 {
		fmt.Fprintf(&b, "  The application met %s errors, first: %s\n", count(r.Errors), oneLine(r.FirstError))
	}
	if r.OK() {
		fmt.Fprintf(&b, "All %s keys are on both sides just as the application was told.\n", count(r.Compared))
	} else {
		fmt.Fprintf(&b, "Of %s keys, not all are on both sides as the application was told.\n", count(r.Compared))
	}
	return b.String()
}

// demoTurn are the rows of a cutover or a rollback.
func demoTurn(row func(name, value, more string), op string, t demo.Turn, what string) {
	row(op+" freeze", msText(t.FreezeMS), what+"; "+msText(t.EngineMS)+" by crossfade's own clock")
	row("  announce to reverse", msText(1000*t.ReverseSeconds), "with the times of functions shortened: see --help")
	row("  compared before", thousands(t.Keys), thousands(t.Repaired)+" repaired; in the freeze "+thousands(t.Changed)+" that had changed since")
	row("  found afterwards", thousands(t.Dropped+t.Stragglers+t.Late),
		fmt.Sprintf("events that never came %s, writes of the old epoch undone %s, late writes kept %s", thousands(t.Dropped), thousands(t.Stragglers), thousands(t.Late)))
	if t.Aborted > 0 {
		row("  given up", count(t.Aborted), "times before the switch, and begun again")
	}
}

func injected(kinds map[string]int) (n int) {
	for _, k := range kinds {
		n += k
	}
	return n
}

func count(n int) string { return thousands(int64(n)) }

func lagText(d time.Duration) string { return msText(float64(d) / float64(time.Millisecond)) }

func msText(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%.2f s", ms/1000)
	}
	if ms >= 10 {
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f ms", ms)
}
