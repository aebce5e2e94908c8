package main

import (
	"io"
	"log/slog"
	"strings"
	"sync"
	"unicode"
)

// console writes to a terminal or file, and on a terminal keeps one live line
// below what is written.
type console struct {
	mu   sync.Mutex
	w    io.Writer
	line string
}

const clearLine = "\r\x1b[K"

// Write puts p above the live line.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line == "" {
		return c.w.Write(p)
	}
	if _, err := io.WriteString(c.w, clearLine+string(p)+c.line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// live replaces the live line; "" removes it.
func (c *console) live(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if line == c.line {
		return
	}
	c.line = line
	io.WriteString(c.w, clearLine+line) //nolint:errcheck // a display that is gone shows nothing
}

// logger writes to c at the level that the flags ask for.
func (e *env) logger(c *console) *slog.Logger {
	return slog.New(slog.NewTextHandler(c, &slog.HandlerOptions{Level: e.minLevel()}))
}

func (e *env) minLevel() slog.Level {
	if e.quiet {
		return max(e.level, slog.LevelError)
	}
	return e.level
}

// oneLine makes text safe to print as one line: keys and services' answers may
// hold control characters, or some that turn the order of others round.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		default:
			return r
		}
	}, text)
}
