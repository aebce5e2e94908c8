package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/cutover/report"
)

// TestHonest: each case is a clean cutover but for what is named; the summary
// and the page say so, and claim nothing more.
func TestHonest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change    func(*report.Report)
		say, deny string
		tone      string
	}{
		"clean":    {func(*report.Report) {}, "Nothing was lost: everything was compared once more after the switch.", "failed", "good"},
		"no sweep": {func(r *report.Report) { r.Sweep = nil }, "has not ended yet", "Nothing was lost", "good"},
		"sweeping": {func(r *report.Report) { r.Sweep.End = time.Time{} }, "has not ended", "Nothing was lost", "good"},
		"strict":   {func(r *report.Report) { r.Sweep = nil; r.Comparisons[1].Kind = report.CompareStrict }, "Nothing was lost: everything was compared while nobody could write.", "changed since", "good"},
		"no freeze": {func(r *report.Report) {
			r.Freeze.Mode = report.FreezeNone
			r.Sweep = nil
			r.Comparisons[1].Kind = report.CompareStrict
		}, "moved from s3://photos/ to gs://photos-eu/ without a freeze.", "Nothing was lost", "good"},
		"nil freeze":       {func(r *report.Report) { r.Freeze = nil }, "without a freeze.", "a freeze of", "good"},
		"nothing compared": {func(r *report.Report) { r.Comparisons = nil }, "No comparison is recorded here", "Nothing was lost", "fair"},
		"only changed":     {func(r *report.Report) { r.Comparisons = r.Comparisons[1:2]; r.Sweep = nil }, "no comparison of everything is recorded", "Nothing was lost", "fair"},
		"interrupted":      {func(r *report.Report) { r.Comparisons[1].Interrupted = true }, "was interrupted", "Nothing was lost", "fair"},
		"interrupted full": {func(r *report.Report) { r.Comparisons[0].Interrupted = true; r.Sweep = nil }, "no comparison of everything is recorded", "Nothing was lost", "fair"},
		"unequal":          {func(r *report.Report) { r.Comparisons[1].Different = 3 }, "3 keys not equal on both sides", "Nothing was lost", "bad"},
		"one not repaired": {func(r *report.Report) { r.Comparisons[0].Repaired = 1 }, "1 key not equal on both sides", "Nothing was lost", "bad"},
		"made good before": {func(r *report.Report) {
			r.Comparisons[0].Repaired = 0
			r.Comparisons = append(r.Comparisons[:1:1], report.Comparison{Kind: report.CompareFull, Keys: 9, Equal: 9})
		}, "Nothing was lost", "not equal on both", "good"},
		"unread":       {func(r *report.Report) { r.Comparisons[1].Failed = 1 }, "1 key not equal on both sides", "Nothing was lost", "bad"},
		"dropped":      {func(r *report.Report) { r.Sweep.Dropped, r.Sweep.Repaired = 2, 2 }, "found and repaired 2 changes that no event had told of", "could not settle", "good"},
		"not repaired": {func(r *report.Report) { r.Sweep.Dropped, r.Sweep.Repaired, r.Sweep.Failed = 2, 1, 1 }, "could not settle 1 key", "Nothing was lost", "bad"},
		"foreign":      {func(r *report.Report) { r.Comparisons[1].Foreign = 5 }, "because someone else made them: 5 objects", "Nothing was lost", "fair"},
		"late":         {func(r *report.Report) { r.Sweep.Kept = 2 }, "crossfade resolve applies or drops them: 2 writes", "1 write", "fair"},
		"failed": {func(r *report.Report) {
			r.Outcome, r.EpochAfter, r.Reason = report.Failed, 3, "the switch hook timed out"
			r.Hooks = r.Hooks[:1]
		}, "failed before the switch: the switch hook timed out. s3://photos/ is still the authority.", "Nothing was lost", "bad"},
		"hook called":  {func(r *report.Report) { r.Outcome, r.EpochAfter = report.Failed, 3 }, "make sure that the application still uses s3://photos/", "Nothing was lost", "bad"},
		"failed after": {func(r *report.Report) { r.Outcome = report.Failed }, "failed after the switch. gs://photos-eu/ is the authority now.", "still the authority", "bad"},
		"left frozen":  {func(r *report.Report) { r.Outcome, r.EpochAfter = report.Aborted, 3; r.Freeze.End = time.Time{} }, "Writes are still stopped.", "accepted again", "bad"},
		"never frozen": {func(r *report.Report) { r.Outcome, r.EpochAfter, r.Freeze, r.Hooks = report.Aborted, 3, nil, nil }, "Writes were never stopped.", "accepted again", "fair"},
		"abort": {func(r *report.Report) {
			r.Operation, r.Outcome, r.Phase, r.EpochAfter = report.Abort, report.Aborted, "following", 3
		}, "The cutover was aborted. The application stays on s3://photos/.", "moved", "fair"},
		"abort of the way back": {func(r *report.Report) { r.Operation, r.Outcome, r.EpochAfter = report.Abort, report.Aborted, 3 }, "The rollback was aborted. The application stays on gs://photos-eu/.", "moved", "fair"},
		"rehearsal":             {func(r *report.Report) { r.DryRun, r.Outcome = true, report.Rehearsed }, "found nothing in the way. Nothing was changed.", "moved", "good"},
		"rehearsal failed":      {func(r *report.Report) { r.DryRun, r.Outcome, r.Reason = true, report.Aborted, "no lease" }, "found what is in the way: no lease. Nothing was changed.", "stays on", "fair"},
		"left undone":           {func(r *report.Report) { r.Reason = "the sweep was denied" }, "Not everything that follows the switch was done: the sweep was denied. Nothing was lost", "failed", "bad"},
		"not begun":             {func(r *report.Report) { r.Outcome, r.EpochAfter, r.Freeze = report.Aborted, 3, &report.Freeze{} }, "Writes were never stopped.", "still stopped", "fair"},
		"not ended":             {func(r *report.Report) { r.Outcome = "" }, "has not ended", "Nothing was lost", "fair"},
	} {
		r := clean()
		c.change(&r)
		s := report.Summary(r)
		if !strings.Contains(s, c.say) || strings.Contains(s, c.deny) {
			t.Errorf("%s: want %q and not %q in\n%s", name, c.say, c.deny, s)
		}
		_, top, _ := strings.Cut(string(render(t, r)), "<h1>")
		top, _, _ = strings.Cut(top, "<dl")
		if !strings.Contains(top, c.say) || strings.Contains(top, c.deny) || !strings.Contains(top, `class="state `+c.tone+`"`) {
			t.Errorf("%s: want %q, not %q, and %s in\n%s", name, c.say, c.deny, c.tone, top)
		}
	}
}
