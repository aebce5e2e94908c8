package report

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// visible writes every character that does not print, or that changes how
// others are shown, as \x1b or \u202e.
func visible(s string) string {
	return show(s, func(c rune) bool { return unicode.IsPrint(c) })
}

// visibleLines is visible, but keeps line breaks and tabs.
func visibleLines(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return show(s, func(c rune) bool { return unicode.IsPrint(c) || c == '\n' || c == '\t' })
}

func show(s string, plain func(rune) bool) string {
	if strings.IndexFunc(s, func(c rune) bool { return !plain(c) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, c := range s {
		if plain(c) {
			b.WriteRune(c)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(c), "'"))
		}
	}
	return b.String()
}

// shown is r for people: bounded, and every text visible.
func (r Report) shown() Report {
	b := bounder{omitted: maps.Clone(r.Omitted), text: func(s string, most int) string {
		if most == maxOutput {
			return visibleLines(cut(s, most))
		}
		return visible(cut(s, most))
	}}
	b.report(&r)
	return r
}

// length writes a duration in seconds with as many digits as one reads.
func length(s float64) string {
	switch {
	case s <= 0:
		return "0 s"
	case s < 0.0005:
		return "under 1 ms"
	case s < 0.0995:
		return fmt.Sprintf("%.0f ms", s*1000)
	case s < 9.995:
		return fmt.Sprintf("%.2f s", s)
	case s < 59.95:
		return fmt.Sprintf("%.1f s", s)
	}
	whole := int64(math.Round(s))
	if h := whole / 3600; h > 0 {
		return fmt.Sprintf("%s h %02d min", thousands(h), whole%3600/60)
	}
	return fmt.Sprintf("%d min %02d s", whole/60, whole%60)
}

// limit writes a duration that someone set, without trailing zeros.
func limit(s float64) string {
	if s >= 60 {
		return length(s)
	}
	return fmt.Sprintf("%.3g s", s)
}

// between returns the seconds from start to end; zero if either is unknown or
// the clock stepped back.
func between(start, end time.Time) float64 {
	if start.IsZero() || end.IsZero() || end.Before(start) {
		return 0
	}
	return end.Sub(start).Seconds()
}

func millis(ms int64) string { return length(float64(ms) / 1000) }

// instant writes t to the second, or a dash.
func instant(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Format("2006-01-02 15:04:05")
}

// clockTime writes the time of day to the millisecond, or a dash.
func clockTime(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Format("15:04:05.000")
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes n bytes with three digits or so.
func size(n int64) string {
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

// plural writes n and the noun, which takes an s unless n is one.
func plural(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}

// sentence ends s with a full stop if it has none.
func sentence(s string) string {
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "!") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

// capital writes the first letter of s large.
func capital(s string) string {
	for i, c := range s {
		if i == 0 {
			return string(unicode.ToUpper(c)) + s[len(string(c)):]
		}
	}
	return s
}
