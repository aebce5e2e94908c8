package cutover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// Check is one precondition of a cutover or rollback.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Warn   bool   `json:"warn,omitempty"` // does not hold, and is no hindrance
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"` // what to do, of one that does not hold
}

// Checks are all of them, in the order in which they were made.
type Checks []Check

// OK reports whether nothing hinders.
func (c Checks) OK() bool {
	for _, check := range c {
		if !check.OK && !check.Warn {
			return false
		}
	}
	return true
}

// RefusedError says that a run did not begin, and what hinders it.
type RefusedError struct {
	Operation string
	Checks    Checks
}

func (e *RefusedError) Error() string {
	var why []string
	for _, c := range e.Checks {
		if !c.OK && !c.Warn {
			text := c.Name + ": " + c.Detail
			if c.Remedy != "" {
				text += " (" + c.Remedy + ")"
			}
			why = append(why, text)
		}
	}
	return "the " + e.Operation + " is refused, and nothing was changed: " + strings.Join(why, "; ")
}

// preflight gathers checks.
type preflight struct {
	*run
	s      control.State
	checks Checks
}

func (p *preflight) ok(name, format string, args ...any) {
	p.checks = append(p.checks, Check{Name: name, OK: true, Detail: fmt.Sprintf(format, args...)})
}

