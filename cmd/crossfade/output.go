package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/crossfade-io/crossfade/backfill"
)

// writeJSON prints v as one indented object.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// someNamed is how many keys of a sort are printed to people who saw each of
// them logged already, or who can ask for JSON.
const someNamed = 20

// printSummary tells people what a backfill did.
func (e *env) printSummary(s backfill.Summary) {
	named := someNamed
	if e.minLevel() > slog.LevelWarn {
		named = len(s.Failures) // none was logged
	}
	io.WriteString(e.stdout, summaryText(s, named)) //nolint:errcheck // the exit code tells what counts
}

func summaryText(s backfill.Summary, named int) string {
	var b strings.Builder
	for i, f := range s.Failures {
		if i == named {
			break
		}
		fmt.Fprintf(&b, "failed  %s: %s\n", oneLine(f.Key), f.Reason)
	}
	if more := s.Failed - int64(min(named, len(s.Failures))); more > 0 {
		fmt.Fprintf(&b, "failed  ... and %s more\n", thousands(more))
	}
	copied, deleted, aborted := "copied", "deleted", "aborted"
	if s.DryRun {
		b.WriteString("dry run: nothing was changed\n")
		copied, deleted, aborted = "to copy", "to delete", "to abort"
	}
	fmt.Fprintf(&b, "%s listed: %s %s (%s), %s updated, %s in order, %s %s, %s failed in %s\n",
		thousands(s.Listed), thousands(s.Copied), copied, bytesText(s.Bytes), thousands(s.Updated),
		thousands(s.Skipped), thousands(s.Deleted), deleted, thousands(s.Failed), secondsText(s.Seconds))
	if s.Conflicts > 0 {
		fmt.Fprintf(&b, "%s of the failed are foreign objects on the target, left alone: see --foreign\n", thousands(s.Conflicts))
	}
	if s.Extra > 0 {
		fmt.Fprintf(&b, "%s more on the target that are not on the source, left there\n", thousands(s.Extra))
	}
	if s.UploadsAborted > 0 {
		fmt.Fprintf(&b, "%s unfinished uploads on the target %s\n", thousands(s.UploadsAborted), aborted)
	}
	return b.String()
}

// printReport tells people what a comparison found.
func (e *env) printReport(r backfill.Report) {
	io.WriteString(e.stdout, reportText(r, someNamed)) //nolint:errcheck // the exit code tells what counts
}

func reportText(r backfill.Report, named int) string {
	var b strings.Builder
	for _, c := range []struct {
		class backfill.Class
		n     int64
	}{{backfill.Missing, r.Missing}, {backfill.Different, r.Different}, {backfill.Extra, r.Extra}, {backfill.Foreign, r.Foreign}, {backfill.Unread, r.Failed}} {
		keys := r.Keys[c.class]
		for _, key := range keys[:min(named, len(keys))] {
			fmt.Fprintf(&b, "%-9s  %s", c.class, oneLine(key))
			if why := r.Reasons[key]; why != "" {
				b.WriteString(": " + why)
			}
			b.WriteByte('\n')
		}
		if more := c.n - int64(min(named, len(keys))); more > 0 {
			fmt.Fprintf(&b, "%-9s  ... and %s more (--json lists up to 10,000)\n", c.class, thousands(more))
		}
	}
	fmt.Fprintf(&b, "%s equal, %s missing, %s different, %s extra, %s foreign", thousands(r.Equal),
		thousands(r.Missing), thousands(r.Different), thousands(r.Extra), thousands(r.Foreign))
	if r.Failed > 0 {
		fmt.Fprintf(&b, ", %s could not be compared", thousands(r.Failed))
	}
	fmt.Fprintf(&b, "; %s in %s\n", bytesText(r.Bytes), secondsText(r.Seconds))
	return b.String()
}
