package functions

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/replicate"
)

// record is what one log line tells.
type record struct {
	event   Event
	verdict Verdict
	synced  bool // the fields below count
	result  replicate.Result
	err     error
	took    time.Duration
	shared  int // events that this Sync answered

	lag   time.Duration // since the change, where timed
	timed bool
}

// level is Info for what went as it should, Warn for what someone may want to
// know, Error for what someone must look at.
func (r record) level() slog.Level {
	switch {
	case r.verdict.Outcome == DeadLetter:
		return slog.LevelError
	case r.verdict.Outcome == Retry, r.synced && r.result.Action == replicate.Conflict:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// log writes the one line of an event.
func (p *Processor) log(ctx context.Context, r record) {
	level := r.level()
	if !p.opts.Log.Enabled(ctx, level) {
		return
	}
	e := r.event
	attrs := make([]slog.Attr, 0, 16)
	text := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, clipped(value, maxText)))
		}
	}
	text("event", e.ID)
	text("source", e.Source)
	text("type", e.Type)
	if e.Bucket != p.opts.Bucket {
		text("bucket", e.Bucket)
	}
	if e.Key != "" {
		attrs = append(attrs, slog.String("key", clipped(e.Key, maxKey))) // every valid one whole
	}
	text("version", e.Version)
	text("sequencer", e.Sequencer)
	if e.Deliveries > 0 {
		attrs = append(attrs, slog.Int("deliveries", e.Deliveries))
	}
	attrs = append(attrs, slog.String("verdict", r.verdict.Outcome.String()))
	text("reason", r.verdict.Reason)
	if r.synced {
		if r.err == nil {
			attrs = append(attrs, slog.String("action", r.result.Action.String()))
		}
		attrs = append(attrs,
			slog.Int64("bytes", r.result.Bytes),
			slog.Int("attempts", r.result.Attempts),
			slog.Int64("ms", r.took.Milliseconds()))
	}
	if r.timed {
		attrs = append(attrs, slog.Int64("lag_ms", r.lag.Milliseconds()))
	}
	if r.shared > 1 {
		attrs = append(attrs, slog.Int("shared", r.shared))
	}
	if r.verdict.After > 0 {
		attrs = append(attrs, slog.Int64("retry_after_ms", r.verdict.After.Milliseconds()))
	}
	if err := firstOf(r.err, e.Malformed); err != nil {
		attrs = append(attrs, slog.String("error", LogText(err.Error())))
	}
	p.opts.Log.LogAttrs(ctx, level, "event", attrs...)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// What is kept of a text, in bytes, so that no event makes a line that a cloud
// would cut or refuse: their limit is 256 KB.
const (
	maxText  = 256
	maxError = 2048
)

// LogText is s as a log may hold it: nothing that a terminal might act upon, and
// of bounded length.
func LogText(s string) string { return clipped(s, maxError) }

// clipped is printable, of at most so many bytes of s and with a note of how
// many there were.
func clipped(s string, most int) string {
	if len(s) <= most {
		return printable(s)
	}
	n := most
	for n > most-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return fmt.Sprintf("%s… (%d bytes)", printable(s[:n]), len(s))
}

// printable quotes s as a Go string when it holds anything that a terminal
// might act upon, or looks quoted; so no key can forge a line, hide a part of
// it, or pass for another.
func printable(s string) string {
	plain := utf8.ValidString(s) && !strings.HasPrefix(s, `"`)
	for _, r := range s {
		plain = plain && unicode.IsPrint(r)
	}
	if plain {
		return s
	}
	return strconv.QuoteToGraphic(s)
}
