package cutover

import (
	"fmt"
	"time"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
)

// attention names what is not as it should be. It is pure.
func attention(st Status, maxLag time.Duration, maxErrors int64) []string {
	var what []string
	add := func(format string, args ...any) { what = append(what, fmt.Sprintf(format, args...)) }
	if st.Run != nil && st.Run.Held {
		add("the application was told to hold, and not yet to go on")
	}
	if st.LateCount > 0 {
		add("%d late %s to be settled", st.LateCount, plural(st.LateCount, "write has", "writes have"))
	}
	if l := st.Lag; l != nil {
		switch {
		case l.Error != "":
			add("the lag cannot be measured: %s", l.Error)
		case l.Lost:
			add("a change of the %s was not seen on the other side within %d ms: are the functions of the %s direction deployed, and do events reach them?", l.Direction.From(), l.MS, l.Direction)
		case time.Duration(l.MS)*time.Millisecond > maxLag && maxLag > 0:
			add("the lag of %d ms is above max_lag, %s", l.MS, maxLag)
		}
	}
	if st.BacklogError != "" {
		add("the queue does not say what waits there: %s", st.BacklogError)
	}
	if st.Seeded != nil && st.Seeded.Failed > 0 {
		add("the backfill left %d objects behind", st.Seeded.Failed)
	}
	if c := st.Comparison; c != nil && c.Wrong > maxErrors {
		add("the last comparison found %d keys that are not equal", c.Wrong)
	}
	if s := st.Sweep; s != nil && !st.SweepDue && s.Failed > 0 {
		add("the last sweep could not see to %d keys", s.Failed)
	}
	if st.Phase == control.Switched {
		add("the application uses the %s, and the way back is not open yet", st.Authority)
	}
	return what
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// nextStep is the next step to take. It is pure.
func nextStep(st Status) Next {
	if st.Run != nil {
		return nextOfRun(st)
	}
	late := Next{fmt.Sprintf("settle what was written late (%d)", st.LateCount), "crossfade resolve"}
	switch st.Phase {
	case control.Seeding:
		if len(st.Backfills) > 0 {
			return Next{"wait for the backfill that is under way", ""}
		}
		return Next{"copy what is there already, with the functions deployed", "crossfade backfill -f crossfade.yaml"}
	case control.Following:
		switch {
		case st.LateCount > 0:
			return late
		case len(st.Backfills) > 0:
			return Next{"wait for the backfill that is under way", ""}
		case st.Lag != nil && (st.Lag.Lost || st.Lag.Error != ""):
			return Next{"deploy the functions for the source's events, or see why no event reaches them", "crossfade status"}
		case st.SweepDue:
			return Next{"have everything looked at once more after the rollback", "crossfade rollback"}
		}
		return Next{"rehearse the cutover, then run it without --dry-run", "crossfade cutover --dry-run"}
	case control.Reversed:
		switch {
		case st.SweepDue:
			return Next{"have everything looked at once more after the cutover", "crossfade cutover"}
		case st.LateCount > 0:
			return late
		case st.Lag != nil && (st.Lag.Lost || st.Lag.Error != ""):
			return Next{"see why the functions for the target's events do not carry them: the way back depends on it", "crossfade status"}
		}
		return Next{"watch the application at the target; crossfade rollback leads back. When that is not wanted any more, finish", "crossfade finish"}
	case control.Done:
		return Next{"nothing: the migration is done, and the old side can be taken down", ""}
	default:
		return Next{fmt.Sprintf("the migration is %s and nobody is at it: abort", st.Phase), "crossfade abort"}
	}
}

// nextOfRun is the next step while a cutover or rollback is under way.
func nextOfRun(st Status) Next {
	again := "crossfade " + st.Run.Operation
	who := fmt.Sprintf("%s is at it since %s", st.Run.Operator, st.Run.Started.UTC().Format(time.TimeOnly))
	switch st.Phase {
	case control.Announced, control.Frozen:
		return Next{"wait: " + who + ". Should its process be gone, run the same command again to go on, or crossfade abort to let the application go on where it was", again}
	case control.Switching:
		return Next{"wait: " + who + ". Should its process be gone, run the same command again: it completes the switch, or undoes it", again}
	case control.Switched:
		side := "source"
		if st.Run.Operation == report.Rollback {
			side = "target"
		}
		return Next{fmt.Sprintf("the application has moved; run the same command again once the functions that carry changes back to the %s are deployed and get their events", side), again}
	default:
		return Next{"wait for the sweep: " + who + ". Should its process be gone, run the same command again", again}
	}
}
