package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/functions/redrive"
)

// redriveResult is the JSON of the verb.
type redriveResult struct {
	Queue  string `json:"queue"`
	DryRun bool   `json:"dry_run"`
	redrive.Summary
	Messages []redriven `json:"messages"`
	Error    string     `json:"error,omitempty"`
}

// redriven is one message, and what became of it.
type redriven struct {
	ID       string         `json:"id"`
	Action   redrive.Action `json:"action"` // listed, synced, sent, discarded or kept
	Why      string         `json:"why,omitempty"`
	Sent     *time.Time     `json:"sent,omitempty"`
	Received int            `json:"received,omitempty"` // times that it was handed out
	Reason   string         `json:"reason,omitempty"`   // why it ended here, where that was noted
	From     string         `json:"from,omitempty"`
	Events   []deadEvent    `json:"events"`
}

// deadEvent is one event of a message.
type deadEvent struct {
	Type    string     `json:"type,omitempty"`
	Bucket  string     `json:"bucket,omitempty"`
	Key     string     `json:"key,omitempty"`
	Time    *time.Time `json:"time,omitempty"`
	Problem string     `json:"problem,omitempty"` // why it cannot be understood
}

func newRedriven(o redrive.Outcome) redriven {
	r := redriven{
		ID: o.ID, Action: o.Action, Why: oneLine(o.Why), Sent: known(o.Sent), Received: o.Received,
		Reason: oneLine(o.Reason), From: o.From, Events: []deadEvent{},
	}
	for _, e := range o.Events {
		d := deadEvent{Type: e.Type, Bucket: e.Bucket, Key: e.Key, Time: known(e.Time)}
		if e.Malformed != nil {
			d.Problem = oneLine(e.Malformed.Error())
		}
		r.Events = append(r.Events, d)
	}
	return r
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// printRedriven tells people of one message: a line for each of its events.
func (e *env) printRedriven(o redrive.Outcome) {
	var b strings.Builder
	for _, ev := range o.Events {
		at, what, where := "-", ev.Type, "message "+o.ID
		if t := ev.Time; !t.IsZero() {
			at = t.UTC().Format(time.RFC3339)
		} else if !o.Sent.IsZero() {
			at = o.Sent.Format(time.RFC3339)
		}
		if what == "" {
			what = "-"
		}
		if ev.Key != "" {
			where = ev.Bucket + " " + ev.Key
		}
		fmt.Fprintf(&b, "%-9s  %s  %s  %s", o.Action, at, oneLine(what), oneLine(where))
		if o.Received > 0 {
			fmt.Fprintf(&b, "  received %d times", o.Received)
		}
		why := o.Why
		if o.Reason != "" {
			why = strings.TrimPrefix(why+"; it came here for: "+o.Reason, "; ")
		}
		if why != "" {
			fmt.Fprintf(&b, "  (%s)", oneLine(why))
		}
		b.WriteByte('\n')
	}
	fmt.Fprint(e.stdout, b.String())
}

func (e *env) printRedriveSummary(out redriveResult) {
	synced, sent, discarded := "synced", "sent on", "discarded"
	if out.DryRun {
		fmt.Fprintln(e.stdout, "dry run: nothing was changed")
		synced, sent, discarded = "to sync", "to send on", "to discard"
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{out.Listed, "listed"}, {out.Synced, synced}, {out.Sent, sent}, {out.Discarded, discarded}, {out.Kept, "kept"}} {
		if p.n > 0 {
			parts = append(parts, thousands(int64(p.n))+" "+p.what)
		}
	}
	if len(parts) == 0 {
		parts = []string{"no messages"}
	}
	fmt.Fprintln(e.stdout, strings.Join(parts, ", "))
	if out.More {
		fmt.Fprintln(e.stdout, "there may be more: see --max")
	}
}
