package report

import "strings"

// maxHeadline is the longest that a text from outside gets in a headline. The
// particulars have it whole.
const maxHeadline = 240

// tone is how good the news is; the greater, the worse.
type tone int

const (
	good tone = iota
	fair
	bad
)

// Headline says in a sentence or two what happened and where the application is.
func Headline(r Report) string { return headline(r.shown()) }

// headline and what it calls take a report that is fit to be shown.
func headline(r Report) string {
	from, to := cut(r.From(), maxHeadline), cut(r.To(), maxHeadline)
	r.Reason = cut(r.Reason, maxHeadline)
	name := r.verb()
	var s string
	switch {
	case r.Outcome == Rehearsed:
		s = "A rehearsal of the " + name + " from " + from + " to " + to + " found nothing in the way. Nothing was changed."
	case r.DryRun:
		s = "A rehearsal of the " + name + " from " + from + " to " + to + " found what is in the way" + because(r) + " Nothing was changed."
	case r.Outcome == Switched && name == Rollback:
		s = "The application moved back from " + from + " to " + to + withFreeze(r) + "."
	case r.Outcome == Switched:
		s = "The application moved from " + from + " to " + to + withFreeze(r) + "."
	case r.Outcome == Aborted:
		s = "The " + name + " was aborted" + because(r) + " The application stays on " + from + "."
	case r.Outcome == Failed && r.EpochAfter > r.Epoch:
		s = "The " + name + " failed after the switch" + because(r) + " " + to + " is the authority now."
	case r.Outcome == Failed:
		s = "The " + name + " failed before the switch" + because(r) + " " + from + " is still the authority."
	default:
		s = "The " + name + " from " + from + " to " + to + " has not ended."
	}
	if r.stillFrozen() {
		s += " Writes are still stopped."
	}
	return s
}

// verb is what was under way; of an abort, what it aborted.
func (r Report) verb() string {
	if r.back() {
		return Rollback
	}
	return Cutover
}

func because(r Report) string {
	if r.Reason == "" {
		return "."
	}
	return ": " + sentence(r.Reason)
}

func withFreeze(r Report) string {
	if !r.froze() {
		return " without a freeze"
	}
	if r.Freeze.End.IsZero() {
		return ""
	}
	return " with a freeze of " + length(r.Freeze.Seconds)
}

// froze reports whether writes were stopped at any time.
func (r Report) froze() bool {
	return r.Freeze != nil && r.Freeze.Mode != FreezeNone && !r.Freeze.Start.IsZero() && !r.DryRun
}

func (r Report) stillFrozen() bool { return r.froze() && r.Freeze.End.IsZero() }

// verdict says what follows from the headline for the data, and how good the
// news is in all.
func verdict(r Report) (string, tone) {
	var text string
	var t tone
	switch {
	case r.Outcome == Switched && !r.DryRun:
		text, t = completeness(r)
		if r.Reason != "" {
			text, t = "Not everything that follows the switch was done: "+sentence(r.Reason)+" "+text, bad
		}
	case r.Outcome == Rehearsed:
		return "", good
	case r.DryRun:
		return "", fair
	case r.Outcome == Aborted || r.Outcome == Failed:
		text, t = interruption(r), fair
		if r.Outcome == Failed {
			t = bad
		}
	default:
		t = fair
	}
	if r.stillFrozen() {
		t = bad
	}
	return text, t
}

// interruption says what a run that did not switch did to the application.
func interruption(r Report) string {
	var s string
	switch {
	case !r.froze():
		s = "Writes were never stopped."
	case !r.stillFrozen():
		s = "Writes were stopped for " + length(r.Freeze.Seconds) + " and are accepted again."
	}
	for _, h := range r.Hooks {
		if h.Name == "switch" && r.EpochAfter <= r.Epoch {
			s += " The switch hook had been called: make sure that the application still uses " + r.From() + "."
			break
		}
	}
	return strings.TrimSpace(s)
}

