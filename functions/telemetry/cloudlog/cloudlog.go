// Package cloudlog writes logs in the form that Cloud Logging understands on
// standard output: one JSON document a line, with severity, message and time
// under its names, and the trace of the request beside them (Cloud Logging,
// "Structured logging", special fields in JSON payloads).
package cloudlog

import (
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"slices"

	"github.com/crossfade-io/crossfade/functions/telemetry/trace"
)

// Options of a handler.
type Options struct {
	Level slog.Leveler // default info

	// Project is asked for the project that traces are in, for each line within a
	// trace. Where it answers "", lines carry no trace: Cloud Logging joins only
	// full names. nil is as if it did.
	Project func(context.Context) string
}

// handler adds the trace to the lines of another.
type handler struct {
	next    slog.Handler
	project func(context.Context) string

	// Attributes given after a group would be within it, so where there is one a
	// line's handler is made anew: root, with the trace, and then these.
	root  slog.Handler
	steps []func(slog.Handler) slog.Handler
	group bool
}

// New returns a handler that writes to w.
func New(w io.Writer, opts Options) slog.Handler {
	h := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: opts.Level, ReplaceAttr: renamed})
	if opts.Project == nil {
		return h
	}
	return &handler{next: h, root: h, project: opts.Project}
}

// renamed gives slog's own attributes their names in Cloud Logging.
func renamed(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.LevelKey:
		if level, ok := a.Value.Any().(slog.Level); ok {
			return slog.String("severity", severity(level))
		}
	case slog.MessageKey:
		a.Key = "message"
	}
	return a
}

// severity is the level in Cloud Logging's words.
func severity(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelWarn:
		return "INFO"
	case l < slog.LevelError:
		return "WARNING"
	default:
		return "ERROR"
	}
}

// Enabled reports whether lines of the level are written.
func (h *handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle writes a line, with the trace that ctx is in.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	attrs := h.trace(ctx)
	switch {
	case len(attrs) == 0:
		return h.next.Handle(ctx, r)
	case !h.group:
		r = r.Clone()
		r.AddAttrs(attrs...)
		return h.next.Handle(ctx, r)
	}
	next := h.root.WithAttrs(attrs)
	for _, step := range h.steps {
		next = step(next)
	}
	return next.Handle(ctx, r)
}

func (h *handler) trace(ctx context.Context) []slog.Attr {
	t := trace.From(ctx)
	if !t.Valid() {
		return nil
	}
	project := h.project(ctx)
	if project == "" {
		return nil
	}
	attrs := []slog.Attr{slog.String("logging.googleapis.com/trace", "projects/"+project+"/traces/"+hex.EncodeToString(t.ID[:]))}
	if t.HasSpan() {
		attrs = append(attrs, slog.String("logging.googleapis.com/spanId", hex.EncodeToString(t.Span[:])))
	}
	return append(attrs, slog.Bool("logging.googleapis.com/trace_sampled", t.Sampled))
}

// WithAttrs returns a handler whose lines have attrs.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.then(func(n slog.Handler) slog.Handler { return n.WithAttrs(attrs) }, false)
}

// WithGroup returns a handler whose further attributes are in a group.
func (h *handler) WithGroup(name string) slog.Handler {
	return h.then(func(n slog.Handler) slog.Handler { return n.WithGroup(name) }, name != "")
}

func (h *handler) then(step func(slog.Handler) slog.Handler, group bool) slog.Handler {
	made := *h
	made.next = step(h.next)
	made.steps = slices.Concat(h.steps, []func(slog.Handler) slog.Handler{step})
	made.group = h.group || group
	return &made
}