func (p *preflight) no(name, remedy, format string, args ...any) {
	p.checks = append(p.checks, Check{Name: name, Detail: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (p *preflight) warn(name, remedy, format string, args ...any) {
	p.checks = append(p.checks, Check{Name: name, Warn: true, Detail: fmt.Sprintf(format, args...), Remedy: remedy})
}

// Preflight makes all the checks that a cutover or rollback (op, as in package
// report) begins with. It writes nothing but probes, which it removes again; with
// DryRun it also rehearses the hooks. The error is for a control object that
// cannot be read: what does not hold is in the Checks.
func (e *Engine) Preflight(ctx context.Context, op string, o RunOptions) (Checks, error) {
	held, err := e.load(ctx)
	if err != nil {
		return nil, err
	}
	p := &preflight{run: e.newRun(op, o, held.State), s: held.State}
	if !p.phase() {
		return p.checks, nil // the rest would only add to the confusion
	}
	p.control(ctx)
	p.seeded(ctx)
	p.late(ctx)
	p.ends(ctx)
	p.hooks(ctx)
	p.freezeCheck(ctx)
	p.lag(ctx)
	p.backlog(ctx)
	return p.checks, ctx.Err()
}

// phase reports whether the migration is where the operation can begin.
func (p *preflight) phase() bool {
	s := p.s
	switch {
	case s.Run != nil && !s.Steady():
		p.no("phase", "continue it with crossfade "+s.Run.Operation, "a %s of %s is under way (%s)", s.Run.Operation, s.Run.Operator, s.Phase)
	case s.Phase == control.Done:
		p.no("phase", "begin another migration, under another name", "the migration is finished")
	case s.Phase == control.Seeding:
		p.no("phase", "run crossfade backfill -f crossfade.yaml to its end", "the backfill is not complete")
	case s.Authority != p.from && p.op == report.Cutover:
		p.no("phase", "the way back is crossfade rollback", "the target is the authority already")
	case s.Authority != p.from:
		p.no("phase", "a rollback follows a cutover", "the source is the authority: there is nothing to go back from")
	default:
		p.ok("phase", "%s, epoch %d", s.Phase, s.Epoch)
		return true
	}
	return false
}

func (p *preflight) control(ctx context.Context) {
	ignored, err := store.ProbeConditions(ctx, p.o.ControlStore, "preflight-"+p.o.Random())
	switch {
	case err != nil:
		p.no("control store", "see that these credentials may read, write and delete below "+control.Prefix(p.m.Name), "%v", err)
	case len(ignored) > 0:
		p.no("control store", "set control: to another store", "%v", ignoresConditions(ignored))
	default:
		p.ok("control store", "conditional writes hold")
	}
}

func (p *preflight) seeded(ctx context.Context) {
	switch s := p.s.Seeded; {
	case s == nil:
		p.no("backfill", "run crossfade backfill -f crossfade.yaml to its end", "none is on record")
	case s.Failed > 0:
		p.no("backfill", "run crossfade backfill -f crossfade.yaml again", "%d objects failed", s.Failed)
	default:
		p.ok("backfill", "%d objects, %s", s.Objects, s.At.UTC().Format(time.RFC3339))
	}
	open, err := p.docs.Backfills(ctx, p.o.Now())
	switch {
	case err != nil:
		p.no("open backfills", "", "%v", err)
	case len(open) > 0:
		p.no("open backfills", "wait for its end, or stop it; one that died counts as over after "+control.BackfillStale.String(),
			"one of %s is under way since %s", open[0].Operator, open[0].Begun.UTC().Format(time.RFC3339))
	default:
		p.ok("open backfills", "none")
	}
	// An old outcome hinders nothing: the comparison is made anew.
	if c := p.s.Comparison; c != nil && c.Wrong > int64(p.m.Cutover.MaxErrors) {
		p.warn("last comparison", "look at crossfade verify", "%d of %d keys were not equal; it is made again now", c.Wrong, c.Keys)
	}
}

func (p *preflight) late(ctx context.Context) {
	late, err := p.Late(ctx)
	switch {
	case err != nil:
		p.no("late writes", "", "%v", err)
	case len(late) > 0:
		p.no("late writes", "decide on them with crossfade resolve", "%d are kept%s", len(late), firstFew([]string{late[0].Key}))
	default:
		p.ok("late writes", "none")
	}
}

// ends tries what the engine has to do on both sides: list, write, delete.
func (p *preflight) ends(ctx context.Context) {
	for _, side := range []control.Side{control.Source, control.Target} {
		st := p.end(side)
		err := func() error {
			if c, ok := store.As[store.Checker](st); ok {
				if err := c.Check(ctx); err != nil {
					return err
				}
			}
			for _, err := range st.List(ctx, store.ListOptions{AnyOrder: true}) {
				if err != nil {
					return err
				}
				break
			}
			id := p.o.Random()
			_, err := p.send(ctx, side, control.Signal{ID: id, Kind: control.Canary, Sent: p.now(), Carried: true})
			if err != nil {
				return err
			}
			return control.Clear(ctx, st, p.m.Name, id)
		}()
		if err != nil {
			p.no(string(side), "see that these credentials may list, read, write and delete there", "%v", err)
			continue
		}
		p.ok(string(side), "%s can be listed, written and deleted from", p.id(side))
	}
}

func (p *preflight) hooks(ctx context.Context) {
	if p.m.Cutover.Switch == nil {
		p.no("switch hook", "declare cutover.switch", "there is none to turn the application round with")
	}
	for _, h := range []struct {
		step      string
		hook      *config.Hook
		authority control.Side
	}{
		{StepFreeze, freezeHookOf(p.m.Cutover.Freeze), p.from},
		{StepSwitch, p.m.Cutover.Switch, p.to},
		{StepUnfreeze, p.m.Cutover.Unfreeze, p.to},
	} {
		if h.hook == nil {
			continue
		}
		name := h.step + " hook"
		if c, ok := p.o.Hooks.(hookChecker); ok {
			if err := c.Check(ctx, *h.hook); err != nil {
				p.no(name, "correct cutover."+h.step, "%v", err)
				continue
			}
		}
		if !p.opts.DryRun {
			p.ok(name, "%s", describeHook(*h.hook))
			continue
		}
		ran, err := p.o.Hooks.Run(ctx, *h.hook, p.call(p.s, h.step, h.authority))
		p.rec.hookRan(ran)
		if err != nil {
			p.no(name, "mend it; it is told that this is a dry run", "%v", err)
			continue
		}
		p.ok(name, "rehearsed in %.2f s", ran.Seconds)
	}
}

func (p *preflight) freezeCheck(ctx context.Context) {
	declared := p.m.Cutover.Freeze.Mode
	switch {
	case declared == config.FreezeS3Policy && p.from != control.Source:
		p.warn("freeze", "declare mode hook to stop them", "mode s3-policy stops no writes to the target: those that come late are kept aside")
	case declared == config.FreezeS3Policy:
		if _, ok := p.denier(); !ok || p.o.Probe == nil {
			p.no("freeze", "declare mode hook", "%v", errNoDenier)
			return
		}
		// A refusal proves something only of one who could write before.
		if err := p.probe(ctx); err != nil {
			p.no("freeze", "give cutover.freeze.probe the credentials of the application", "the probe cannot write even now: %v", err)
			return
		}
		p.ok("freeze", "by the policy of %s", p.sourceID)
	case declared == config.FreezeHook:
		p.ok("freeze", "by a hook, at most %s", p.m.Cutover.MaxFreeze)
	default:
		p.warn("freeze", "declare cutover.freeze to stop them", "mode none: writes that come to the %s late are kept aside", p.from)
	}
	p.warn("way back", "see that the functions for the "+string(p.to)+"'s events are deployed",
		"whether changes will flow from the %s to the %s shows only after the switch", p.to, p.from)
}

func (p *preflight) lag(ctx context.Context) {
	m, err := p.lagWithin(ctx, p.s, p.m.Cutover.MaxLag)
	switch {
	case err != nil:
		p.no("lag", "", "%v", err)
	case m.seen.Phase == "":
		p.no("lag", "set CROSSFADE_MIGRATION="+p.m.Name+" for the functions", "the function that carried a canary knows nothing of the migration")
	default:
		p.ok("lag", "%d ms from the %s to the %s", m.sample.MS, p.from, p.to)
	}
}

func (p *preflight) backlog(ctx context.Context) {
	if p.o.Backlog == nil {
		return
	}
	n, err := p.o.Backlog(ctx)
	switch {
	case err != nil && errors.Is(err, context.Canceled):
	case err != nil:
		p.no("backlog", "correct backlog", "%v", err)
	case n > 0:
		p.warn("backlog", "a cutover waits in the freeze until none do", "%d events wait in the queue", n)
	default:
		p.ok("backlog", "no events wait in the queue")
	}
}
