package main

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
)

const (
	redrawEvery = 200 * time.Millisecond
	logEvery    = 10 * time.Second
	rateOver    = 5 * time.Second // rates are means over this time
)

// showProgress shows p until the returned function is called: one redrawn line
// on a terminal, else a log line now and then; nothing with --quiet.
func (e *env) showProgress(c *console, p *backfill.Progress, verb string) (stop func()) {
	if e.quiet {
		return func() {}
	}
	every, show := logEvery, func(r *rates, width int) { e.logger(c).Info(verb, r.attrs()...) }
	if e.width() > 0 {
		every, show = redrawEvery, func(r *rates, width int) { c.live(r.line(verb, width)) }
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		var r rates
		r.add(e.now(), p.Snapshot())
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				r.add(e.now(), p.Snapshot())
				show(&r, e.width())
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
		c.live("")
	}
}

// rates keeps the snapshots of the last seconds. Its zero value is ready.
type rates struct {
	samples []sample // oldest first; never empty after the first add
}

type sample struct {
	at time.Time
	backfill.Snapshot
}

func (r *rates) add(at time.Time, s backfill.Snapshot) {
	r.samples = append(r.samples, sample{at, s})
	for len(r.samples) > 2 && at.Sub(r.samples[1].at) >= rateOver {
		r.samples = r.samples[1:]
	}
}

// now is the newest snapshot, with the means per second over the last time.
func (r *rates) now() (s backfill.Snapshot, objects, bytes float64) {
	first, last := r.samples[0], r.samples[len(r.samples)-1]
	if d := last.at.Sub(first.at).Seconds(); d > 0 {
		objects = float64(last.Done-first.Done) / d
		bytes = float64(last.Read-first.Read) / d
	}
	return last.Snapshot, objects, bytes
}

// left estimates the time until everything seen is done, by objects or by
// bytes, whichever takes longer. It says nothing before the listing is complete.
func (r *rates) left() (time.Duration, bool) {
	s, objects, bytes := r.now()
	if !s.Listed || objects <= 0 {
		return 0, false
	}
	seconds := float64(s.Seen-s.Done) / objects
	if bytes > 0 {
		seconds = max(seconds, float64(s.SeenBytes-s.DoneBytes)/bytes)
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// line is what a terminal of that width shows; what does not fit is cut.
func (r *rates) line(verb string, width int) string {
	s, objects, bytes := r.now()
	parts := []string{
		fmt.Sprintf("%s %s of %s%s objects", verb, thousands(s.Done), thousands(s.Seen), plus(s.Listed)),
		fmt.Sprintf("%s of %s%s", bytesText(s.DoneBytes), bytesText(s.SeenBytes), plus(s.Listed)),
		fmt.Sprintf("%.0f/s", objects),
	}
	if bytes > 0 {
		parts = append(parts, bytesText(int64(bytes))+"/s")
	}
	if d, ok := r.left(); ok {
		parts = append(parts, durationText(d)+" left")
	}
	if s.Failed > 0 {
		parts = append(parts, thousands(s.Failed)+" failed")
	}
	line := strings.Join(parts, ", ")
	if len(line) >= width {
		line = line[:max(width-1, 0)]
	}
	return line
}

// plus marks a number that is still growing.
func plus(listed bool) string {
	if listed {
		return ""
	}
	return "+"
}

// attrs is the same for a log.
func (r *rates) attrs() []any {
	s, objects, bytes := r.now()
	attrs := []any{
		slog.Int64("done", s.Done), slog.Int64("seen", s.Seen), slog.Bool("listed", s.Listed),
		slog.Int64("done_bytes", s.DoneBytes), slog.Int64("seen_bytes", s.SeenBytes),
		slog.Int64("per_second", int64(objects)), slog.Int64("bytes_per_second", int64(bytes)),
		slog.Int64("failed", s.Failed),
	}
	if d, ok := r.left(); ok {
		attrs = append(attrs, slog.String("left", durationText(d)))
	}
	return attrs
}

// thousands writes n with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// bytesText writes n bytes with three digits or so.
func bytesText(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1024, 0
	for f >= 999.5 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	digits := 1
	if f >= 99.95 {
		digits = 0
	}
	return fmt.Sprintf("%.*f %ciB", digits, f, units[i])
}

// durationText writes h:mm:ss or m:ss.
func durationText(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

func secondsText(s float64) string {
	if s >= 60 {
		return durationText(time.Duration(s * float64(time.Second)))
	}
	return fmt.Sprintf("%.1f s", s)
}