// completeness says whether the other side has everything. "Nothing was lost"
// needs every key compared, each at a time from which on it could not change
// unseen: in the freeze, or by the sweep.
func completeness(r Report) (string, tone) {
	all, last := r.compared()
	if all == nil && last == nil {
		return "No comparison is recorded here, so this report cannot say that nothing was lost.", fair
	}
	var open, foreign int64
	for _, c := range []*Comparison{all, last} {
		if c != nil {
			open += c.open()
			foreign = max(foreign, c.Foreign)
		}
	}
	kept := max(r.Counts.LateKept, 0)
	if r.Sweep != nil {
		kept = max(kept, r.Sweep.Kept)
	}
	claim := "Nothing was lost"
	if foreign > 0 {
		claim = "But for foreign objects nothing was lost"
	}
	s, t := "", good
	switch {
	case open > 0:
		return plural(open, "key") + " not equal on both sides when the application moved: the comparisons below name examples.", bad
	case r.Sweep != nil && (r.Sweep.Failed > 0 || r.Sweep.Repaired < r.Sweep.Dropped):
		return "The sweep after the switch found " + plural(r.Sweep.Dropped, "change") + " that had not arrived, repaired " +
			thousands(r.Sweep.Repaired) + " and could not settle " + plural(r.Sweep.Failed, "key") + ".", bad
	case r.Sweep != nil && r.Sweep.Dropped > 0 && !r.Sweep.End.IsZero():
		s = claim + ": the sweep after the switch found and repaired " + plural(r.Sweep.Dropped, "change") + " that no event had told of."
	case all == nil:
		s, t = "The keys that changed last are equal on both sides; no comparison of everything is recorded here.", fair
	case last != nil && last.Interrupted:
		s, t = "The comparison in the freeze was interrupted, so this report cannot say that nothing was lost.", fair
	case r.Sweep != nil && !r.Sweep.End.IsZero():
		s = claim + ": everything was compared once more after the switch."
	case all.Kind == CompareStrict && r.froze():
		s = claim + ": everything was compared while nobody could write."
	default:
		s = "No difference was found. The sweep, which looks for changes that no event told of, has not ended yet."
	}
	if foreign > 0 {
		t = max(t, fair)
		s += " Left alone on " + r.To() + " because someone else made them: " + plural(foreign, "object") + "."
	}
	if kept > 0 {
		t = max(t, fair)
		s += " Late on " + r.From() + ", and kept until crossfade resolve applies or drops them: " + plural(kept, "write") + "."
	}
	return s, t
}

// compared returns the last whole comparison before the switch, and the last one
// of the changed keys after it; either may be nil.
func (r Report) compared() (all, last *Comparison) {
	for i := range r.Comparisons {
		switch c := &r.Comparisons[i]; {
		case c.Kind == CompareChanged:
			last = c
		case (c.Kind == CompareFull || c.Kind == CompareStrict) && !c.Interrupted:
			all, last = c, nil
		}
	}
	return all, last
}

// open counts the keys that were not equal and not repaired; foreign ones are
// judged on their own.
func (c Comparison) open() int64 {
	return max(c.Missing+c.Different+c.Extra+c.Failed-c.Repaired, 0)
}

// verified says what was compared before the application moved.
func verified(r Report) (name, text string) {
	all, last := r.compared()
	switch {
	case all == nil && last == nil:
		return "nothing", "No comparison was made."
	case all != nil && all.Kind == CompareStrict:
		name, text = "strict", "In the freeze every object on both sides was listed and compared: "+plural(all.Keys, "key")+"."
	case all == nil:
		name, text = "changed keys", "In the freeze "+plural(last.Keys, "key")+" that had changed were compared. No comparison of everything is recorded here."
	case last == nil:
		name, text = "full", "Before the freeze every object on both sides was listed and compared ("+plural(all.Keys, "key")+", at "+instant(all.Start)+"). In the freeze nothing was compared."
	default:
		name, text = "journal", "Before the freeze every object on both sides was listed and compared ("+plural(all.Keys, "key")+", at "+instant(all.Start)+"). In the freeze the "+plural(last.Keys, "key")+" that had changed since then, by the journal that the functions keep, were compared again."
	}
	if (all != nil && all.Checksum) || (all == nil && last.Checksum) {
		return name, text + " Equal means that the bodies of both sides were read and their checksums agree, and that attributes and user metadata agree."
	}
	return name, text + " Equal means that size, attributes and user metadata agree, and the checksums that the stores keep or that were taken when the object was copied; bodies were not read again."
}
