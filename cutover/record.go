package cutover

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// recorder gathers the report of a run.
type recorder struct {
	now func() time.Time

	mu sync.Mutex
	r  report.Report
}

// edit changes the report.
func (c *recorder) edit(f func(*report.Report)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.r)
}

// copied is the report as it stands.
func (c *recorder) copied() report.Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.Bounded()
}

// phase begins a span of the run, which ends when the result is called.
func (c *recorder) phase(name string) (end func(note string)) {
	return c.span(name, func(r *report.Report) *[]report.Span { return &r.Phases })
}

// part begins a span of the freeze.
func (c *recorder) part(name string) (end func(note string)) {
	return c.span(name, func(r *report.Report) *[]report.Span {
		if r.Freeze == nil {
			r.Freeze = &report.Freeze{}
		}
		return &r.Freeze.Parts
	})
}

func (c *recorder) span(name string, of func(*report.Report) *[]report.Span) func(string) {
	start := c.now()
	var i int
	c.edit(func(r *report.Report) {
		spans := of(r)
		*spans, i = append(*spans, report.Span{Name: name, Start: start}), len(*spans)
	})
	return func(note string) {
		end := c.now()
		c.edit(func(r *report.Report) { (*of(r))[i].End, (*of(r))[i].Note = end, note })
	}
}

// newRecorder begins the report of a run that starts at s.
func (e *Engine) newRecorder(op string, opts RunOptions, s control.State) *recorder {
	return &recorder{now: e.o.Now, r: report.Report{
		Tool: e.o.Tool, Migration: e.m.Name, Source: e.sourceID, Target: e.targetID, Control: e.m.Control.ID(),
		Operation: op, Strict: opts.Strict, DryRun: opts.DryRun,
		Operator: e.o.Operator.Name, Epoch: s.Epoch, Started: e.o.Now(),
		Hashes: map[string]string{"config": e.m.Digest()},
	}}
}

// earlier takes over what the one who began the run has reported of it.
func (r *run) earlier(ctx context.Context, s control.State) {
	was, err := r.Report(ctx, s.Run.ID)
	if err != nil {
		was = report.Report{}
		if store.KindOf(err) != store.NotFound {
			r.log.WarnContext(ctx, "what was reported of the run before is lost", slog.Any("error", err))
		}
	}
	r.rec.edit(func(now *report.Report) {
		now.Run, now.Started, now.Resumed = s.Run.ID, s.Run.Started, was.Resumed+1
		now.Phases, now.Hooks, now.Comparisons = was.Phases, was.Hooks, was.Comparisons
		now.Counts, now.Freeze, now.Lag = was.Counts, was.Freeze, was.Lag
		if was.Run != "" {
			now.Epoch = was.Epoch
		}
	})
}

// Report reads what is kept of a run.
func (e *Engine) Report(ctx context.Context, run string) (report.Report, error) {
	key := control.ReportKey(e.m.Name, run, "json")
	obj, err := e.o.ControlStore.Open(ctx, key, store.ReadOptions{})
	if err != nil {
		return report.Report{}, err
	}
	defer obj.Body.Close()
	if obj.Size > report.MaxBytes {
		return report.Report{}, &store.Error{Op: "report", Key: key, Kind: store.TooLarge, Err: errors.New("is no report")}
	}
	doc := make([]byte, obj.Size)
	if err := store.ReadExactly(obj.Body, doc); err != nil {
		return report.Report{}, err
	}
	return report.Parse(doc)
}

// close completes the report: how it ended, and where the migration stands.
func (r *run) close(s control.State, err error) report.Report {
	r.rec.edit(func(rep *report.Report) {
		rep.Ended = r.now()
		rep.Phase, rep.EpochAfter = string(s.Phase), s.Epoch
		rep.History = nil
		for _, h := range s.History {
			rep.History = append(rep.History, report.Event{At: h.At, Who: h.Who, What: h.What, Phase: string(h.Phase), Epoch: h.Epoch, Note: h.Note})
		}
		rep.Outcome, rep.Reason = report.Failed, ""
		switch aborted, ok := errors.AsType[*AbortedError](err); {
		case err == nil && rep.DryRun:
			rep.Outcome = report.Rehearsed
		case err == nil && rep.Operation == report.Abort:
			rep.Outcome = report.Aborted
		case err == nil:
			rep.Outcome = report.Switched
		case ok && !aborted.Held:
			rep.Outcome, rep.Reason = report.Aborted, aborted.Reason.Error()
		default:
			rep.Reason = err.Error()
		}
		if s.Authority == r.to && !rep.DryRun {
			rep.Outcome = report.Switched // whatever was left undone after it
		}
	})
	return r.rec.copied()
}

// publish keeps a report under the control prefix; one that is not final is for
// who takes the run up. That it could not be kept is no failure of what it tells.
func (r *run) publish(ctx context.Context, rep report.Report, final bool) {
	err := func() error {
		doc, err := rep.JSON()
		if err != nil {
			return err
		}
		if err := r.docs.PutReport(ctx, rep.Run, "json", "application/json", doc); err != nil || !final {
			return err
		}
		page, err := report.HTML(rep)
		if err != nil {
			return err
		}
		return r.docs.PutReport(ctx, rep.Run, "html", "text/html; charset=utf-8", page)
	}()
	if err != nil {
		r.log.WarnContext(ctx, "the report could not be kept under the control prefix", slog.Any("error", err))
		r.rec.edit(func(rep *report.Report) {
			rep.Notes = append(rep.Notes, "This report could not be kept under the control prefix: "+err.Error())
		})
	}
}

// hookRan adds a call of a hook.
func (c *recorder) hookRan(h report.HookRun) {
	c.edit(func(r *report.Report) { r.Hooks = append(slices.Clip(r.Hooks), h) })
}

// mode is how the report names a freeze mode.
func mode(m config.FreezeMode) string {
	switch m {
	case config.FreezeHook:
		return report.FreezeHook
	case config.FreezeS3Policy:
		return report.FreezeS3Policy
	default:
		return report.FreezeNone
	}
}
